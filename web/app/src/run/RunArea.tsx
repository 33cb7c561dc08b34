import { useEffect, useRef } from "preact/hooks";
import { t } from "../text";
import { ask } from "../ui/Dialog";
import { CloseIcon, ShellIcon } from "../ui/icons";
import { explain, tone } from "./exit-status";
import { openShell } from "./launch";
import { RunPanel } from "./RunPanel";
import "./run.css";
import { close, isOver, type Run, runs, shown } from "./runs";

async function closeAsked(run: Run): Promise<void> {
  const busy = !isOver(run.state.value) && run.kind === "program";
  if (busy && !(await ask(run.title, t("closeRunAsk", { title: run.title }), t("closeAndStop")))) return;
  close(run);
  // After it is drawn: who has closed it by keys goes on at the next tab, and not at the top of the
  // page.
  requestAnimationFrame(() => {
    const lost = document.activeElement === null || document.activeElement === document.body;
    if (lost) document.querySelector<HTMLElement>("#area-output :is([role=tab][tabindex='0'], .tab-action)")?.focus();
  });
}

/** Programs and shells, each with its tab. */
export function RunArea() {
  const all = runs.value;
  return (
    <>
      <div class="tab-bar">
        <div class="tabs" role="tablist" aria-label={t("runs")} onKeyDown={moveAmongTabs}>
          {all.map((run) => (
            <Tab key={run.id} run={run} />
          ))}
        </div>
        <button type="button" class="tab-action" title={t("newShell")} onClick={openShell}>
          <ShellIcon />
          <span>{t("newShell")}</span>
        </button>
      </div>
      {all.length === 0 && (
        <div class="run-empty">
          <p>{t("noRuns")}</p>
          <p class="hint">{t("noRunsHint")}</p>
        </div>
      )}
      {all.map((run) => (
        <RunPanel key={run.id} run={run} active={run.id === shown.value} />
      ))}
    </>
  );
}

function Tab({ run }: { readonly run: Run }) {
  const selected = run.id === shown.value;
  const state = run.state.value;
  const tab = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (selected) tab.current?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }, [selected]);
  return (
    // The cross is for pointers only: the Delete key does the same, and a tab list may hold nothing
    // but tabs.
    <button
      ref={tab}
      type="button"
      role="tab"
      class="tab"
      id={`${run.id}-tab`}
      aria-selected={selected}
      aria-controls={`${run.id}-panel`}
      aria-keyshortcuts="Delete"
      tabIndex={selected ? 0 : -1}
      title={explain(state, run.kind, run.stopAsked.value)}
      onClick={() => {
        shown.value = run.id;
      }}
      onAuxClick={(event) => {
        if (event.button === 1) void closeAsked(run);
      }}
      onKeyDown={(event) => {
        if (event.key === "Delete") void closeAsked(run);
      }}
    >
      <span class="tab-mark" data-tone={tone(state, run.kind, run.stopAsked.value)} aria-hidden="true" />
      <span class="tab-title">{run.title}</span>
      <span
        class="tab-close"
        aria-hidden="true"
        title={t("closeRun", { title: run.title })}
        onClick={(event) => {
          event.stopPropagation();
          void closeAsked(run);
        }}
      >
        <CloseIcon />
      </span>
    </button>
  );
}

/** Arrow keys, Home and End go from tab to tab (WAI-ARIA Authoring Practices, tabs). */
function moveAmongTabs(event: KeyboardEvent & { readonly currentTarget: HTMLElement }): void {
  const tabs = [...event.currentTarget.querySelectorAll<HTMLElement>('[role="tab"]')];
  const at = tabs.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  const targets: Record<string, number> = {
    ArrowLeft: (at - 1 + tabs.length) % tabs.length,
    ArrowRight: (at + 1) % tabs.length,
    Home: 0,
    End: tabs.length - 1,
  };
  const next = targets[event.key];
  if (next === undefined) return;
  event.preventDefault();
  tabs[next]?.focus();
  tabs[next]?.click();
}
