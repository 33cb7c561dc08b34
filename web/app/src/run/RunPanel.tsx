import { useSignal, useSignalEffect } from "@preact/signals";
import { ChannelsPane } from "../channels/ChannelsPane";
import { TerminalView } from "../terminal/TerminalView";
import { language, t } from "../text";
import { duration } from "../ui/duration";
import { AgainIcon, StopIcon } from "../ui/icons";
import { notify } from "../ui/notices";
import { type ConsoleHandle, ConsoleView } from "./console/ConsoleView";
import { explain, tone } from "./exit-status";
import { runAgain, runInTerminal } from "./launch";
import { RunTools } from "./RunTools";
import { isOver, type Run, stop } from "./runs";

/** Milliseconds between the two presses of a double click, at most. */
const DOUBLE_CLICK_INTERVAL_MS = 500;

/**
 * The press that comes with the one that has started the program, as this button has taken the
 * place of that one.
 */
function isSecondPress(event: MouseEvent, run: Run): boolean {
  return event.detail === 2 && Date.now() - run.startedAt < DOUBLE_CLICK_INTERVAL_MS;
}

/** One program or shell: how it is, what it shows, and what can be done with it. */
export function RunPanel({ run, active }: { readonly run: Run; readonly active: boolean }) {
  const handle = useSignal<ConsoleHandle | null>(null);
  useSignalEffect(() =>
    run.program.on("error", ({ message, detail }) => {
      notify(t("errorFromDevice", { message: detail ?? message }), "bad");
    }),
  );
  const state = run.state.value;
  const over = isOver(state);
  const took = run.took.value;
  const words = explain(state, run.kind, run.stopAsked.value);
  return (
    <div
      class="run-panel"
      role="tabpanel"
      id={`${run.id}-panel`}
      aria-labelledby={`${run.id}-tab`}
      hidden={!active}
      data-state={state.kind}
    >
      <div class="run-bar">
        <span class="run-state" data-tone={tone(state, run.kind, run.stopAsked.value)} role="status">
          {words}
          {took !== null && state.kind === "stopped" && (
            <span class="run-took"> {t("after", { time: duration(took, language.value) })}</span>
          )}
        </span>
        <span class="run-tools" role="toolbar" aria-label={t("outputOf", { title: run.title })}>
          {run.view === "console" && <RunTools run={run} handle={handle} />}
          {over ? (
            <button
              type="button"
              class="icon-button"
              aria-label={t("runAgain")}
              title={t("runAgain")}
              onClick={() => runAgain(run)}
            >
              <AgainIcon />
            </button>
          ) : (
            // Not `disabled`, which would take the focus away: it becomes the button that runs it
            // again.
            <button
              type="button"
              class="run-stop bad"
              aria-disabled={run.stopAsked.value}
              onClick={(event) => !isSecondPress(event, run) && stop(run)}
            >
              <StopIcon />
              <span>{t("stop")}</span>
            </button>
          )}
        </span>
      </div>
      {wantsTerminal(run) && (
        <div class="run-hint" role="status">
          <span>{t("wantsTerminal")}</span>
          <button type="button" onClick={() => run.path !== null && runInTerminal(run.path)}>
            {t("runInTerminal")}
          </button>
        </div>
      )}
      <div class="run-shown">
        <div class="run-view">
          {run.view === "console" ? (
            <ConsoleView run={run} active={active} handle={handle} />
          ) : (
            <TerminalView run={run} active={active} />
          )}
        </div>
        <ChannelsPane run={run} active={active} />
      </div>
    </div>
  );
}

/**
 * What programs say that draw on the screen of a terminal, or ask for one, when there is none:
 * curses, readline, termios.
 */
const TERMINAL_NEEDED_PATTERN =
  /_curses\.error|setupterm|Inappropriate ioctl for device|not a terminal|not a tty|open terminal|TERM environment variable not set/i;
/** Characters at the end of the output that are looked at. */
const SEARCHED_TAIL_CHARS = 4000;

/** Whether it has failed because it needs a terminal. */
function wantsTerminal(run: Run): boolean {
  const state = run.state.value;
  if (run.view !== "console" || run.path === null || state.kind !== "stopped" || state.code === 0) return false;
  return TERMINAL_NEEDED_PATTERN.test(run.transcript.text().slice(-SEARCHED_TAIL_CHARS));
}
