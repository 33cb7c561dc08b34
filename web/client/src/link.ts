/** The connection to a device: one for all programs, which comes back by itself. */

import { type Address, type AddressOptions, addressOf } from "./address.js";
import { Backoff } from "./backoff.js";
import { device, runners, upload, watchDevice } from "./device.js";
import { FilesClient } from "./files.js";
import { Listeners } from "./listeners.js";
import type { FeatureName } from "./messages.js";
import { watchPage } from "./page.js";
import { RemoteProgram } from "./program.js";
import { type Phase, Session, type WebSocketConstructor } from "./session.js";
import type {
  ConnectionState,
  Device,
  Feature,
  Files,
  Program,
  Project,
  Runner,
  StartOptions,
  Uploaded,
  WaitReason,
} from "./types.js";

/** Delays of reconnecting. */
const RECONNECT_BACKOFF = { minDelayMs: 500, maxDelayMs: 10_000, jitter: true };

/**
 * Milliseconds after which a connection counts as one that works, and reconnecting begins at the
 * first delay again.
 */
const STEADY_MS = 10_000;

/**
 * Milliseconds for which a start waits for a connection. A robot should not begin to move long
 * after somebody has asked for it.
 */
const START_TIMEOUT_MS = 10_000;

export interface LinkOptions extends AddressOptions {
  /** What the application shows. */
  readonly features?: readonly Feature[];
  /** For Node.js 18 and 20, which have none: that of the package `ws`. */
  readonly WebSocket?: WebSocketConstructor;
}

export interface LinkEvents {
  state: (state: ConnectionState) => void;
}

export class FurtherLink {
  /** The files below the work folder. */
  readonly files: Files;
  readonly #options: LinkOptions;
  readonly #address: Address;
  readonly #listeners = new Listeners<LinkEvents>();
  readonly #client = Math.random().toString(36).slice(2, 10);
  #state: ConnectionState = { kind: "closed" };
  #session: Session | null = null;
  /**
   * With older servers, whose programs all have a terminal or none: a connection for those with
   * one.
   */
  #terminals: Session | null = null;
  /** Programs that wait for a connection, each with what ends its patience. */
  readonly #waiting = new Map<RemoteProgram, ReturnType<typeof setTimeout>>();
  /** Likewise for {@link #terminals}. */
  #waitingForTerminals: RemoteProgram[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #backoff = new Backoff(RECONNECT_BACKOFF);
  #connectedAt = 0;
  /** The device has spoken `further-link.3` before. */
  #stream = false;
  /**
   * It was asked for the stream again, since it did not seem to know it and yet is young enough.
   */
  #insisted = false;
  #count = 0;
  #leave: (() => void) | null = null;

