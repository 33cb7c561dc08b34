/**
 * What a program shows and asks for alongside its text: the state behind the panels of this folder.
 * Goes by the table in `registry.tsx`, and knows no channel by name.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Program } from "further-link";
import { CHANNELS, type ChannelName, type ChannelRow, type ChannelStates } from "./registry";

/** A panel: its channel, and after a colon its id if the channel has several. */
export type Panel = ChannelName | `${ChannelName}:${string}`;

const CHANNEL_NAMES = Object.keys(CHANNELS) as ChannelName[];

/** The row of a channel; what its state is, only the row itself knows. */
const rowOf = (name: ChannelName): ChannelRow<unknown> => CHANNELS[name] as ChannelRow<unknown>;

export class Channels {
  readonly states: ChannelStates;
  /** The panels, in the order in which the program has first used them. */
  readonly order: ReadonlySignal<readonly Panel[]>;
  /** Whether there is a panel. */
  readonly any: ReadonlySignal<boolean>;

  readonly #shown = signal<readonly Panel[]>([]);
  readonly #stopListening: (() => void)[] = [];

  constructor(program: Program) {
    const open = (name: ChannelName) => {
      const panel = (id?: string): Panel => (id === undefined ? name : `${name}:${id}`);
      const panels = {
        show: (id?: string) => this.#show(panel(id)),
        hide: (id?: string) => this.#hide(panel(id)),
      };
      return rowOf(name).open(program, panels, (stop) => this.#stopListening.push(stop));
    };
    this.states = Object.fromEntries(CHANNEL_NAMES.map((name) => [name, open(name)])) as ChannelStates;
    this.order = computed(() => this.#shown.value.filter((panel) => this.#hasContent(panel)));
    this.any = computed(() => this.order.value.length > 0);
    this.#stopListening.push(
      program.on("state", (state) => {
        if (state.kind !== "starting" && state.kind !== "running") this.#end();
      }),
    );
  }

  /** Draws a panel; `title` is what the program is called. */
  render(panel: Panel, title: string): ReturnType<ChannelRow<unknown>["render"]> {
    const { name, id } = partsOf(panel);
    return rowOf(name).render(this.states[name], { id, title });
  }

  /** Stops listening, and frees what pictures hold. */
  dispose(): void {
    for (const name of CHANNEL_NAMES) rowOf(name).leave?.(this.states[name]);
    for (const stop of this.#stopListening.splice(0)) stop();
    this.#end();
    for (const name of CHANNEL_NAMES) rowOf(name).clear(this.states[name]);
    this.#shown.value = [];
  }

  #end(): void {
    for (const name of CHANNEL_NAMES) rowOf(name).end?.(this.states[name]);
  }

  #hasContent(panel: Panel): boolean {
    const { name } = partsOf(panel);
    return rowOf(name).hasContent?.(this.states[name]) ?? true;
  }

  #show(panel: Panel): void {
    if (!this.#shown.peek().includes(panel)) this.#shown.value = [...this.#shown.peek(), panel];
  }

  #hide(panel: Panel): void {
    this.#shown.value = this.#shown.peek().filter((other) => other !== panel);
  }
}

function partsOf(panel: Panel): { readonly name: ChannelName; readonly id: string } {
  const colon = panel.indexOf(":");
  if (colon < 0) return { name: panel as ChannelName, id: "" };
  return { name: panel.slice(0, colon) as ChannelName, id: panel.slice(colon + 1) };
}
