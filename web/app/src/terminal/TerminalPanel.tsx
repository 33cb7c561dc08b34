import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { coarse, takesFocus } from "../shell/layout";
import { TEXT_SIZES, textSize } from "../shell/settings";
import { t } from "../text";
import { copyText } from "../ui/clipboard";
import { Dialog } from "../ui/Dialog";
import { ClearIcon, CloseIcon, CopyIcon, DownIcon, SaveIcon, SearchIcon, UpIcon } from "../ui/icons";
import { LargerIcon, PasteIcon, SelectIcon, SmallerIcon, SpeakIcon } from "./icons";
import { screenReader, TEXT_MAX_LINES, type TerminalSession } from "./session";
import { TouchKeys } from "./TouchKeys";

interface PanelProps {
  readonly session: TerminalSession;
  readonly active: boolean;
  /** What a file is called that its output is saved in. */
  readonly name: string;
  /** Tells a person something for a moment. */
  readonly notify: (text: string, kind?: "info" | "bad") => void;
}

/** A terminal with what can be done with it. */
export function TerminalPanel({ session, active, name, notify }: PanelProps) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    place.current?.append(session.host);
    return () => session.host.remove();
  }, [session]);
  useEffect(() => {
    session.show(active);
    return () => session.show(false);
  }, [session, active]);
  const there = session.state.value;
  useEffect(() => {
    if (active && there === "there" && takesFocus()) session.focus();
  }, [active, there]);

  const told = (copied: boolean) => (copied ? notify(t("copied")) : notify(t("notCopied"), "bad"));
  return (
    <div class="terminal">
      <Tools session={session} name={name} told={told} />
      {session.searching.value && <SearchBar session={session} />}
      {session.offered.value !== null && (
        <div class="terminal-note" role="alert">
          <span>{t("terminalOffer", { count: session.offered.value.length })}</span>
          <button type="button" onClick={async () => told(await session.answerClip("once"))}>
            {t("terminalOfferOnce")}
          </button>
          <button type="button" onClick={async () => told(await session.answerClip("always"))}>
            {t("terminalOfferAlways")}
          </button>
          <button type="button" onClick={() => session.answerClip("no")}>
            {t("terminalOfferNo")}
          </button>
        </div>
      )}
      {session.refused.value && (
        <p class="terminal-note bad-text" role="alert">
          {t("terminalRefused")}
        </p>
      )}
      {there !== "there" && (
        <p class={there === "failed" ? "terminal-note bad-text" : "terminal-note hint"}>
          {t(there === "failed" ? "terminalFailed" : "terminalLoading")}
        </p>
      )}
      <div class="terminal-place" ref={place} data-bell={session.bell.value} data-focus-here />
      {coarse.value && <TouchKeys target={session} />}
      {session.pasting.value && <PasteDialog session={session} />}
      {session.selecting.value && <SelectDialog session={session} told={told} />}
    </div>
  );
}

interface ToolsProps {
  readonly session: TerminalSession;
  readonly name: string;
  readonly told: (copied: boolean) => void;
}

function Tools({ session, name, told }: ToolsProps) {
  const bar = useRef<HTMLDivElement>(null);
  /** The one button that Tab reaches; arrows go to the others, as toolbars have it. */
  const current = useSignal(0);
  const resize = (by: number) => {
    textSize.value = Math.min(TEXT_SIZES.largest, Math.max(TEXT_SIZES.smallest, textSize.value + by));
  };
  const tools = [
    {
      name: t("terminalFind"),
      icon: <SearchIcon />,
      pressed: session.searching.value,
      act: () => {
        if (session.searching.value) session.closeSearch();
        else session.searching.value = true;
      },
    },
    {
      name: t("terminalCopy"),
      icon: <CopyIcon />,
      act: async () => {
        if (session.selection() !== null) told(await session.copy());
        else session.selecting.value = true;
      },
    },
    { name: t("terminalPaste"), icon: <PasteIcon />, act: () => void session.paste() },
    { name: t("terminalSelect"), icon: <SelectIcon />, act: () => (session.selecting.value = true) },
    { name: t("terminalSave"), icon: <SaveIcon />, act: () => session.save(name) },
    { name: t("clear"), icon: <ClearIcon />, act: () => session.clear() },
    { name: t("terminalSmaller"), icon: <SmallerIcon />, act: () => resize(-1) },
    { name: t("terminalLarger"), icon: <LargerIcon />, act: () => resize(1) },
    {
      name: t("terminalReader"),
      icon: <SpeakIcon />,
      pressed: screenReader.value,
      act: () => {
        screenReader.value = !screenReader.value;
      },
    },
  ];
  const go = (index: number) => {
    current.value = (index + tools.length) % tools.length;
    bar.current?.querySelectorAll("button")[current.value]?.focus();
  };
  return (
    <div class="terminal-bar">
      <div
        ref={bar}
        class="terminal-tools"
        role="toolbar"
        aria-label={t("terminalTools")}
        onKeyDown={(event) => {
          if (event.key === "ArrowRight") go(current.value + 1);
          else if (event.key === "ArrowLeft") go(current.value - 1);
          else if (event.key === "Home") go(0);
          else if (event.key === "End") go(tools.length - 1);
          else return;
          event.preventDefault();
        }}
      >
        {tools.map((tool, index) => (
          <button
            key={tool.name}
            type="button"
            class="icon-button"
            tabIndex={index === current.value ? 0 : -1}
            aria-label={tool.name}
            title={tool.name}
            aria-pressed={tool.pressed}
            onFocus={() => {
              current.value = index;
            }}
            onClick={tool.act}
          >
            {tool.icon}
          </button>
        ))}
      </div>
      <span class="terminal-sign" role="status">
        {session.tabLeaves.value ? t("terminalTabSign") : ""}
      </span>
    </div>
  );
}

