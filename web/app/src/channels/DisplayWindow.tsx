import type RFB from "@novnc/novnc";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text";
import { KeyboardIcon } from "./icons";

interface DisplayProps {
  /** A WebSocket that speaks RFB: `wss://…`. */
  readonly address: string;
  /** False once the program is over: what was shown last stays, and nothing is sent any more. */
  readonly enabled: boolean;
}

type State = "connecting" | "connected" | "lost" | "password";

/** A program's display, to be seen and used. Keys go there while it has the focus. */
export function DisplayWindow({ address, enabled }: DisplayProps) {
  const screen = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const rfb = useRef<RFB | null>(null);
  const state = useSignal<State>("connecting");
  const captured = useSignal(false);
  const attempt = useSignal(0);

  useEffect(() => {
    const target = screen.current;
    if (target === null) return;
    let gone = false;
    let mine: RFB | null = null;
    state.value = "connecting";
    import("@novnc/novnc").then(
      ({ default: Rfb }) => {
        if (gone) return;
        mine = new Rfb(target, address, { shared: true });
        mine.scaleViewport = true;
        mine.background = "transparent";
        rfb.current = mine;
        mine.addEventListener("connect", () => {
          state.value = "connected";
        });
        mine.addEventListener("disconnect", () => {
          if (!gone && state.value !== "password") state.value = "lost";
        });
        // The device's displays have none, and a page in a page asks for no passwords.
        mine.addEventListener("credentialsrequired", () => {
          state.value = "password";
          mine?.disconnect();
        });
      },
      () => {
        state.value = "lost";
      },
    );
    return () => {
      gone = true;
      mine?.disconnect();
      if (rfb.current === mine) rfb.current = null;
    };
  }, [address, attempt.value]);
  useEffect(() => {
    if (rfb.current !== null) rfb.current.viewOnly = !enabled;
  }, [enabled, state.value]);

  const now = state.value;
  return (
    <div class="channels-display">
      <div class="channels-display-bar">
        <button
          ref={opener}
          type="button"
          class="icon-button"
          disabled={!enabled || now !== "connected"}
          aria-pressed={captured.value}
          aria-label={t("keysUse")}
          title={t("keysUse")}
          onClick={() => rfb.current?.focus()}
        >
          <KeyboardIcon />
        </button>
        <span class="hint" role="status">
          {now === "connecting" && t("displayConnecting")}
          {now === "lost" && t("displayLost")}
          {now === "password" && t("displayPassword")}
          {now === "connected" && captured.value && t("keysCaptured", { key: `${t("keyShift")}+${t("keyEscape")}` })}
        </span>
        {now === "lost" && enabled && (
          <button
            type="button"
            onClick={() => {
              attempt.value += 1;
            }}
          >
            {t("displayAgain")}
          </button>
        )}
      </div>
      <div
        ref={screen}
        class="channels-display-screen"
        role="application"
        aria-label={t("displayTitle")}
        onFocusIn={() => {
          captured.value = true;
        }}
        onFocusOut={() => {
          captured.value = false;
        }}
        onKeyDownCapture={(event) => {
          if (event.key !== "Escape" || !event.shiftKey) return;
          event.preventDefault();
          event.stopPropagation();
          opener.current?.focus();
        }}
      />
    </div>
  );
}
