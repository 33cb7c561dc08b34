/** The programs and shells of this page, running or over, each a tab. */

import { computed, type Signal, signal } from "@preact/signals";
import type { Program, ProgramState, StartOptions } from "further-link";
import { Channels } from "../channels/channels";
import { link } from "../link";

export interface Run {
  /** Unique on this page. */
  readonly id: string;
  /** What its tab says: the file's name, or "Shell". */
  readonly title: string;
  readonly kind: "program" | "shell";
  /** `console` shows text and a line for input; `terminal` is a terminal, for a program that has one. */
  readonly view: "console" | "terminal";
  readonly program: Program;
  readonly state: Signal<ProgramState>;
  /** Keys, video, figures, plots, widgets and windows of the program. */
  readonly channels: Channels;
  readonly startedAt: number;
}

export const runs = signal<readonly Run[]>([]);

/** The id of the run whose tab is in front. */
export const shown = signal<string | null>(null);

export const shownRun = computed(() => runs.value.find((run) => run.id === shown.value) ?? null);

let count = 0;

export interface RunOptions extends StartOptions {
  readonly title: string;
  readonly kind: Run["kind"];
}

/** Starts a program in a tab of its own, in front. */
export function start({ title, kind, ...options }: RunOptions): Run {
  count += 1;
  const program = link.start(options);
  const state = signal(program.state);
  program.on("state", (next) => {
    state.value = next;
  });
  const run: Run = {
    id: `run-${count}`,
    title,
    kind,
    view: options.pty === true ? "terminal" : "console",
    program,
    state,
    channels: new Channels(program),
    startedAt: Date.now(),
  };
  runs.value = [...runs.value, run];
  shown.value = run.id;
  return run;
}

export function isOver(state: ProgramState): boolean {
  return state.kind !== "starting" && state.kind !== "running";
}

/** Takes a tab away; its program is stopped. */
export function close(run: Run): void {
  if (!isOver(run.state.value)) run.program.stop();
  run.channels.dispose();
  const index = runs.value.indexOf(run);
  runs.value = runs.value.filter((other) => other !== run);
  if (shown.value === run.id) shown.value = (runs.value[index] ?? runs.value[index - 1])?.id ?? null;
}
