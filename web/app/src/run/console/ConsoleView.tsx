import { effect, type Signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { references } from "../../editor/tracebacks";
import { open, pathOf } from "../../files/workspace";
import { reveal, takesFocus } from "../../shell/layout";
import { t } from "../../text";
import { Throttle } from "../../ui/debounce";
import { notify } from "../../ui/notices";
import { isOver, type Run, stop } from "../runs";
import { ConsoleInput } from "./ConsoleInput";
import "./console.css";
import { ConsoleLog, type Link } from "./log";

/**
 * What of new output a screen reader is told at most at once, in characters, and how often, in ms.
 */
const ANNOUNCED_MAX_CHARS = 500;
const ANNOUNCE_INTERVAL_MS = 1000;

const WEB_LINK_PATTERN = /\bhttps?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/g;

interface ConsoleViewProps {
  readonly run: Run;
  readonly active: boolean;
  /** Given to the panel's tools: they search, clear and scroll what is here. */
  readonly handle: Signal<ConsoleHandle | null>;
}

export interface ConsoleHandle {
  readonly list: HTMLElement;
  clear(): void;
  toEnd(): void;
}

/**
 * A program without a terminal: its output with errors told apart, and a line for input where it
 * asks.
 */
export function ConsoleView({ run, active, handle }: ConsoleViewProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const current = useRef<HTMLSpanElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const log = useRef<ConsoleLog | null>(null);
  const following = useSignal(true);
  const dropped = useSignal(0);
  const told = useThrottledAnnouncement();
  const over = isOver(run.state.value);

  // Where names that begin at no root begin.
  const folder = run.path?.replace(/\/?[^/]*$/, "") ?? "";

  useLayoutEffect(() => {
    if (scroller.current === null || list.current === null || current.current === null) return;
    const made = new ConsoleLog({
      scroller: scroller.current,
      list: list.current,
      current: current.current,
      linksOf: (line) => linksOf(line, folder),
      onDropped: (lines) => {
        dropped.value = lines;
      },
      onFollowing: (value) => {
        following.value = value;
      },
    });
    log.current = made;
    const detach = run.output.attach((output) => {
      run.transcript.add(output.text);
      told.add(output.text);
      return made.write(output.text, output.stream);
    });
    handle.value = {
      list: list.current,
      clear: () => {
        made.clear();
        run.transcript.clear();
      },
      toEnd: () => made.toEnd(),
    };
    return () => {
      detach();
      made.dispose();
      handle.value = null;
    };
  }, [run]);

  useEffect(() => {
    if (active && !isOver(run.state.peek()) && takesFocus()) input.current?.focus({ preventScroll: true });
  }, [run, active]);

  useLayoutEffect(
    () =>
      // At once, as long as the field is there: what can be answered no longer does not keep the
      // focus, nor lose it.
      effect(() => {
        if (isOver(run.state.value) && document.activeElement === input.current) scroller.current?.focus();
      }),
    [run],
  );

  const send = (line: string): boolean => {
    try {
      run.program.write(`${line}\n`);
    } catch {
      notify(t("inputTooMuch"), "bad");
      return false;
    }
    run.transcript.add(`${line}\n`);
    void log.current?.write(`${line}\n`, "typed");
    log.current?.toEnd();
    return true;
  };

  return (
    <>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the press only puts the focus where Tab puts it, too */}
      <div
        ref={scroller}
        class="console"
        role="group"
        aria-label={t("outputOf", { title: run.title })}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
        tabIndex={0}
        onClick={() => {
          if (getSelection()?.isCollapsed !== false) input.current?.focus({ preventScroll: true });
        }}
      >
        {dropped.value > 0 && <p class="console-gone">{t("earlierGone", { count: dropped.value })}</p>}
        <div ref={list} />
        <div class="console-last">
          <span ref={current} class="console-current" />
          {!over && (
            <ConsoleInput
              input={input}
              title={run.title}
              onLine={send}
              onEnd={() => run.program.end()}
              onInterrupt={() => stop(run)}
            />
          )}
        </div>
      </div>
      <div class="unseen" role="status" aria-live="polite">
        {active ? told.text.value : ""}
      </div>
      {!following.value && (
        <button type="button" class="console-to-end" onClick={() => log.current?.toEnd()}>
          {t("toEnd")}
        </button>
      )}
    </>
  );
}

/** Where a line of output leads: to lines of files that can be opened here, and to addresses. */
function linksOf(line: string, folder: string): Link[] {
  const links: Link[] = [];
  for (const { start, end, path, line: number } of references(line)) {
    const inside = pathOf(path, folder);
    if (inside === null) continue;
    links.push({
      start,
      end,
      title: t("openAt", { path: inside, line: number }),
      to: () => {
        reveal("program");
        open(inside, number).catch((error: Error) => notify(error.message, "bad"));
      },
    });
  }
  if (line.includes("://")) {
    for (const match of line.matchAll(WEB_LINK_PATTERN)) {
      const address = match[0];
      links.push({
        start: match.index,
        end: match.index + address.length,
        title: address,
        to: address,
      });
    }
  }
  return links.sort((a, b) => a.start - b.start);
}

/** Announces new output to a screen reader: throttled, and not all of a flood. */
function useThrottledAnnouncement() {
  const text = useSignal("");
  const waiting = useRef("");
  const announce = useMemo(
    () =>
      new Throttle(() => {
        text.value = waiting.current;
        waiting.current = "";
      }, ANNOUNCE_INTERVAL_MS),
    [text],
  );
  useEffect(() => () => announce.cancel(), [announce]);
  const add = (more: string) => {
    waiting.current = (waiting.current + more).slice(-ANNOUNCED_MAX_CHARS);
    announce.schedule();
  };
  return { text, add };
}
