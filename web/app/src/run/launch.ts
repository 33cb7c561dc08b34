/** From a file to a running program: which runner, which arguments, saved first. */

import { computed } from "@preact/signals";
import type { Runner, TerminalSize } from "further-link";
import { activePath, saveAll } from "../files/workspace";
import { connection, link, runners } from "../link";
import { reveal } from "../shell/layout";
import { textSize } from "../shell/settings";
import { estimateSize } from "../terminal/measure-size";
import { t } from "../text";
import { notify } from "../ui/notices";
import { stored } from "../ui/stored";
import { type Run, runs, start, stopAll } from "./runs";
import { splitWords } from "./split-arguments";

/** How a person wants a file to be run. */
interface LaunchOptions {
  /** A runner's name; null for what fits the file. */
  readonly runner: string | null;
  /** As typed. */
  readonly arguments: string;
  readonly terminal: boolean;
}

/** What devices run that are too old to be asked. */
const LEGACY_RUNNERS: readonly Runner[] = [
  { name: "python3", title: "Python 3", extension: ".py", installed: true },
  { name: "exec", title: "exec", extension: "", installed: true },
];

const DEFAULT_OPTIONS: LaunchOptions = { runner: null, arguments: "", terminal: false };

/** Files whose options are remembered; the oldest are forgotten. */
const REMEMBERED_FILES_MAX = 200;

function isOptions(value: unknown): value is Record<string, LaunchOptions> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((options: Partial<LaunchOptions> | null) => {
    const runner = options?.runner;
    return (
      (runner === null || typeof runner === "string") &&
      typeof options?.arguments === "string" &&
      typeof options.terminal === "boolean"
    );
  });
}

const chosen = stored<Record<string, LaunchOptions>>("launch", {}, isOptions);

export function optionsOf(path: string): LaunchOptions {
  return Object.hasOwn(chosen.value, path) ? (chosen.value[path] ?? DEFAULT_OPTIONS) : DEFAULT_OPTIONS;
}

export function choose(path: string, options: LaunchOptions): void {
  const { [path]: _, ...others } = chosen.value;
  const kept = Object.entries(others).slice(-(REMEMBERED_FILES_MAX - 1));
  chosen.value = { ...Object.fromEntries(kept), [path]: options };
}

/**
 * The runner for a file by the end of its name; `exec`, which lets the file itself decide, where
 * none fits.
 */
export function runnerFor(path: string, all: readonly Runner[]): Runner | null {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const fitting = all.filter(({ extension }) => extension !== "" && name.endsWith(extension));
  const longest = fitting.sort((a, b) => b.extension.length - a.extension.length)[0];
  return longest ?? all.find(({ name }) => name === "exec") ?? null;
}

/** Whether there is something that could be run now. */
export const canRun = computed(() => activePath.value !== null && connection.value.kind === "connected");

let launching = false;

/**
 * Saves and runs the file in front. One that is running already is stopped first, so that two of
 * them do not drive the same motors.
 */
export async function runActive(): Promise<void> {
  const path = activePath.value;
  if (path === null) {
    notify(t("nothingToRun"));
    return;
  }
  await alone(() => launch(path));
}

/** Runs a file in a terminal, from now on. */
export async function runInTerminal(path: string): Promise<void> {
  choose(path, { ...optionsOf(path), terminal: true });
  await alone(() => launch(path));
}

/**
 * Starts what was in a tab once more, in the same tab and as it was started. What is unsaved is
 * saved first.
 */
export async function runAgain(run: Run): Promise<void> {
  await alone(async () => {
    if (!runs.value.includes(run)) return;
    if (run.kind === "program" && run.path !== null) {
      if (!(await saved())) return;
      await stopAll(run.path);
    }
    // It may have been closed meanwhile.
    if (runs.value.includes(run)) start({ ...run.program.options, title: run.title, kind: run.kind }, run);
  });
}

/** One after the other: two quick presses are meant as one. */
async function alone(launch: () => Promise<void>): Promise<void> {
  if (launching) return;
  launching = true;
  try {
    await launch();
  } finally {
    launching = false;
  }
}

/** Saves all; says so if that does not work. */
async function saved(): Promise<boolean> {
  try {
    await saveAll();
    return true;
  } catch (error) {
    notify(t("notSaved", { reason: error instanceof Error ? error.message : String(error) }), "bad");
    return false;
  }
}

async function launch(path: string): Promise<void> {
  if (!(await saved())) return;
  await stopAll(path);
  const options = optionsOf(path);
  const words = splitWords(options.arguments);
  if (words === null) {
    notify(t("argumentsQuote"), "bad");
    return;
  }
  const runner = options.runner ?? runnerFor(path, await known())?.name ?? "exec";
  reveal("output");
  start({
    title: path.slice(path.lastIndexOf("/") + 1),
    kind: "program",
    runner,
    path,
    ...(words.length > 0 ? { arguments: words } : {}),
    pty: options.terminal,
    ...(options.terminal ? { size: sizeOfTerminal() } : {}),
  });
}

/** The device's runners, which may still be on their way just after the page was opened. */
async function known(): Promise<readonly Runner[]> {
  if (runners.value.length === 0) {
    runners.value = await link.runners().catch(() => LEGACY_RUNNERS);
  }
  return runners.value;
}

/**
 * The size that a terminal will have, as near as can be told before it is there: a program may ask
 * for it at once.
 */
function sizeOfTerminal(): TerminalSize {
  return estimateSize(document.getElementById("area-output"), textSize.value);
}

/** The second shell that is open is "Shell 2". */
function shellTitle(): string {
  const taken = new Set(runs.value.map(({ title }) => title));
  for (let number = 1; ; number += 1) {
    const title = number === 1 ? t("shellTitle") : `${t("shellTitle")} ${number}`;
    if (!taken.has(title)) return title;
  }
}

export function openShell(): void {
  reveal("output");
  start({ title: shellTitle(), kind: "shell", runner: "shell", pty: true, size: sizeOfTerminal() });
}
