/**
 * The way to the shell of `further-link terminal`: a WebSocket, or where none gets through,
 * requests that wait for output (`docs/protocol.md` section 7). A shell ends with its connection,
 * so none is made anew without being asked for.
 */

import { CloseCode, type TerminalSize } from "further-link";

/** How the connection is. All but the first two are final. */
export type LinkState =
  | "connecting"
  | "connected"
  /** The shell has ended. */
  | "ended"
  /** Another client has ended the shell. */
  | "killed"
  /** The connection broke. */
  | "lost"
  /** As above, but the shell may still be there for a while. */
  | "lost-http"
  /** There was no connection at all. */
  | "none";

/** Milliseconds for a WebSocket to come about. What swallows the handshake says nothing. */
const HANDSHAKE_TIMEOUT_MS = 5_000;

/** Seconds that a request waits for output. */
const LONG_POLL_SECONDS = 25;

/** Milliseconds for an answer, beyond which it counts as lost. */
const ANSWER_TIMEOUT_MS = (LONG_POLL_SECONDS + 10) * 1000;

/**
 * Failed requests in a row after which the connection counts as lost. A session that nobody asks
 * for is kept for longer.
 */
const FAILED_REQUESTS_MAX = 20;

/** Milliseconds before a failed request is made again. */
const RETRY_DELAY_MS = 1_000;

/** Characters of input that wait for the one before. */
const INPUT_QUEUE_MAX_CHARS = 1_000_000;

interface LinkListener {
  readonly state: (state: LinkState) => void;
  readonly output: (text: string) => void;
}

export interface TerminalLink {
  /** Throws if too much input waits. */
  write(text: string): void;
  resize(size: TerminalSize): void;
  close(): void;
}

const sizeText = ({ rows, cols }: TerminalSize) => `${rows}x${cols}`;

/** Begins a shell. */
export function connect(size: TerminalSize, listener: LinkListener): TerminalLink {
  let current: TerminalLink;
  let newest = size;
  let closed = false;
  listener.state("connecting");
  const byHttp = () => {
    if (!closed) current = new HttpLink(newest, listener);
  };
  current = new SocketLink(newest, listener, byHttp);
  return {
    write: (text) => current.write(text),
    resize: (changed) => {
      newest = changed;
      current.resize(changed);
    },
    close: () => {
      closed = true;
      current.close();
    },
  };
}

class SocketLink implements TerminalLink {
  readonly #socket: WebSocket;
  #size: TerminalSize;
  #open = false;
  #closed = false;

  constructor(size: TerminalSize, listener: LinkListener, failed: () => void) {
    this.#size = size;
    this.#socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/`);
    const timer = setTimeout(() => this.#socket.close(), HANDSHAKE_TIMEOUT_MS);
    this.#socket.onopen = () => {
      clearTimeout(timer);
      this.#open = true;
      this.#send({ size: sizeText(this.#size) });
      listener.state("connected");
    };
    this.#socket.onmessage = ({ data }) => {
      const text = textOf(data);
      if (text !== "" && !this.#closed) listener.output(text);
    };
    this.#socket.onclose = (event) => {
      clearTimeout(timer);
      if (this.#closed) return;
      this.#closed = true;
      if (!this.#open) failed();
      else if (event.code === CloseCode.sessionKilled) listener.state("killed");
      else if (event.code === CloseCode.normalClosure) listener.state("ended");
      else listener.state("lost");
    };
  }

  write(text: string): void {
    if (!this.#open || this.#closed) return;
    if (this.#socket.bufferedAmount > INPUT_QUEUE_MAX_CHARS) throw new RangeError("too much input waits");
    this.#send({ text });
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    if (this.#open && !this.#closed) this.#send({ size: sizeText(size) });
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }
}

export class HttpLink implements TerminalLink {
  readonly #listener: LinkListener;
  readonly #id: string;
  readonly #address: string;
  readonly #stop = new AbortController();
  #keys = "";
  #size: TerminalSize | null;
  #sending = false;
  #over = false;

  constructor(size: TerminalSize, listener: LinkListener) {
    this.#listener = listener;
    this.#size = size;
    this.#id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    this.#address = `/?session=${this.#id}`;
    void this.#run(size);
  }

  write(text: string): void {
    if (this.#over) return;
    if (this.#keys.length + text.length > INPUT_QUEUE_MAX_CHARS) throw new RangeError("too much input waits");
    this.#keys += text;
    void this.#flush();
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    void this.#flush();
  }

  close(): void {
    this.#over = true;
    this.#stop.abort();
  }

  async #run(size: TerminalSize): Promise<void> {
    // The first answer brings the cookie that says whose session it is, so nothing goes beside it.
    this.#sending = true;
    try {
      await this.#ask(`${this.#address}&size=${sizeText(size)}`);
      if (this.#size === size) this.#size = null;
    } catch {
      this.#end("none");
      return;
    } finally {
      this.#sending = false;
    }
    if (this.#over) return;
    this.#listener.state("connected");
    void this.#flush();
    for (let failed = 0; !this.#over; ) {
      try {
        // To ask a server that was started anew would begin another shell, and nobody would notice.
        if (failed > 0 && !(await this.#isThere())) {
          this.#end("lost-http");
          return;
        }
        const answer = await this.#ask(`${this.#address}&console&wait=${LONG_POLL_SECONDS}`);
        failed = 0;
        const { text, ended } = parse(await answer.text());
        if (this.#over) return;
        if (text !== "") this.#listener.output(text);
        if (ended) this.#end("ended");
      } catch {
        failed += 1;
        if (failed >= FAILED_REQUESTS_MAX) this.#end("lost-http");
        else await new Promise((passed) => setTimeout(passed, RETRY_DELAY_MS));
      }
    }
  }

  /** Whether the server still has the session. */
  async #isThere(): Promise<boolean> {
    const list: unknown = await (await this.#ask("/?sessions")).json();
    return Array.isArray(list) && list.some((session: { readonly sid?: unknown } | null) => session?.sid === this.#id);
  }

  /** Keys in their order: one request at a time, with all that has come meanwhile. */
  async #flush(): Promise<void> {
    if (this.#sending || this.#over || (this.#keys === "" && this.#size === null)) return;
    this.#sending = true;
    const text = this.#keys;
    const size = this.#size;
    this.#keys = "";
    this.#size = null;
    const message = { text, ...(size === null ? {} : { size: sizeText(size) }) };
    try {
      await this.#ask(this.#address, { method: "POST", body: JSON.stringify(message) });
    } catch {
      // Whether the shell has got them is not known, and a key that comes twice may do harm.
      this.#end("lost-http");
      return;
    } finally {
      this.#sending = false;
    }
    void this.#flush();
  }

  async #ask(address: string, init: RequestInit = {}): Promise<Response> {
    const signal = AbortSignal.any?.([this.#stop.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]) ?? this.#stop.signal;
    const answer = await fetch(address, { ...init, signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer;
  }

  #end(state: LinkState): void {
    if (this.#over) return;
    this.close();
    this.#listener.state(state);
  }
}

function textOf(data: unknown): string {
  return typeof data === "string" ? parse(data).text : "";
}

/** What a server says; nothing if it makes no sense. */
function parse(json: string): { readonly text: string; readonly ended: boolean } {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== "object" || value === null) return { text: "", ended: false };
    const { text, ended } = value as { text?: unknown; ended?: unknown };
    return { text: typeof text === "string" ? text : "", ended: ended === true };
  } catch {
    return { text: "", ended: false };
  }
}
