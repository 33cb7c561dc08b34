import { useSignal } from "@preact/signals";
import { activeFile } from "../files/workspace";
import { runners } from "../link";
import { t } from "../text";
import { Dialog } from "../ui/Dialog";
import { OptionsIcon, PlayIcon, StopIcon } from "../ui/icons";
import { shortcut } from "../ui/shortcut";
import { canRun, choose, optionsOf, runActive, runnerFor } from "./launch";
import { runningOf, stop } from "./runs";
import { splitWords } from "./split-arguments";

/** Run and Stop for the file in front, and how it is run. */
export function RunBar() {
  const choosing = useSignal(false);
  const file = activeFile.value;
  const path = file?.path ?? null;
  const running = path === null ? null : runningOf(path);
  const name = path?.slice(path.lastIndexOf("/") + 1) ?? "";
  return (
    <div class="run-buttons" role="group" aria-label={path === null ? t("run") : t("runFile", { file: name })}>
      <button
        type="button"
        class="main run-run"
        disabled={!canRun.value}
        title={path === null ? t("nothingToRun") : `${t("runFile", { file: name })} (${shortcut("Ctrl+Enter")})`}
        onClick={() => runActive()}
      >
        <PlayIcon />
        <span>{running === null ? t("run") : t("runAgain")}</span>
      </button>
      <button
        type="button"
        class="icon-button run-options"
        disabled={path === null}
        aria-haspopup="dialog"
        aria-label={t("runOptions")}
        title={t("runOptions")}
        onClick={() => {
          choosing.value = true;
        }}
      >
        <OptionsIcon />
      </button>
      <button
        type="button"
        class="bad run-stop-active"
        // Not `disabled`, which would take the focus away from who has just pressed it.
        aria-disabled={running === null || running.stopAsked.value}
        title={`${t("stop")} (${shortcut("Ctrl+.")})`}
        onClick={() => running !== null && stop(running)}
      >
        <StopIcon />
        <span>{t("stop")}</span>
      </button>
      {choosing.value && path !== null && <Options path={path} name={name} onClose={() => (choosing.value = false)} />}
    </div>
  );
}

function Options({
  path,
  name,
  onClose,
}: {
  readonly path: string;
  readonly name: string;
  readonly onClose: () => void;
}) {
  const options = optionsOf(path);
  const fitting = runnerFor(path, runners.value);
  const bad = splitWords(options.arguments) === null;
  return (
    <Dialog title={t("runOptionsFor", { file: name })} onClose={onClose}>
      <label class="field">
        <span>{t("runner")}</span>
        <select
          value={options.runner ?? ""}
          onChange={({ currentTarget }) => choose(path, { ...options, runner: currentTarget.value || null })}
        >
          <option value="">{t("runnerByFile", { runner: fitting?.title ?? "?" })}</option>
          {runners.value
            .filter((runner) => runner.name !== "shell")
            .map((runner) => (
              <option key={runner.name} value={runner.name} disabled={!runner.installed}>
                {runner.installed ? runner.title : t("runnerMissing", { runner: runner.title })}
              </option>
            ))}
        </select>
      </label>
      <label class="field">
        <span>{t("arguments")}</span>
        <input
          class="mono"
          value={options.arguments}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-invalid={bad}
          aria-describedby="run-arguments-hint"
          onInput={({ currentTarget }) => choose(path, { ...options, arguments: currentTarget.value })}
        />
        <span id="run-arguments-hint" class={bad ? "hint bad-text" : "hint"}>
          {bad ? t("argumentsQuote") : t("argumentsHint")}
        </span>
      </label>
      <div class="field">
        <label class="check">
          <input
            type="checkbox"
            checked={options.terminal}
            aria-describedby="run-terminal-hint"
            onChange={({ currentTarget }) => choose(path, { ...options, terminal: currentTarget.checked })}
          />
          {t("inTerminal")}
        </label>
        <span id="run-terminal-hint" class="hint">
          {t("inTerminalHint")}
        </span>
      </div>
      <div class="dialog-buttons">
        <button type="button" onClick={onClose}>
          {t("done")}
        </button>
        <button
          type="button"
          class="main"
          disabled={!canRun.value}
          onClick={() => {
            onClose();
            void runActive();
          }}
        >
          <PlayIcon />
          {t("run")}
        </button>
      </div>
    </Dialog>
  );
}
