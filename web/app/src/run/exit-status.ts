/** How a program ended, in words. */

import type { ProgramState } from "further-link";
import { type PlainKey, t } from "../text";

const EXIT_STATUS_TEXTS: Readonly<Record<number, PlainKey>> = {
  0: "finished",
  2: "endedStatus2",
  126: "endedStatus126",
  127: "endedStatus127",
  130: "endedStatus130",
};

const SIGNAL_TEXTS: Readonly<Record<number, PlainKey>> = {
  1: "endedHangup",
  2: "endedInterrupt",
  4: "endedInstruction",
  6: "endedAborted",
  8: "endedCalculation",
  9: "endedKilled",
  11: "endedCrashed",
  13: "endedPipe",
};

const SIGTERM_NUMBER = 15;

/**
 * What a state means. A shell's status is that of its last command, and says nothing about the
 * shell.
 */
export function explain(state: ProgramState, kind: "program" | "shell", stopped: boolean): string {
  switch (state.kind) {
    case "starting":
      return t("starting");
    case "running":
      return stopped ? t("stopping") : t("running");
    case "failed":
      if (state.cause === "no-arguments") return t("noArguments");
      if (state.cause === "no-connection") return t("noConnection");
      return state.cause === "stopped-before" ? t("stoppedBefore") : state.message;
    case "lost":
      return t("lost");
    case "stopped":
      return kind === "shell" ? t("shellOver") : explainCode(state.code, stopped);
  }
}

function explainCode(code: number, stopped: boolean): string {
  if (code >= 0) {
    const key = EXIT_STATUS_TEXTS[code];
    return key === undefined ? t("endedWith", { code }) : t(key);
  }
  if (code === -SIGTERM_NUMBER && stopped) return t("stopped");
  const key = SIGNAL_TEXTS[-code];
  return key === undefined ? t("endedBySignal", { signal: -code }) : t(key);
}

/** How an end looks: well, as an error, or neither. */
export function tone(
  state: ProgramState,
  kind: "program" | "shell",
  stopped: boolean,
): "busy" | "good" | "bad" | "plain" {
  switch (state.kind) {
    case "starting":
    case "running":
      return "busy";
    case "failed":
    case "lost":
      return "bad";
    case "stopped":
      if (kind === "shell" || (state.code === -SIGTERM_NUMBER && stopped)) return "plain";
      return state.code === 0 ? "good" : "bad";
  }
}
