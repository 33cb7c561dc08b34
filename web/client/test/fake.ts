/** A device that is none: its end of WebSockets, moved by tests. */

import { vi } from "vitest";
import { FurtherLink, type LinkOptions } from "../src/link.js";
import type { WebSocketConstructor } from "../src/session.js";

type Event = { readonly data?: unknown; readonly code?: number };

/** How a server takes a connection. `old` knows neither the subprotocol nor `hello`. */
export type Manner =
  | "stream"
  | "json"
  | "stream without start"
  | "old"
  | "ignores hello"
  | "refuses"
  /**
   * As a page's content security policy does it in Chromium: there is an error, and never an end.
   */
  | "is forbidden"
  | "silent"
  | "open but mute";

export class FakeSocket {
  binaryType = "blob";
  protocol = "";
  bufferedAmount = 0;
  /** What the client has sent: messages, and frames in hexadecimal digits. */
  readonly sent: (Record<string, unknown> | string)[] = [];
  closed = false;
  answersPings = true;
  readonly #listeners = new Map<string, ((event: Event) => void)[]>();

  constructor(
    readonly url: string,
    readonly protocols: string[] = [],
    readonly device: FakeDevice,
  ) {
    device.sockets.push(this);
    const { manner } = device;
    queueMicrotask(() => {
      if (this.closed || manner === "silent") return;
      // As browsers do it: what was asked for has to be chosen.
      const known = manner === "stream" || manner === "stream without start";
      if (manner === "is forbidden") {
        this.#tell("error", {});
        return;
      }
      if (manner === "refuses" || (protocols.length > 0 && !known && manner !== "open but mute")) {
        this.drop(1006);
        return;
      }
      this.protocol = known ? (protocols[0] ?? "") : "";
      this.#tell("open", {});
    });
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(data: string | Uint8Array): void {
    if (this.closed) throw new Error("sent after the end");
    if (typeof data !== "string") {
      this.sent.push(Buffer.from(data).toString("hex"));
      return;
    }
    const message = JSON.parse(data);
    if (message.type !== "ping") this.sent.push(message);
    const { manner } = this.device;
    if (manner === "open but mute") return;
    if (message.type === "ping") {
      this.device.pings += 1;
      if (this.answersPings) queueMicrotask(() => this.say({ type: "pong", data: null }));
    }
    if (message.type === "hello" && manner !== "ignores hello") {
      const known =
        manner === "stream without start" ? ["figure", "plot", "widget"] : ["figure", "plot", "widget", "start"];
      const features = (message.data.features as string[]).filter((name) => known.includes(name));
      queueMicrotask(() =>
        manner === "old"
          ? this.say({ type: "error", data: { message: "Bad message" }, process: null })
          : this.say({ type: "hello", data: { version: "0.1.0", features }, process: null }),
      );
    }
  }

  close(): void {
    this.closed = true;
  }

  /** A message to the client. */
  say(message: Record<string, unknown> | string): void {
    if (this.closed) return;
    this.#tell("message", { data: typeof message === "string" ? message : JSON.stringify({ client: "", ...message }) });
  }

  /** A frame to the client, of hexadecimal digits. */
  frame(hex: string): void {
    if (!this.closed) this.#tell("message", { data: new Uint8Array(Buffer.from(hex, "hex")).buffer });
  }

  /** The connection ends. */
  drop(code: number): void {
    if (this.closed) return;
    this.closed = true;
    this.#tell("error", {});
    this.#tell("close", { code });
  }

  /** The messages of one type that the client has sent. */
  of(type: string): Record<string, unknown>[] {
    return this.sent.filter((message) => typeof message !== "string" && message.type === type) as never;
  }

  /** The frames that the client has sent. */
  get frames(): string[] {
    return this.sent.filter((message) => typeof message === "string") as string[];
  }

  #tell(type: string, event: Event): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}

export class FakeDevice {
  readonly sockets: FakeSocket[] = [];
  manner: Manner;
  pings = 0;

  constructor(manner: Manner = "stream") {
    this.manner = manner;
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  get WebSocket(): WebSocketConstructor {
    const device = this;
    return class extends FakeSocket {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols, device);
      }
    } as unknown as WebSocketConstructor;
  }

  link(options: LinkOptions = {}): FurtherLink {
    const nobody: typeof fetch = () => Promise.reject(new TypeError("nobody there"));
    return new FurtherLink({ base: "http://device:8028", WebSocket: this.WebSocket, fetch: nobody, ...options });
  }

  /** A link that is connected, and the socket that it uses. */
  async connected(options?: LinkOptions): Promise<{ link: FurtherLink; socket: FakeSocket }> {
    const link = this.link(options);
    link.connect();
    await soon();
    return { link, socket: this.socket };
  }
}

/** Lets all that is due now happen. */
export async function soon(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

const head = (kind: string, number: number, offset: number) =>
  `${kind}${number.toString(16).padStart(8, "0")}${offset.toString(16).padStart(16, "0")}`;

/** Frames of the server, and what the client's look like. */
export const frame = {
  stdout: (number: number, offset: number, bytes: string | Uint8Array) =>
    head("00010100", number, offset) + Buffer.from(bytes as string).toString("hex"),
  stderr: (number: number, offset: number, bytes: string | Uint8Array) =>
    head("00010200", number, offset) + Buffer.from(bytes as string).toString("hex"),
  video: (number: number, offset: number, bytes: string) =>
    head("00020000", number, offset) + Buffer.from(bytes).toString("hex"),
  inputAck: (number: number, offset: number) => head("01000000", number, offset),
  outputAck: (number: number, offset: number) => head("01010000", number, offset),
  input: (number: number, offset: number, bytes: string) =>
    head("00000000", number, offset) + Buffer.from(bytes).toString("hex"),
  inputEnd: (number: number, offset: number) => head("02000000", number, offset),
};

/** The numbers of bytes that input frames carry. */
export function inputLengths(frames: readonly string[]): number[] {
  return frames.filter((hex) => hex.startsWith("00000000")).map((hex) => hex.length / 2 - 16);
}
