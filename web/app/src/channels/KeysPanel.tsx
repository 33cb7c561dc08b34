import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { coarse } from "../shell/layout";
import { type PlainKey, t } from "../text";
import { ArrowIcon, KeyboardIcon } from "./icons";
import type { Keys } from "./keys";

/** Names of keys that are words, and what a person calls them. */
const KEY_NAMES: Readonly<Record<string, PlainKey>> = {
  " ": "keySpace",
  ArrowUp: "keyArrowUp",
  ArrowDown: "keyArrowDown",
  ArrowLeft: "keyArrowLeft",
  ArrowRight: "keyArrowRight",
  Enter: "keyEnter",
  Escape: "keyEscape",
  Tab: "keyTab",
  Backspace: "keyBackspace",
  Delete: "keyDelete",
  Shift: "keyShift",
  Control: "keyControl",
  Alt: "keyAlt",
  Meta: "keyMeta",
  Home: "keyHome",
  End: "keyEnd",
  PageUp: "keyPageUp",
  PageDown: "keyPageDown",
};

const ARROW_KEYS = ["ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"];
const MODIFIER_KEYS = ["Shift", "Control", "Alt", "AltGraph", "Meta"];

/**
 * Milliseconds for which a key is down that is pressed by something that cannot hold it: a screen
 * reader, a voice.
 */
const TAP_DURATION_MS = 120;

function keyName(key: string): string {
  const name = KEY_NAMES[key];
  return name === undefined ? key : t(name);
}

/** Characters of a name on a button. Keys of keyboards have shorter ones. */
const BUTTON_MAX_CHARS = 24;

function short(name: string): string {
  return name.length > BUTTON_MAX_CHARS ? `${name.slice(0, BUTTON_MAX_CHARS)}…` : name;
}

/**
 * The keys that a program wants: to be pressed here, or on the keyboard while this has the focus.
 */
export function KeysPanel({ keys }: { readonly keys: Keys }) {
  const pad = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const captured = useSignal(false);
  const sign = useId();
  const { wanted, enabled } = keys;

  useEffect(() => {
    const letGo = () => keys.releaseAll();
    const hidden = () => {
      if (document.visibilityState === "hidden") letGo();
    };
    // A key that goes up in another window is told of to nobody here.
    window.addEventListener("blur", letGo);
    window.addEventListener("pagehide", letGo);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      window.removeEventListener("blur", letGo);
      window.removeEventListener("pagehide", letGo);
      document.removeEventListener("visibilitychange", hidden);
      letGo();
    };
  }, [keys]);

  useEffect(() => {
    // Who has just started the program, and typed nothing yet, is about to press the keys that it
    // asks for.
    const at = document.activeElement;
    const idle = at instanceof HTMLInputElement && at.classList.contains("console-input") && at.value === "";
    if (idle && pad.current?.closest(".run-panel") === at.closest(".run-panel")) pad.current?.focus();
  }, []);

  const wantsEscape = wanted.includes("Escape");
  const leave = () => {
    keys.releaseAll("key:");
    opener.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape" && (!wantsEscape || event.shiftKey)) {
      event.preventDefault();
      event.stopPropagation();
      leave();
      return;
    }
    const name = keys.nameOf(event.key);
    if (name === null) return;
    // With these it is a shortcut of the browser or the page, unless the program wants them too.
    const shortcut =
      (event.ctrlKey && !wanted.includes("Control")) ||
      (event.altKey && !wanted.includes("Alt")) ||
      (event.metaKey && !wanted.includes("Meta"));
    if (shortcut && !MODIFIER_KEYS.includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) keys.press(name, holderOf(event));
  };
  const onKeyUp = (event: KeyboardEvent) => {
    // macOS tells nothing of keys that go up while Command is down.
    if (event.key === "Meta") keys.releaseAll("key:");
    keys.release(holderOf(event));
  };

  const arrows = wanted.filter((key) => ARROW_KEYS.includes(key));
  const cross = arrows.length >= 2;
  const others = wanted.filter((key) => !(cross && ARROW_KEYS.includes(key)));
  const button = (key: string) => <KeyButton key={key} name={key} keys={keys} pad={pad} />;
  return (
    <section class="channels-card" data-kind="keys" aria-label={t("keysTitle")}>
      <header class="channels-card-head">
        <h2>{t("keysTitle")}</h2>
        <button
          ref={opener}
          type="button"
          class="icon-button"
          disabled={!enabled}
          aria-pressed={captured.value && enabled}
          aria-label={t("keysUse")}
          title={t("keysUse")}
          onClick={() => pad.current?.focus()}
        >
          <KeyboardIcon />
        </button>
      </header>
      {/* The keyboard is the program's in here, as an application's is. */}
      <div
        ref={pad}
        class="channels-keys"
        role="application"
        aria-label={t("keysLabel")}
        aria-describedby={sign}
        tabIndex={enabled ? 0 : -1}
        data-captured={captured.value && enabled}
        onKeyDown={onKeyDown}
        onKeyUp={onKeyUp}
        onFocus={() => {
          captured.value = true;
        }}
        onBlur={() => {
          captured.value = false;
          keys.releaseAll("key:");
        }}
      >
        <div class="channels-keys-pads">
          {cross && <div class="channels-keys-cross">{arrows.map(button)}</div>}
          {others.length > 0 && <div class="channels-keys-row">{others.map(button)}</div>}
        </div>
        <p class="channels-keys-sign" id={sign}>
          {!enabled
            ? t("keysOver")
            : captured.value
              ? t("keysCaptured", { key: wantsEscape ? `${t("keyShift")}+${t("keyEscape")}` : t("keyEscape") })
              : t(coarse.value ? "keysHintTouch" : "keysHint")}
        </p>
      </div>
    </section>
  );
}

function holderOf(event: KeyboardEvent): string {
  return `key:${event.code === "" ? event.key : event.code}`;
}

interface KeyButtonProps {
  readonly name: string;
  readonly keys: Keys;
  readonly pad: { readonly current: HTMLElement | null };
}

function KeyButton({ name, keys, pad }: KeyButtonProps) {
  const down = keys.down.has(name);
  const arrow = ARROW_KEYS.includes(name);
  const release = (event: PointerEvent) => keys.release(`pointer:${event.pointerId}`);
  return (
    <button
      type="button"
      class={arrow ? "channels-key channels-key-arrow" : "channels-key"}
      // The keyboard is the pad's, where the keys themselves are pressed.
      tabIndex={-1}
      data-key={name}
      data-down={down}
      disabled={!keys.enabled}
      aria-label={keyName(name)}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        // No selection, no magnifier, and the focus is the pad's.
        event.preventDefault();
        pad.current?.focus({ preventScroll: true });
        try {
          event.currentTarget.setPointerCapture(event.pointerId);
        } catch {
          // The pointer is up already; its end is told of below.
        }
        keys.press(name, `pointer:${event.pointerId}`);
      }}
      onPointerUp={release}
      onPointerCancel={release}
      onLostPointerCapture={release}
      onPointerLeave={release}
      onContextMenu={(event) => event.preventDefault()}
      onClick={(event) => {
        // A press by pointer was told of; one without has no length.
        if (event.detail !== 0) return;
        keys.press(name, `tap:${name}`);
        setTimeout(() => keys.release(`tap:${name}`), TAP_DURATION_MS);
      }}
    >
      {arrow ? <ArrowIcon /> : short(keyName(name))}
    </button>
  );
}