function SearchBar({ session }: { readonly session: TerminalSession }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  const go = (way: "next" | "previous") => session.find(field.current?.value ?? "", way);
  const found = session.found.value;
  const said =
    found === null
      ? ""
      : found.count === 0
        ? t("searchNone")
        : found.index < 0
          ? t("terminalFoundMany", { count: found.count })
          : t("searchCount", { index: found.index + 1, count: found.count });
  return (
    <search class="terminal-search">
      <input
        ref={field}
        type="search"
        aria-label={t("terminalFindLabel")}
        placeholder={t("terminalFindLabel")}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onInput={(event) => session.find(event.currentTarget.value, "typing")}
        onKeyDown={(event) => {
          // From the newest upwards, as what is looked for has just gone by.
          if (event.key === "Enter") go(event.shiftKey ? "next" : "previous");
          else if (event.key === "Escape") session.closeSearch();
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <span class="hint" role="status">
        {said}
      </span>
      <button type="button" class="icon-button" aria-label={t("searchPrevious")} onClick={() => go("previous")}>
        <UpIcon />
      </button>
      <button type="button" class="icon-button" aria-label={t("searchNext")} onClick={() => go("next")}>
        <DownIcon />
      </button>
      <button type="button" class="icon-button" aria-label={t("close")} onClick={() => session.closeSearch()}>
        <CloseIcon />
      </button>
    </search>
  );
}

/**
 * For browsers that do not let a page read the clipboard: a person may always paste into a field.
 */
function PasteDialog({ session }: { readonly session: TerminalSession }) {
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  const close = () => {
    session.pasting.value = false;
  };
  return (
    <Dialog title={t("terminalPasteTitle")} onClose={close}>
      <p id="terminal-paste-hint">{t("terminalPasteHint")}</p>
      <textarea
        ref={field}
        class="terminal-paste mono"
        rows={5}
        aria-label={t("terminalPasteLabel")}
        aria-describedby="terminal-paste-hint"
        autocapitalize="off"
        spellcheck={false}
      />
      <div class="dialog-buttons">
        <button type="button" onClick={close}>
          {t("close")}
        </button>
        <button
          type="button"
          class="main"
          onClick={() => {
            const text = field.current?.value ?? "";
            close();
            // After the dialog has given the focus back.
            requestAnimationFrame(() => session.insert(text));
          }}
        >
          {t("terminalPasteSend")}
        </button>
      </div>
    </Dialog>
  );
}

/** The terminal's text as plain text, where every browser's own way to select works. */
function SelectDialog({ session, told }: Omit<ToolsProps, "name">) {
  const text = useSignal("");
  const shown = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    text.value = session.text();
  }, []);
  useEffect(() => {
    if (shown.current !== null) shown.current.scrollTop = shown.current.scrollHeight;
  }, [text.value]);
  const close = () => {
    session.selecting.value = false;
  };
  return (
    <Dialog class="terminal-select" title={t("terminalSelectTitle")} onClose={close}>
      <p class="hint">{t("terminalSelectHint", { count: TEXT_MAX_LINES })}</p>
      <textarea ref={shown} class="terminal-text" readOnly aria-label={t("terminalSelectTitle")} value={text.value} />
      <div class="dialog-buttons">
        <button
          type="button"
          onClick={async () => {
            const { selectionStart = 0, selectionEnd = 0 } = shown.current ?? {};
            const selected = text.value.slice(selectionStart, selectionEnd);
            told(await copyText(selected === "" ? text.value : selected));
          }}
        >
          {t("terminalCopyAll")}
        </button>
        <button type="button" class="main" onClick={close}>
          {t("close")}
        </button>
      </div>
    </Dialog>
  );
}
