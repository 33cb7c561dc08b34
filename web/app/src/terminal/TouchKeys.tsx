import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type PlainKey, t } from "../text";
import { ArrowIcon, PasteIcon, SelectIcon } from "./icons";
import type { Modifiers } from "./keys";

/** Milliseconds that a key is held before it repeats, and between repeats: as keyboards have it. */
const KEY_REPEAT_MS = { first: 400, next: 60 } as const;

const ARROW_KEYS: readonly [key: string, name: PlainKey][] = [
  ["ArrowLeft", "keyArrowLeft"],
  ["ArrowUp", "keyArrowUp"],
  ["ArrowDown", "keyArrowDown"],
  ["ArrowRight", "keyArrowRight"],
];

const OTHER_KEYS: readonly [key: string, label: string][] = [
  ["|", "|"],
  ["~", "~"],
  ["/", "/"],
  ["-", "-"],
  ["Home", "Home"],
  ["End", "End"],
  ["PageUp", "PgUp"],
  ["PageDown", "PgDn"],
];

/** The state and the deeds of a terminal that its row of keys needs. */
interface KeyTarget {
  readonly modifiers: Signal<Modifiers>;
  press(key: string): void;
  paste(): Promise<void>;
  readonly selecting: Signal<boolean>;
}

/**
 * The keys that phones lack. They do not take the focus, so that the keyboard of the screen stays.
 */
export function TouchKeys({ target }: { readonly target: KeyTarget }) {
  const { ctrl, alt } = target.modifiers.value;
  const toggle = (name: "ctrl" | "alt") => {
    const now = target.modifiers.value;
    target.modifiers.value = { ...now, [name]: !now[name] };
  };
  const type = (key: string) => () => target.press(key);
  return (
    <div class="terminal-touch" role="group" aria-label={t("terminalTouchKeys")}>
      <HeldButton onPress={type("Escape")}>Esc</HeldButton>
      <HeldButton onPress={type("Tab")}>Tab</HeldButton>
      <HeldButton label={t("terminalKeyCtrl")} pressed={ctrl} onPress={() => toggle("ctrl")}>
        Ctrl
      </HeldButton>
      <HeldButton label={t("terminalKeyAlt")} pressed={alt} onPress={() => toggle("alt")}>
        Alt
      </HeldButton>
      {ARROW_KEYS.map(([key, name]) => (
        <HeldButton key={key} label={t(name)} name={key} repeats onPress={type(key)}>
          <ArrowIcon />
        </HeldButton>
      ))}
      {OTHER_KEYS.map(([key, label]) => (
        <HeldButton key={key} repeats={key.startsWith("Page")} onPress={type(key)}>
          {label}
        </HeldButton>
      ))}
      <HeldButton label={t("terminalKeyPaste")} later onPress={() => void target.paste()}>
        <PasteIcon />
      </HeldButton>
      <HeldButton label={t("terminalKeySelect")} later onPress={() => (target.selecting.value = true)}>
        <SelectIcon />
      </HeldButton>
    </div>
  );
}

interface HeldProps {
  readonly onPress: () => void;
  readonly label?: string;
  readonly name?: string;
  readonly pressed?: boolean;
  /** It goes on as long as it is held. */
  readonly repeats?: boolean;
  /** It counts when it is let go: browsers allow the clipboard only then. */
  readonly later?: boolean;
  readonly children: preact.ComponentChildren;
}

function HeldButton({ onPress, label, name, pressed, repeats = false, later = false, children }: HeldProps) {
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const newest = useRef(onPress);
  newest.current = onPress;
  /** The finger on it. The row can be pushed aside with it, and that is no press. */
  const down = useRef<{ readonly id: number; pressed: boolean } | null>(null);
  const stop = () => clearTimeout(timer.current);
  useEffect(() => stop, []);
  const again = () => {
    newest.current();
    timer.current = setTimeout(again, KEY_REPEAT_MS.next);
  };
  const up = (event: PointerEvent, counts: boolean) => {
    stop();
    const held = down.current;
    if (held?.id !== event.pointerId) return;
    down.current = null;
    if (counts && !held.pressed) newest.current();
  };
  return (
    <button
      type="button"
      class="terminal-key"
      data-key={name}
      aria-label={label}
      aria-pressed={pressed}
      // The focus stays in the terminal, and the keyboard of the screen with it.
      onMouseDown={(event) => event.preventDefault()}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.preventDefault();
        stop();
        down.current = { id: event.pointerId, pressed: false };
        if (!repeats) return;
        timer.current = setTimeout(() => {
          if (down.current !== null) down.current.pressed = true;
          again();
        }, KEY_REPEAT_MS.first);
      }}
      onPointerUp={(event) => up(event, !later)}
      onPointerCancel={(event) => up(event, false)}
      onPointerLeave={(event) => up(event, false)}
      onContextMenu={(event) => event.preventDefault()}
      onClick={(event) => {
        // By a screen reader or a keyboard; a finger's press was told of, unless it counts only
        // here.
        if (later || event.detail === 0) newest.current();
      }}
    >
      {children}
    </button>
  );
}
