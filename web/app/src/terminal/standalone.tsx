/** The page of `further-link terminal`: a terminal and nothing else. */

import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { language, t } from "../text";
import { Debounce } from "../ui/debounce";
import { DEFAULT_SIZE } from "./measure-size";
import { TerminalSession } from "./session";
import { connect, type LinkState, type TerminalLink } from "./standalone-link";
import { TerminalPanel } from "./TerminalPanel";
import "../styles/tokens.css";
import "../ui/controls.css";
import "./standalone.css";

/**
 * Bytes that wait to be drawn: what a shell outputs beyond that is left out, as its dialect has no
 * way to hold it back.
 */
const UNDRAWN_MAX_BYTES = 16 * 1024 * 1024;

interface Shell {
  readonly session: TerminalSession;
  readonly state: ReturnType<typeof signal<LinkState>>;
  readonly link: TerminalLink;
}

const encoder = new TextEncoder();

function begin(): Shell {
  const state = signal<LinkState>("connecting");
  let waiting = 0;
  let skipped = 0;
  const show = (text: string) => {
    const bytes = encoder.encode(text);
    if (waiting + bytes.length > UNDRAWN_MAX_BYTES) {
      skipped += text.length;
      return;
    }
    const note = skipped > 0 ? encoder.encode(`\r\n${t("standaloneSkipped", { count: skipped })}\r\n`) : null;
    skipped = 0;
    if (note !== null) void session.output(note);
    waiting += bytes.length;
    void session.output(bytes).then(() => {
      waiting -= bytes.length;
    });
  };
  let link: TerminalLink | null = null;
  const decoder = (data: string | Uint8Array) =>
    // The dialect knows text only; bytes are a mouse's, and each of them a character.
    typeof data === "string" ? data : String.fromCharCode(...data);
  const session: TerminalSession = new TerminalSession(
    { write: (data) => link?.write(decoder(data)), resize: (size) => link?.resize(size) },
    () => t("standaloneTitle"),
  );
  link = connect(DEFAULT_SIZE, {
    state: (next) => {
      state.value = next;
      if (next !== "connecting" && next !== "connected") session.end();
    },
    output: show,
  });
  return { session, state, link };
}

const shell = signal(begin());
const notice = signal<{ readonly text: string; readonly kind: "info" | "bad" } | null>(null);

/** Milliseconds that something is shown that needs no answer. */
const NOTICE_DURATION_MS = 5000;

const dismissal = new Debounce(() => {
  notice.value = null;
}, NOTICE_DURATION_MS);

function notify(text: string, kind: "info" | "bad" = "info"): void {
  notice.value = { text, kind };
  dismissal.schedule();
}

const STATE_TEXTS = {
  connecting: "standaloneConnecting",
  ended: "standaloneEnded",
  killed: "standaloneKilled",
  lost: "standaloneLost",
  "lost-http": "standaloneLostHttp",
  none: "standaloneNone",
} as const;

function Page() {
  const { session, state, link } = shell.value;
  const now = state.value ?? "connecting";
  const over = now !== "connecting" && now !== "connected";
  const again = () => {
    link.close();
    session.dispose();
    shell.value = begin();
  };
  return (
    <main class="standalone">
      <h1 class="unseen">{t("standaloneTitle")}</h1>
      <TerminalPanel key={session.id} session={session} active name="terminal" notify={notify} />
      <div class="standalone-state" role="status" data-over={over}>
        {now !== "connected" && <span class={over && now !== "ended" ? "bad-text" : ""}>{t(STATE_TEXTS[now])}</span>}
        {over && (
          <button type="button" class="main" onClick={again}>
            {t("standaloneNew")}
          </button>
        )}
        {notice.value !== null && (
          <span class={notice.value.kind === "bad" ? "bad-text" : ""}>{notice.value.text}</span>
        )}
      </div>
    </main>
  );
}

effect(() => {
  document.documentElement.lang = language.value;
});
effect(() => {
  const { title } = shell.value.session;
  document.title = title.value === "" ? t("standaloneTitle") : title.value;
});

render(<Page />, document.getElementById("terminal")!);
