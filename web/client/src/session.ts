/** One WebSocket to `/run`, from its handshake to its end. */

import { CloseCode } from "./close-code.js";
import { decodeFrame } from "./frames.js";
import { type ClientMessage, encode, type FeatureName, parse, type ServerMessage } from "./messages.js";
import type { RemoteProgram, Wire } from "./program.js";
import type { WaitReason } from "./types.js";

export const SUBPROTOCOL = "further-link.3";

/** Milliseconds until a connection has to be there, with the device's answer to `hello`. */
const OPEN_TIMEOUT_MS = 10_000;

/**
 * RFC 6455 section 7.4.1: data of a kind that the other side cannot accept. Other servers send it.
 */
const UNSUPPORTED_DATA = 1003;

/**
 * Heartbeat: milliseconds between pings, and in which something has to be heard after one: a device
 * that lost its power, or went out of reach, says no word.
 */
const PING_INTERVAL_MS = 10_000;

/**
 * Milliseconds by which a timer may be late before it says nothing about the device: pages in the
 * background, and computers that slept, have timers that are late, with messages that wait behind
 * them.
 */
const LATE_TIMER_MS = 3_000;

/** What this library needs of a WebSocket; that of browsers and the package `ws` have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number }) => void): void;
}

export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;

/**
 * How a session ended: before the handshake was done, before the device had answered `hello`, or
 * later.
 */
export type Phase = "opening" | "greeting" | "ready";

export interface SessionOptions {
  readonly WebSocket: WebSocketConstructor;
  readonly url: string;
  /**
   * Whether `further-link.3` is asked for. Browsers give up if the device does not choose what was
   * asked for.
   */
  readonly subprotocol: boolean;
  readonly features: readonly FeatureName[];
  /** Programs can be started from now on. */
  readonly onReady: (session: Session) => void;
  /** It is over, and its programs are told already. Not called after {@link Session.close}. */
  readonly onGone: (session: Session, reason: WaitReason, phase: Phase) => void;
}

export class Session implements Wire {
  /** The server's version; null if it is older than this question. */
  version: string | null = null;
  knowsStart = false;
  binary = false;
  readonly #options: SessionOptions;
  readonly #socket: WebSocketLike;
  readonly #programs = new Map<string, RemoteProgram>();
  readonly #numbers = new Map<number, RemoteProgram>();
  #phase: Phase | "gone" = "opening";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Something has come since the last ping. */
  #heard = false;
  /** Bytes that waited to be sent at the last ping. */
  #unsent = 0;

