import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text";
import { copyText } from "../ui/clipboard";
import { download } from "../ui/download";
import { ClearIcon, CloseIcon, CopyIcon, DownIcon, SaveIcon, SearchIcon, UpIcon } from "../ui/icons";
import { notify } from "../ui/notices";
import type { ConsoleHandle } from "./console/ConsoleView";
import { find, MATCHES_MAX, mark, unmark } from "./console/search";
import type { Run } from "./runs";

/** Searching, copying, clearing and saving of what a console shows. */
export function RunTools({ run, handle }: { readonly run: Run; readonly handle: Signal<ConsoleHandle | null> }) {
  const searching = useSignal(false);
  const text = () => {
    const { transcript } = run;
    const gone = transcript.gone > 0 ? `${t("savedGone", { count: transcript.gone })}\n` : "";
    return gone + transcript.text();
  };
  const copy = async () => {
    if (await copyText(selectedIn(handle.value?.list) ?? text())) notify(t("copied"));
    else notify(t("notCopied"), "bad");
  };
  useEffect(() => {
    const list = handle.value?.list;
    const panel = list?.closest<HTMLElement>(".run-panel");
    if (panel === null || panel === undefined) return;
    const onKey = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "f") return;
      event.preventDefault();
      searching.value = true;
    };
    panel.addEventListener("keydown", onKey);
    return () => panel.removeEventListener("keydown", onKey);
  }, [handle.value]);
  return (
    <>
      {searching.value && <Search handle={handle} onClose={() => (searching.value = false)} />}
      <button
        type="button"
        class="icon-button"
        aria-pressed={searching.value}
        aria-label={t("search")}
        title={t("search")}
        onClick={() => {
          searching.value = !searching.value;
        }}
      >
        <SearchIcon />
      </button>
      <button type="button" class="icon-button" aria-label={t("copyAll")} title={t("copyAll")} onClick={copy}>
        <CopyIcon />
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={t("saveOutput")}
        title={t("saveOutput")}
        onClick={() => download(`${run.title}.txt`, new Blob([text()], { type: "text/plain;charset=utf-8" }))}
      >
        <SaveIcon />
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={t("clear")}
        title={t("clear")}
        onClick={() => handle.value?.clear()}
      >
        <ClearIcon />
      </button>
    </>
  );
}

/** What is selected of the output; what is selected elsewhere on the page is not meant. */
function selectedIn(list: HTMLElement | undefined): string | null {
  const selection = getSelection();
  if (list === undefined || selection === null || selection.isCollapsed) return null;
  const shown = list.closest(".console") ?? list;
  const inside = shown.contains(selection.anchorNode) && shown.contains(selection.focusNode);
  return inside ? selection.toString() : null;
}

function Search({ handle, onClose }: { readonly handle: Signal<ConsoleHandle | null>; readonly onClose: () => void }) {
  const query = useSignal("");
  const found = useSignal<readonly Range[]>([]);
  const index = useSignal(0);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    field.current?.focus();
    return unmark;
  }, []);
  const search = (wanted: string) => {
    const list = handle.value?.list;
    query.value = wanted;
    found.value = list === undefined ? [] : find(list, wanted);
    index.value = Math.max(0, found.value.length - 1);
    mark(found.value, index.value);
  };
  const go = (by: number) => {
    // There may be more by now, and less of the old.
    const before = found.value.length;
    if (by !== 0 && !(found.value[index.value]?.startContainer.isConnected ?? false)) return search(query.value);
    if (before === 0) return search(query.value);
    index.value = (index.value + by + before) % before;
    mark(found.value, index.value);
  };
  const count = found.value.length;
  const said =
    query.value === ""
      ? ""
      : count === 0
        ? t("searchNone")
        : t(count < MATCHES_MAX ? "searchCount" : "searchMore", { index: index.value + 1, count });
  return (
    <search class="run-search">
      <input
        ref={field}
        type="search"
        aria-label={t("search")}
        placeholder={t("search")}
        onInput={(event) => search(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") go(event.shiftKey ? 1 : -1);
          else if (event.key === "Escape") onClose();
          else return;
          event.preventDefault();
        }}
      />
      <span class="hint" role="status">
        {said}
      </span>
      <button type="button" class="icon-button" aria-label={t("searchPrevious")} onClick={() => go(-1)}>
        <UpIcon />
      </button>
      <button type="button" class="icon-button" aria-label={t("searchNext")} onClick={() => go(1)}>
        <DownIcon />
      </button>
      <button type="button" class="icon-button" aria-label={t("close")} onClick={onClose}>
        <CloseIcon />
      </button>
    </search>
  );
}
