/** A program on the device. */

import { emitChannelMessage } from "./channels.js";
import { inputEndFrame, inputFrame, outputAckFrame, type ServerFrame } from "./frames.js";
import { InputQueue } from "./input.js";
import { Listeners } from "./listeners.js";
import type { ClientMessage, ServerMessage, StartMessage } from "./messages.js";
import { OutputFlow } from "./output.js";
import type { FailureCause, Program, ProgramEvents, ProgramState, StartOptions, TerminalSize } from "./types.js";

/** What rows and columns of a terminal may be (`docs/protocol.md` section 2, `resize`). */
const SIZE_LIMIT = 65_535;

/** What a program needs of the connection that it is on. */
export interface Wire {
  /** It speaks `further-link.3`. */
  readonly binary: boolean;
  /** The device takes arguments, a choice of terminal and its size with `start`. */
  readonly knowsStart: boolean;
  say(message: ClientMessage): void;
  send(frame: Uint8Array<ArrayBuffer>): void;
  /** Bytes that wait for the network. */
  readonly unsent: number;
}

type ProgramMessage = Extract<ServerMessage, { process: string | null }>;

/** The other side of {@link Program}: what the connection tells it. */
export class RemoteProgram implements Program {
  readonly name: string;
  readonly options: StartOptions;
  readonly ended: Promise<ProgramState>;
  #state: ProgramState = { kind: "starting" };
  #settle!: (state: ProgramState) => void;
  /** The device has told its end, or there is no connection to tell more. */
  #over = false;
  #wire: Wire | null = null;
  #number = 0;
  #size: TerminalSize | null;
  #pictures = 0;
  readonly #listeners = new Listeners<ProgramEvents>();
  readonly #input = new InputQueue(() => this.#listeners.emit("drain"));
  readonly #output = new OutputFlow((offset) => {
    if (!this.#over && this.#wire?.binary) this.#wire.send(outputAckFrame(this.#number, offset));
  });

  constructor(name: string, options: StartOptions) {
    this.name = name;
    this.options = options;
    this.#size = options.size === undefined ? null : wholeSize(options.size);
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get state(): ProgramState {
    return this.#state;
  }

  on<K extends keyof ProgramEvents>(event: K, listener: ProgramEvents[K]): () => void {
    if (event === "output") return this.#output.on(listener as ProgramEvents["output"]);
    return this.#listeners.on(event, listener);
  }

  write(input: string | Uint8Array): void {
    if (this.#over) return;
    this.#input.write(input);
  }

  end(): boolean {
    if (this.#over || this.options.pty === true || this.#wire?.binary === false) return false;
    return this.#input.end();
  }

  get waiting(): number {
    return this.#input.waiting;
  }

  resize(size: TerminalSize): void {
    this.#size = wholeSize(size);
    if (this.options.pty === true) this.#say({ type: "resize", process: this.name, data: this.#size });
  }

  key(key: string, event: "keydown" | "keyup"): void {
    this.#say({ type: "keyevent", process: this.name, data: { key, event } });
  }

  closeFigure(id: string): void {
    this.#say({ type: "figureevent", process: this.name, data: { id, event: "close" } });
  }

  widget(id: string, event: string, value?: unknown): void {
    const data = value === undefined ? { id, event } : { id, event, value };
    this.#say({ type: "widgetevent", process: this.name, data });
  }

  stop(): void {
    if (this.#over) return;
    if (this.#wire === null) this.fail("It was stopped before it began.", "stopped-before");
    else this.#wire.say({ type: "stop", process: this.name });
  }

  /** Whether the device was asked to start it. */
  get asked(): boolean {
    return this.#wire !== null;
  }

  /** Whether nothing will come of it any more. */
  get over(): boolean {
    return this.#over;
  }

  /** Asks the device to start it. */
  start(wire: Wire): void {
    this.#wire = wire;
    const { runner, code, path, arguments: words, pty, display } = this.options;
    const data: StartMessage["data"] = {
      runner,
      ...(code === undefined ? {} : { code }),
      ...(path === undefined ? {} : { path }),
      ...(wire.knowsStart && words !== undefined && words.length > 0 ? { arguments: words } : {}),
      ...(wire.knowsStart && pty !== undefined ? { pty } : {}),
      ...(wire.knowsStart && pty === true && this.#size !== null ? this.#size : {}),
      ...(display === undefined ? {} : { novncOptions: { enabled: true, ...display } }),
    };
    const size = this.#size;
    wire.say({ type: "start", process: this.name, data });
    if (wire.knowsStart && this.#size === size) this.#size = null;
  }

  /** It could not be started. */
  fail(message: string, cause: FailureCause): void {
    if (this.#over) return;
    this.#leave();
    this.#become({ kind: "failed", message, cause });
  }

  /** The connection is gone, or none came about, and with it the program. */
  lose(): void {
    if (this.#over) return;
    if (!this.asked) {
      this.fail("There is no connection to the device.", "no-connection");
      return;
    }
    this.#leave();
    this.#become({ kind: "lost" });
  }

  /** A message for this program. */
  take(message: ProgramMessage): void {
    if (this.#over) return;
    if (message.type === "started") this.#started(message.data?.number);
    else if (message.type === "error") this.#error(message.data.message, message.data.detail ?? null);
    // Nothing else comes of a program that does not run yet.
    else if (this.#state.kind === "running") this.#told(message);
  }

  /** A frame for this program. */
  takeFrame(frame: ServerFrame): void {
    if (this.#over) return;
    if (frame.kind === "output") this.#output.bytes(frame.stream, frame.offset, frame.bytes);
    else if (frame.kind === "inputAck") this.#input.taken(frame.offset);
    else {
      const dropped = Math.max(0, frame.offset - this.#pictures);
      this.#pictures = frame.offset + 1;
      this.#listeners.emit("video", new Blob([frame.bytes], { type: "image/jpeg" }), dropped);
    }
  }

  #say(message: ClientMessage): void {
    if (!this.#over && this.#state.kind === "running") this.#wire?.say(message);
  }

  #started(number: number | undefined): void {
    const wire = this.#wire;
    if (wire === null || this.#state.kind !== "starting") return;
    this.#number = number ?? 0;
    this.#become({ kind: "running" });
    // A listener may have asked for anything.
    if (this.#over) return;
    if (this.options.pty === true && this.#size !== null) this.resize(this.#size);
    if (wire.binary) {
      this.#input.open({
        kind: "bytes",
        data: (offset, bytes) => wire.send(inputFrame(this.#number, offset, bytes)),
        end: (offset) => wire.send(inputEndFrame(this.#number, offset)),
      });
    } else {
      this.#input.open({
        kind: "text",
        unsent: () => wire.unsent,
        text: (input) => wire.say({ type: "stdin", process: this.name, data: { input } }),
        notText: () =>
          this.#listeners.emit("error", {
            message: "Bad message",
            detail: "This input was not sent: the server on this device is older, and takes text only.",
          }),
      });
    }
  }

  #error(message: string, detail: string | null): void {
    if (this.#state.kind === "starting") {
      // The two words that the protocol fixes say little to a person.
      const fixed = message === "Bad message" || message === "Message Exception";
      this.fail(fixed && detail !== null ? detail : message, "device");
    } else {
      this.#listeners.emit("error", { message, detail });
    }
  }

  #told(message: Exclude<ProgramMessage, { type: "started" | "error" }>): void {
    switch (message.type) {
      case "stdout":
      case "stderr":
        this.#output.text(message.type, message.data.output);
        break;
      case "stopped":
        this.#stopped(message.data.exitCode);
        break;
      case "novnc":
        this.#listeners.emit("window", message.data);
        break;
      default:
        emitChannelMessage(message, (event, ...values) => this.#listeners.emit(event, ...values));
    }
  }

  #stopped(code: number): void {
    this.#leave();
    this.#output.end(() => this.#become({ kind: "stopped", code }));
  }

  #leave(): void {
    this.#over = true;
    this.#input.close();
  }

  #become(state: ProgramState): void {
    this.#state = state;
    this.#listeners.emit("state", state);
    if (state.kind !== "starting" && state.kind !== "running") this.#settle(state);
  }
}

function wholeSize({ rows, cols }: TerminalSize): TerminalSize {
  const whole = (value: number) => Math.min(SIZE_LIMIT, Math.max(0, Math.trunc(value) || 0));
  return { rows: whole(rows), cols: whole(cols) };
}