  /**
   * Throws what the constructor of the WebSocket throws: the address is none, or the page may not
   * use it.
   */
  constructor(options: SessionOptions) {
    this.#options = options;
    this.#socket = new options.WebSocket(options.url, options.subprotocol ? [SUBPROTOCOL] : []);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("open", () => this.#opened());
    this.#socket.addEventListener("message", ({ data }) => this.#message(data));
    this.#socket.addEventListener("close", ({ code }) => this.#gone(reasonOf(code, this.#phase)));
    // What was wrong is told by `close`. But where a page's content security policy forbids the
    // address, Chromium says this and no more. (And an error without a listener ends a Node.js
    // program.)
    this.#socket.addEventListener("error", () => {
      if (this.#phase === "opening") this.#gone("unreachable");
    });
    this.#timer = setTimeout(() => this.#gone("timeout"), OPEN_TIMEOUT_MS);
  }

  /** Whether programs can be started. */
  get ready(): boolean {
    return this.#phase === "ready";
  }

  /** Whether the device was asked for `further-link.3`. */
  get askedForStream(): boolean {
    return this.#options.subprotocol;
  }

  start(program: RemoteProgram): void {
    this.#programs.set(program.name, program);
    program.start(this);
  }

  /** Ends it; its programs are lost. */
  close(): void {
    if (this.#phase === "gone") return;
    this.#end();
  }

  /**
   * Asks for a sign of life now: the network may have changed. Not while one is due anyhow: who
   * asks again and again would otherwise wait forever.
   */
  check(): void {
    if (this.#phase === "ready" && this.#heard) this.#ping();
  }

  /** Bytes that wait for the network. */
  get unsent(): number {
    return this.#socket.bufferedAmount;
  }

  say(message: ClientMessage): void {
    if (this.#phase !== "gone") this.#socket.send(encode(message));
  }

  send(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#phase !== "gone") this.#socket.send(frame);
  }

  #opened(): void {
    if (this.#phase !== "opening") return;
    this.#phase = "greeting";
    this.binary = this.#socket.protocol === SUBPROTOCOL;
    this.say({ type: "hello", data: { features: this.#options.features } });
    // Every server answers this one, so that one which does not answer the other is known.
    this.say({ type: "ping" });
  }

  #message(data: unknown): void {
    if (this.#phase === "gone") return;
    this.#heard = true;
    if (typeof data === "string") {
      const message = parse(data);
      if (message !== null) this.#take(message);
    } else if (data instanceof ArrayBuffer && this.binary) {
      const frame = decodeFrame(data);
      if (frame !== null) this.#numbers.get(frame.number)?.takeFrame(frame);
    }
  }

  #take(message: ServerMessage): void {
    if (message.type === "hello") {
      this.version = message.data.version;
      this.knowsStart = message.data.features.includes("start");
      this.#greeted();
    } else if (message.type === "pong") {
      this.#greeted();
    } else if (message.process !== null) {
      this.#forProgram(message, message.process);
    } else if (message.type === "error") {
      // The only thing that was said so far is `hello`.
      this.#greeted();
    }
  }

  #forProgram(message: Exclude<ServerMessage, { type: "hello" | "pong" }>, name: string): void {
    const program = this.#programs.get(name);
    if (program === undefined) return;
    const number = message.type === "started" ? message.data?.number : undefined;
    if (message.type === "started" && this.binary) {
      // Without a number nothing of it could be told apart.
      if (number === undefined || this.#numbers.has(number)) return;
      this.#numbers.set(number, program);
    }
    program.take(message);
    if (program.over) this.#forget(program);
  }

  #forget(program: RemoteProgram): void {
    this.#programs.delete(program.name);
    for (const [number, other] of this.#numbers) if (other === program) this.#numbers.delete(number);
  }

  #greeted(): void {
    if (this.#phase !== "greeting") return;
    this.#phase = "ready";
    this.#ping();
    this.#options.onReady(this);
  }

  #ping(): void {
    clearTimeout(this.#timer);
    this.#heard = false;
    this.#unsent = this.#socket.bufferedAmount;
    this.say({ type: "ping" });
    const due = Date.now() + PING_INTERVAL_MS;
    this.#timer = setTimeout(() => {
      // Bytes that went out are a sign of life as well: on a slow network the ping may be behind a
      // large paste.
      const alive = this.#heard || this.#socket.bufferedAmount < this.#unsent;
      if (alive || Date.now() - due > LATE_TIMER_MS) this.#ping();
      else this.#gone("timeout");
    }, PING_INTERVAL_MS);
  }

  #gone(reason: WaitReason): void {
    const phase = this.#phase;
    if (phase === "gone") return;
    this.#end();
    this.#options.onGone(this, reason, phase);
  }

  #end(): void {
    this.#phase = "gone";
    clearTimeout(this.#timer);
    this.#socket.close();
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    this.#numbers.clear();
    for (const program of programs) program.lose();
  }
}

function reasonOf(code: number, phase: Phase | "gone"): WaitReason {
  if (phase === "opening") return "unreachable";
  switch (code) {
    case CloseCode.goingAway:
      return "server-stopping";
    case CloseCode.policyViolation:
      return "timeout";
    case CloseCode.protocolError:
    case CloseCode.invalidPayload:
    case CloseCode.messageTooBig:
    case UNSUPPORTED_DATA:
      return "protocol";
    default:
      return "lost";
  }
}