  constructor(options: LinkOptions = {}) {
    this.#options = options;
    this.#address = addressOf(options);
    this.files = new FilesClient(this.#address);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Calls the listener for every event from now on; the answer stops that. */
  on<K extends keyof LinkEvents>(event: K, listener: LinkEvents[K]): () => void {
    return this.#listeners.on(event, listener);
  }

  /** Connects, and connects again whenever the connection is lost, until {@link close}. */
  connect(): void {
    if (this.#state.kind !== "closed") return;
    this.#leave = watchPage({
      wake: () => {
        this.retryNow();
        this.#session?.check();
        this.#terminals?.check();
      },
    });
    this.#attempt(true);
  }

  /** Ends the connection; its programs are lost, and the device stops them. */
  close(): void {
    if (this.#state.kind === "closed") return;
    this.#leave?.();
    this.#leave = null;
    clearTimeout(this.#timer);
    this.#endSessions();
    this.#insisted = false;
    const waiting = [...this.#waiting.keys()];
    this.#become({ kind: "closed" });
    for (const program of waiting) this.#giveUp(program);
  }

  /** Tries at once instead of at `retryAt`. */
  retryNow(): void {
    if (this.#state.kind !== "waiting") return;
    clearTimeout(this.#timer);
    this.#attempt(true);
  }

  /**
   * Starts a program; connects if there is no connection. What could not be started within 10 s,
   * for want of one, has failed, and is not started later.
   */
  start(options: StartOptions): Program {
    this.#count += 1;
    const program = new RemoteProgram(String(this.#count), options);
    if (this.#session?.ready) {
      this.#dispatch(program, this.#session);
      return program;
    }
    const patience = setTimeout(() => this.#giveUp(program), START_TIMEOUT_MS);
    this.#waiting.set(program, patience);
    this.connect();
    this.retryNow();
    return program;
  }

  /** What can be started. Throws {@link FilesError}. */
  runners(): Promise<readonly Runner[]> {
    return runners(this.#address);
  }

  /**
   * How the device is. Throws {@link FilesError}; with status 404 if the server is too old to know.
   */
  device(): Promise<Device> {
    return device(this.#address);
  }

  /**
   * Tells how the device is, now and every few seconds, until the answer is called. Null, once, if
   * the server is too old to know. Comes back by itself.
   */
  watchDevice(listener: (device: Device | null) => void): () => void {
    return watchDevice(this.#address, listener);
  }

  /**
   * Replaces a folder of the work folder by a project: all of it, or nothing is changed. Throws
   * {@link FilesError}.
   */
  upload(project: Project): Promise<Uploaded> {
    return upload(this.#address, project);
  }

  #attempt(subprotocol: boolean): void {
    if (this.#state.kind !== "connecting") this.#become({ kind: "connecting" });
    // A listener of the state may have closed it.
    if (this.#state.kind !== "connecting") return;
    try {
      this.#session = new Session({
        WebSocket: this.#socketConstructor(),
        url: this.#runAddress(false),
        subprotocol,
        features: this.#features(),
        onReady: (session) => this.#ready(session),
        onGone: (session, reason, phase) => this.#gone(session, reason, phase),
      });
    } catch (error) {
      this.#session = null;
      this.close();
      throw error;
    }
  }

  #ready(session: Session): void {
    if (session !== this.#session) return;
    if (session.binary) {
      this.#stream = true;
    } else if (!session.askedForStream && session.version !== null && !this.#insisted) {
      // A server that is young enough for the stream came up between the two tries. (Or something
      // between takes the subprotocol away, so this is done once.)
      this.#insisted = true;
      session.close();
      this.#attempt(true);
      return;
    }
    this.#connectedAt = Date.now();
    this.#become({ kind: "connected", version: session.version });
    for (const [program, patience] of [...this.#waiting]) {
      if (session !== this.#session || !session.ready) return;
      clearTimeout(patience);
      this.#waiting.delete(program);
      this.#dispatch(program, session);
    }
  }

  #gone(session: Session, reason: WaitReason, phase: Phase): void {
    if (session !== this.#session) return;
    if (phase === "opening" && session.askedForStream && !this.#stream && reason !== "timeout") {
      // Browsers refuse a connection to a server that does not know the subprotocol, and do not say
      // that this was it.
      this.#attempt(false);
      return;
    }
    this.#endSessions();
    this.#insisted = false;
    if (phase === "ready" && Date.now() - this.#connectedAt >= STEADY_MS) this.#backoff.reset();
    const delay = this.#backoff.next();
    this.#timer = setTimeout(() => this.#attempt(true), delay);
    this.#become({ kind: "waiting", retryAt: Date.now() + delay, reason });
    if (phase === "opening") void this.#findOut(reason);
  }

  /** A WebSocket does not say why it did not open. Plain HTTP does. */
  async #findOut(reason: WaitReason): Promise<void> {
    const state = this.#state;
    if (state.kind !== "waiting") return;
    const found = await this.#address.whyNot();
    if (this.#state === state && found !== null && found !== reason) this.#become({ ...state, reason: found });
  }

  #endSessions(): void {
    const sessions = [this.#session, this.#terminals];
    const programs = this.#waitingForTerminals;
    this.#session = null;
    this.#terminals = null;
    this.#waitingForTerminals = [];
    for (const session of sessions) session?.close();
    for (const program of programs) program.lose();
  }

  #giveUp(program: RemoteProgram): void {
    clearTimeout(this.#waiting.get(program));
    this.#waiting.delete(program);
    program.lose();
  }

  /** Asks the device to start a program, over the connection that can. */
  #dispatch(program: RemoteProgram, session: Session): void {
    if (program.over) return;
    const { arguments: words = [], pty = false } = program.options;
    if (session.knowsStart) {
      session.start(program);
    } else if (words.length > 0) {
      const message =
        "The server on this device is too old to give a program arguments. Update it, or start without them.";
      queueMicrotask(() => program.fail(message, "no-arguments"));
    } else if (!pty) {
      session.start(program);
    } else if (this.#terminals?.ready) {
      this.#terminals.start(program);
    } else {
      this.#waitingForTerminals.push(program);
      this.#terminals ??= this.#openTerminals(session.askedForStream);
    }
  }

  #openTerminals(subprotocol: boolean): Session {
    return new Session({
      WebSocket: this.#socketConstructor(),
      url: this.#runAddress(true),
      subprotocol,
      features: this.#features(),
      onReady: (session) => {
        const programs = this.#waitingForTerminals;
        this.#waitingForTerminals = [];
        for (const program of programs) if (!program.over) session.start(program);
      },
      onGone: () => {
        this.#terminals = null;
        const programs = this.#waitingForTerminals;
        this.#waitingForTerminals = [];
        for (const program of programs) program.lose();
      },
    });
  }

  #socketConstructor(): WebSocketConstructor {
    const found = this.#options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
    if (found === undefined) {
      throw new Error("There is no WebSocket here. In Node.js before 22, give that of the package ws as an option.");
    }
    return found;
  }

  #features(): readonly FeatureName[] {
    return [...(this.#options.features ?? []), "start"];
  }

  #runAddress(pty: boolean): string {
    const url = this.#address.url("run", {
      client: this.#client,
      features: this.#features().join(","),
      ...(pty ? { pty: "1" } : {}),
    });
    return url.href.replace(/^http/, "ws");
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    this.#listeners.emit("state", state);
  }
}
