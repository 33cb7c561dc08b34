/** What a program shows and asks for beside its text: the state behind the panels of this folder. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Program } from "further-link";
import { Figures } from "./figures";
import { Keys } from "./keys";
import { Plots } from "./plots";
import { Video } from "./video";
import { Widgets } from "./widgets";

/** Windows of a program's display that are named; a program has one display, whose page is the same for all. */
const MOST_WINDOWS = 8;

export interface WindowPage {
  readonly port: number;
  readonly path: string;
}

/** Something that is shown beside the output. */
export type Panel = "keys" | "widgets" | "windows" | "video" | `figure:${string}` | `plot:${string}`;

export class Channels {
  readonly keys: Keys;
  readonly video = new Video();
  readonly figures = new Figures();
  readonly plots = new Plots();
  readonly widgets: Widgets;
  readonly windows: ReadonlySignal<readonly WindowPage[]>;
  /** The panels, in the order in which the program has first used them. */
  readonly order: ReadonlySignal<readonly Panel[]>;
  /** Whether there is a panel. */
  readonly any: ReadonlySignal<boolean>;

  readonly #windows = signal<readonly WindowPage[]>([]);
  readonly #first = signal<readonly Panel[]>([]);
  readonly #leave: (() => void)[] = [];

  constructor(readonly program: Program) {
    this.keys = new Keys((key, event) => program.key(key, event));
    this.widgets = new Widgets((id, event, value) => program.widget(id, event, value));
    this.windows = this.#windows;
    this.order = computed(() => this.#first.value.filter((panel) => this.#isShown(panel)));
    this.any = computed(() => this.order.value.length > 0);
    this.#leave.push(
      program.on("keylisten", (key) => {
        this.keys.want(key);
        this.#use("keys");
      }),
      program.on("video", (image, dropped) => {
        this.video.show(image, dropped);
        this.#use("video");
      }),
      program.on("figure", (figure) => {
        for (const gone of this.figures.take(figure)) this.#forget(`figure:${gone}`);
        if (this.figures.shown.some((other) => other.id === figure.id)) this.#use(`figure:${figure.id}`);
      }),
      program.on("plot", (plot) => {
        this.plots.add(plot);
        if (this.plots.shown.some((other) => other.name === plot.name)) this.#use(`plot:${plot.name}`);
      }),
      program.on("widget", (widget) => {
        this.widgets.take(widget);
        this.#use("widgets");
      }),
      program.on("window", (page) => {
        this.#window(page);
        this.#use("windows");
      }),
      program.on("state", (state) => {
        if (state.kind !== "starting" && state.kind !== "running") this.#end();
      }),
    );
  }

  closeFigure(id: string): void {
    // A program that is over cannot close it itself any more.
    if (this.keys.enabled) this.program.closeFigure(id);
    this.figures.remove(id);
    this.#forget(`figure:${id}`);
  }

  /** Stops listening, and frees what pictures hold. */
  dispose(): void {
    this.keys.releaseAll();
    for (const leave of this.#leave.splice(0)) leave();
    this.#end();
    this.video.clear();
    this.figures.clear();
    this.plots.clear();
    this.widgets.clear();
    this.#windows.value = [];
    this.#first.value = [];
  }

  #end(): void {
    this.keys.end();
    this.widgets.end();
    this.video.end();
  }

  #window({ port, path }: WindowPage): void {
    if (!Number.isInteger(port) || port < 1 || port > 65_535 || !path.startsWith("/")) return;
    const known = this.#windows.peek();
    if (known.length >= MOST_WINDOWS || known.some((page) => page.port === port && page.path === path)) return;
    this.#windows.value = [...known, { port, path }];
  }

  #isShown(panel: Panel): boolean {
    switch (panel) {
      case "keys":
        return this.keys.wanted.length > 0;
      case "widgets":
        return this.widgets.shown.length > 0;
      case "windows":
        return this.#windows.value.length > 0;
      default:
        return true;
    }
  }

  #use(panel: Panel): void {
    if (!this.#first.peek().includes(panel)) this.#first.value = [...this.#first.peek(), panel];
  }

  #forget(panel: Panel): void {
    this.#first.value = this.#first.peek().filter((other) => other !== panel);
  }
}
