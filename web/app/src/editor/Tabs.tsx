/**
 * The tabs of the open files: a row of tabs of which the arrow keys choose one, as the ARIA
 * practices have it.
 */

import { useEffect, useRef, useState } from "preact/hooks";
import { nameOf, parentOf } from "../files/names";
import { documents } from "../files/workspace";
import { t } from "../text";
import { Dialog } from "../ui/Dialog";
import { CloseIcon } from "../ui/icons";
import type { OpenDocument } from "./document";

/** The folder of each file that has the name of another one; null for the others. */
export function foldersToShow(paths: readonly string[]): (string | null)[] {
  const counts = new Map<string, number>();
  for (const path of paths) counts.set(nameOf(path), (counts.get(nameOf(path)) ?? 0) + 1);
  return paths.map((path) => ((counts.get(nameOf(path)) ?? 0) > 1 ? parentOf(path) || "/" : null));
}

export function Tabs() {
  const list = documents.list.value;
  const active = documents.active.value;
  const [leaving, setLeaving] = useState<OpenDocument | null>(null);
  const row = useRef<HTMLDivElement>(null);

  useEffect(() => {
    // A tab that was scrolled away comes into view when its file does.
    row.current?.querySelector("[aria-selected=true]")?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }, [active, list]);

  async function close(document: OpenDocument): Promise<void> {
    if (document.unsaved.value) await document.save().catch(() => {});
    if (document.unsaved.value) setLeaving(document);
    else closeNow(document);
  }

  function closeNow(document: OpenDocument): void {
    const hadFocus = row.current?.contains(globalThis.document.activeElement) ?? false;
    documents.close(document, true);
    if (hadFocus) queueMicrotask(() => row.current?.querySelector<HTMLElement>("[aria-selected=true]")?.focus());
  }

  function onKey(event: KeyboardEvent): void {
    const index = active === null ? -1 : list.indexOf(active);
    let next: OpenDocument | undefined;
    if (event.key === "ArrowRight") next = list[(index + 1) % list.length];
    else if (event.key === "ArrowLeft") next = list[(index - 1 + list.length) % list.length];
    else if (event.key === "Home") next = list[0];
    else if (event.key === "End") next = list.at(-1);
    else if (event.key === "Delete" && active !== null) {
      event.preventDefault();
      void close(active);
      return;
    } else return;
    event.preventDefault();
    if (next === undefined) return;
    documents.show(next);
    requestAnimationFrame(() => row.current?.querySelector<HTMLElement>("[aria-selected=true]")?.focus());
  }

  if (list.length === 0) return null;
  const folders = foldersToShow(list.map((document) => document.path.value));
  return (
    <>
      <div class="tab-bar">
        <div ref={row} class="tabs" role="tablist" aria-label={t("editorTabs")} onKeyDown={onKey}>
          {list.map((document, index) => (
            <Tab
              key={document}
              document={document}
              folder={folders[index] ?? null}
              selected={document === active}
              onClose={() => void close(document)}
            />
          ))}
        </div>
      </div>
      {active !== null && (
        <button type="button" class="editor-tab-close" onClick={() => void close(active)}>
          {t("editorClose", { name: nameOf(active.path.value) })}
        </button>
      )}
      {leaving !== null && (
        <Leave
          document={leaving}
          onClose={() => setLeaving(null)}
          onDiscard={() => {
            setLeaving(null);
            closeNow(leaving);
          }}
        />
      )}
    </>
  );
}

interface TabProps {
  readonly document: OpenDocument;
  readonly folder: string | null;
  readonly selected: boolean;
  readonly onClose: () => void;
}

function Tab({ document, folder, selected, onClose }: TabProps) {
  const path = document.path.value;
  const name = nameOf(path);
  const unsaved = document.unsaved.value;
  return (
    <button
      type="button"
      role="tab"
      class="tab editor-tab"
      data-gone={document.deleted}
      aria-selected={selected}
      aria-controls="editor-panel"
      aria-keyshortcuts="Delete"
      tabIndex={selected ? 0 : -1}
      title={path}
      onClick={() => documents.show(document)}
      onAuxClick={(event) => {
        if (event.button !== 1) return;
        event.preventDefault();
        onClose();
      }}
      // The middle button would begin to scroll.
      onMouseDown={(event) => {
        if (event.button === 1) event.preventDefault();
      }}
    >
      <span class="tab-title">{name}</span>
      {folder !== null && <span class="editor-tab-folder">{folder}</span>}
      {unsaved && (
        <span class="editor-tab-unsaved" role="img" aria-label={t("editorUnsaved")}>
          ●
        </span>
      )}
      {/* For pointers. A row of tabs holds nothing but tabs: with the keyboard it is Delete, or the button behind them. */}
      <span
        class="tab-close"
        aria-hidden="true"
        onClick={(event) => {
          event.stopPropagation();
          onClose();
        }}
      >
        <CloseIcon />
      </span>
    </button>
  );
}

interface LeaveProps {
  readonly document: OpenDocument;
  readonly onClose: () => void;
  readonly onDiscard: () => void;
}

/** What is unsaved could not be saved: asks before it is lost. */
function Leave({ document, onClose, onDiscard }: LeaveProps) {
  const name = nameOf(document.path.value);
  return (
    <Dialog title={t("editorCloseTitle", { name })} onClose={onClose}>
      <p class="dialog-text">{t("editorCloseText")}</p>
      <div class="dialog-buttons">
        <button type="button" onClick={onClose}>
          {t("cancel")}
        </button>
        <button type="button" class="bad" onClick={onDiscard}>
          {t("editorCloseDiscard")}
        </button>
        <button
          type="button"
          class="main"
          onClick={() =>
            document
              .save({ again: true })
              .then(onDiscard)
              // Why not is said above the text.
              .catch(onClose)
          }
        >
          {t("editorCloseSave")}
        </button>
      </div>
    </Dialog>
  );
}
