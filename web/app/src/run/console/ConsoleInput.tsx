import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useRef } from "preact/hooks";
import { t } from "../../text";

/** Lines that Arrow Up brings back. */
const HISTORY_MAX_LINES = 200;

interface ConsoleInputProps {
  readonly input: RefObject<HTMLInputElement>;
  readonly title: string;
  /** Sends a line; false if it could not be taken. */
  readonly onLine: (line: string) => boolean;
  /** Ctrl+D; false if the device knows no end of input. */
  readonly onEnd: () => boolean;
  /** Ctrl+C */
  readonly onInterrupt: () => void;
}

/** The line on which a person answers a program. */
export function ConsoleInput({ input, title, onLine, onEnd, onInterrupt }: ConsoleInputProps) {
  const ended = useSignal(false);
  const history = useRef<string[]>([]);
  const place = useRef<number | null>(null);

  const submit = (line: string): boolean => {
    if (!onLine(line)) return false;
    if (line !== "" && line !== history.current.at(-1))
      history.current = [...history.current, line].slice(-HISTORY_MAX_LINES);
    place.current = null;
    return true;
  };

  const recall = (field: HTMLInputElement, by: number) => {
    const lines = history.current;
    const next = (place.current ?? lines.length) + by;
    if (next < 0 || next > lines.length) return;
    place.current = next;
    field.value = lines[next] ?? "";
    field.setSelectionRange(field.value.length, field.value.length);
  };

  if (ended.value) return <span class="hint">{t("inputEnded")}</span>;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const field = input.current;
        if (field !== null && submit(field.value)) field.value = "";
      }}
    >
      <input
        ref={input}
        class="console-input"
        data-focus-here
        aria-label={t("input", { title })}
        placeholder={t("inputHint")}
        autocomplete="off"
        autocapitalize="off"
        autocorrect="off"
        spellcheck={false}
        enterkeyhint="send"
        onClick={(event) => event.stopPropagation()}
        onKeyDown={(event) => {
          const field = event.currentTarget;
          const letter = event.key.toLowerCase();
          const control = event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
          if (event.key === "ArrowUp") recall(field, -1);
          else if (event.key === "ArrowDown") recall(field, 1);
          else if (control && letter === "d" && field.value === "") ended.value = onEnd();
          else if (control && letter === "c" && field.selectionStart === field.selectionEnd && !hasSelection()) {
            onInterrupt();
          } else return;
          event.preventDefault();
        }}
        onPaste={(event) => {
          const text = event.clipboardData?.getData("text/plain") ?? "";
          if (!/[\r\n]/.test(text)) return;
          // Each line of it is one; the field itself would put them all into one.
          event.preventDefault();
          const field = event.currentTarget;
          const from = field.selectionStart ?? field.value.length;
          const to = field.selectionEnd ?? from;
          const lines = (field.value.slice(0, from) + text + field.value.slice(to)).split(/\r\n|\r|\n/);
          field.value = lines.pop() ?? "";
          for (const line of lines) {
            if (!submit(line)) break;
          }
        }}
      />
    </form>
  );
}

function hasSelection(): boolean {
  return getSelection()?.toString() !== "";
}
