/** The programs and shells of this page, running or over, each a tab. */

import { computed, type Signal, signal } from "@preact/signals";
import type { Program, ProgramState, StartOptions } from "further-link";
import { Channels } from "../channels/channels";
import { link } from "../link";
import { OutputBuffer } from "./output-buffer";
import { Transcript } from "./transcript";

export interface Run {
  /** Unique on this page. */
  readonly id: string;
  /** What its tab says: the file's name, or "Shell". */
  readonly title: string;
  readonly kind: "program" | "shell";
  /**
   * `console` shows text and a line for input; `terminal` is a terminal, for a program that has
   * one.
   */
  readonly view: "console" | "terminal";
  /** The file that is run; a run of the same file takes the place of one that is over. */
  readonly path: string | null;
  readonly program: Program;
  readonly state: Signal<ProgramState>;
  /** The person has pressed Stop. */
  readonly stopAsked: Signal<boolean>;
  /** Where a view takes the output from. */
  readonly output: OutputBuffer;
  /** What was shown in the console, for saving and copying. */
  readonly transcript: Transcript;
  /** Keys, video, figures, plots, widgets and windows of the program. */
  readonly channels: Channels;
  /** ms since 1970 */
  readonly startedAt: number;
  /** ms; null until it is over. */
  readonly took: Signal<number | null>;
}

export const runs = signal<readonly Run[]>([]);

/** The id of the run whose tab is in front. */
export const shown = signal<string | null>(null);

export const shownRun = computed(() => runs.value.find((run) => run.id === shown.value) ?? null);

/** Programs whose tab is gone, until they are over. */
const closed = new Set<Run>();

let count = 0;

interface RunOptions extends StartOptions {
  readonly title: string;
  readonly kind: Run["kind"];
}

export function isOver(state: ProgramState): boolean {
  return state.kind !== "starting" && state.kind !== "running";
}

/** The run of a file that is not over. */
export function runningOf(path: string): Run | null {
  return runs.value.find((run) => run.path === path && run.kind === "program" && !isOver(run.state.value)) ?? null;
}

/**
 * Stops all programs of a file, also those whose tab is closed already. Settles when the last of
 * them is over.
 */
export async function stopAll(path: string): Promise<void> {
  const running = [...runs.value, ...closed].filter(
    (run) => run.path === path && run.kind === "program" && !isOver(run.state.value),
  );
  for (const run of running) stop(run);
  await Promise.all(running.map((run) => run.program.ended));
}

/**
 * Starts a program in a tab, in front. It takes the tab of `instead`, or of a run of the same file
 * that is over, else it gets a new one.
 */
export function start({ title, kind, ...options }: RunOptions, instead?: Run): Run {
  count += 1;
  const program = link.start(options);
  const startedAt = Date.now();
  const state = signal(program.state);
  const took = signal<number | null>(null);
  program.on("state", (next) => {
    state.value = next;
    if (isOver(next)) took.value = Date.now() - startedAt;
  });
  const run: Run = {
    id: `run-${count}`,
    title,
    kind,
    view: options.pty === true ? "terminal" : "console",
    path: options.code === undefined ? (options.path ?? null) : null,
    program,
    state,
    stopAsked: signal(false),
    output: new OutputBuffer(program),
    transcript: new Transcript(),
    channels: new Channels(program),
    startedAt,
    took,
  };
  const before =
    instead ??
    runs.value.find(
      (other) => run.path !== null && other.path === run.path && other.kind === kind && isOver(other.state.value),
    );
  if (before === undefined) {
    runs.value = [...runs.value, run];
  } else {
    before.channels.dispose();
    before.output.dispose();
    runs.value = runs.value.map((other) => (other === before ? run : other));
  }
  shown.value = run.id;
  return run;
}

export function stop(run: Run): void {
  if (isOver(run.state.value) || run.stopAsked.value) return;
  run.stopAsked.value = true;
  run.program.stop();
}

/** Takes a tab away; its program is stopped. */
export function close(run: Run): void {
  stop(run);
  if (!isOver(run.state.value)) {
    closed.add(run);
    void run.program.ended.then(() => closed.delete(run));
  }
  run.channels.dispose();
  run.output.dispose();
  const index = runs.value.indexOf(run);
  runs.value = runs.value.filter((other) => other !== run);
  if (shown.value === run.id) shown.value = (runs.value[index] ?? runs.value[index - 1])?.id ?? null;
}
