/**
 * Server-Sent Events (HTML, section 9.2) over `fetch`: `EventSource` does not tell why it has
 * failed, and Node.js has none.
 */

import type { Address } from "./address.js";
import { Backoff } from "./backoff.js";
import { report } from "./listeners.js";
import { watchPage } from "./page.js";

/** Delays of reconnecting. */
const RECONNECT_BACKOFF = { minDelayMs: 1_000, maxDelayMs: 30_000, jitter: true };

/**
 * Milliseconds without a byte after which a stream counts as lost: three of the device's comments
 * (section 12, "Watching").
 */
const IDLE_TIMEOUT_MS = 45_000;

/**
 * Milliseconds for which nobody looks at the page until a stream is given up: not with every look
 * at another page.
 */
const HIDDEN_GRACE_MS = 30_000;

/** Characters that one event may have: far more than any of the device's. */
const EVENT_MAX_CHARS = 1024 * 1024;

export interface StreamHandler {
  /** A stream has begun, the first one or a later one: something may have been missed before. */
  opened(): void;
  event(name: string, data: string): void;
  /**
   * The device refused with this status, and it makes no sense to go on. 408, 429 and 5xx are tried
   * again.
   */
  refused(status: number): void;
}

/**
 * Listens until the answer is called, or the device refuses. Comes back by itself, and rests while
 * nobody looks at the page: browsers have six connections for all pages of a device.
 */
export function listen(
  address: Address,
  path: string,
  query: Readonly<Record<string, string>>,
  handler: StreamHandler,
): () => void {
  let stopped = false;
  /** Nobody looks. */
  let resting = false;
  /** There is a stream, or one on its way. */
  let busy = false;
  const backoff = new Backoff(RECONNECT_BACKOFF);
  let retry: ReturnType<typeof setTimeout> | undefined;
  let rest: ReturnType<typeof setTimeout> | undefined;
  let abort = new AbortController();

  const attempt = async (): Promise<void> => {
    busy = true;
    abort = new AbortController();
    try {
      const init = { headers: { Accept: "text/event-stream" }, cache: "no-store", signal: abort.signal } as const;
      const response = await withIdleTimeout(abort, address.fetch(address.url(path, query), init));
      if (stopped) return;
      const type = response.headers.get("Content-Type") ?? "";
      if (response.ok && response.body !== null && type.startsWith("text/event-stream")) {
        backoff.reset();
        tell(() => handler.opened());
        await read(response.body, abort, (name, data) => {
          if (!stopped) handler.event(name, data);
        });
      } else if (response.ok || isFinal(response.status)) {
        stop();
        // Something else lives at this address.
        tell(() => handler.refused(response.ok ? 404 : response.status));
      }
    } catch {
      // The stream was lost, or never came about: below.
    }
    abort.abort();
    busy = false;
    if (stopped || resting) return;
    retry = setTimeout(attempt, backoff.next());
  };
  const stop = () => {
    stopped = true;
    clearTimeout(retry);
    clearTimeout(rest);
    abort.abort();
    leave();
  };
  const leave = watchPage({
    wake: () => {
      resting = false;
      clearTimeout(rest);
      clearTimeout(retry);
      // A stream that is just being ended, as nobody looked, tries again by itself.
      if (!busy) void attempt();
    },
    hidden: () => {
      clearTimeout(rest);
      rest = setTimeout(() => {
        resting = true;
        clearTimeout(retry);
        abort.abort();
      }, HIDDEN_GRACE_MS);
    },
  });
  void attempt();
  return stop;
}

function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** Rejects if nothing has come for {@link IDLE_TIMEOUT_MS}. */
async function withIdleTimeout<T>(abort: AbortController, promise: Promise<T>): Promise<T> {
  const timer = setTimeout(() => abort.abort(), IDLE_TIMEOUT_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function read(
  body: ReadableStream<Uint8Array>,
  abort: AbortController,
  event: (name: string, data: string) => void,
): Promise<void> {
  const reader = body.getReader();
  // Not every `fetch` that an application may give ends a body with its signal.
  abort.signal.addEventListener("abort", () => void reader.cancel().catch(() => {}));
  const parser = new EventParser(event);
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await withIdleTimeout(abort, reader.read());
    if (done) return;
    parser.push(decoder.decode(value, { stream: true }));
  }
}

/** Makes events of text that comes in pieces. */
export class EventParser {
  readonly #event: (name: string, data: string) => void;
  #rest = "";
  #name = "";
  #data: string[] = [];
  #length = 0;

  constructor(event: (name: string, data: string) => void) {
    this.#event = event;
  }

  /** Throws if an event becomes too long. */
  push(text: string): void {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
    if (this.#rest.length + this.#length > EVENT_MAX_CHARS) throw new Error("an event is too long");
  }

  #line(line: string): void {
    if (line === "") {
      const data = this.#data.join("\n");
      const name = this.#name || "message";
      const said = this.#data.length > 0;
      this.#data = [];
      this.#name = "";
      this.#length = 0;
      if (said) tell(() => this.#event(name, data));
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") {
      this.#data.push(value);
      this.#length += value.length + 1;
    }
  }
}

/** An error of a listener is no reason to end the stream. */
function tell(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    report(error);
  }
}
