/** Input for a program, as it waits for the device to take it. */

/**
 * Bytes that may be on their way to the program: beyond them the device would refuse
 * (`docs/protocol.md` section 10, "Input").
 */
const INPUT_WINDOW_BYTES = 1024 * 1024;

/**
 * Bytes that may wait here: a large paste, and little enough that a page which writes without end
 * is told.
 */
export const INPUT_LIMIT = 4 * 1024 * 1024;

/**
 * Bytes of one frame or message: few, so that what is for other programs need not wait long behind
 * it.
 */
const INPUT_CHUNK_BYTES = 64 * 1024;

/** Where input goes: frames with offsets, or text for a device that knows no others. */
export type InputSink =
  | { readonly kind: "bytes"; data(offset: number, bytes: Uint8Array): void; end(offset: number): void }
  | {
      readonly kind: "text";
      text(text: string): void;
      notText(): void;
      /** Bytes that wait for the network: nothing else says how much is too much. */
      unsent(): number;
    };

export class InputQueue {
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #sent = 0;
  #taken = 0;
  #ending: "no" | "asked" | "sent" = "no";
  #sink: InputSink | null = null;
  /** For devices that take text: characters may be cut between two chunks. */
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
  readonly #drained: () => void;

  /** `drained` is called when something has waited and nothing does any more. */
  constructor(drained: () => void) {
    this.#drained = drained;
  }

  /** Bytes that wait here. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Begins to send. */
  open(sink: InputSink): void {
    this.#sink = sink;
    this.#pump();
  }

  /** The program takes no more: drops what waits. */
  close(): void {
    this.#sink = null;
    this.#chunks = [];
    this.#waiting = 0;
  }

  write(input: string | Uint8Array): void {
    if (this.#ending !== "no") throw new Error("The input of this program has ended.");
    // The caller's array is the caller's: it may write something else into it.
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input.slice();
    if (bytes.length === 0) return;
    const waiting = this.#sink?.kind === "text" ? this.#sink.unsent() : this.#waiting;
    if (waiting + bytes.length > INPUT_LIMIT) {
      throw new Error(`This input was not taken: ${waiting} bytes wait already, and ${INPUT_LIMIT} may.`);
    }
    this.#chunks.push(bytes);
    this.#waiting += bytes.length;
    this.#pump();
  }

  /** There is no more. False if the device knows no end of input. */
  end(): boolean {
    if (this.#sink?.kind === "text") return false;
    if (this.#ending === "no") this.#ending = "asked";
    this.#pump();
    return true;
  }

  /** Everything in front of `offset` was handed to the program. */
  taken(offset: number): void {
    if (offset <= this.#taken || offset > this.#sent) return;
    this.#taken = offset;
    this.#pump();
  }

  #pump(): void {
    const sink = this.#sink;
    if (sink === null) return;
    const waited = this.#waiting > 0;
    while (this.#waiting > 0) {
      const room = sink.kind === "bytes" ? INPUT_WINDOW_BYTES - (this.#sent - this.#taken) : INPUT_CHUNK_BYTES;
      if (room <= 0) return;
      const bytes = this.#take(Math.min(room, INPUT_CHUNK_BYTES));
      if (sink.kind === "bytes") sink.data(this.#sent, bytes);
      else this.#say(sink, bytes);
      this.#sent += bytes.length;
    }
    if (this.#ending === "asked" && sink.kind === "bytes") {
      this.#ending = "sent";
      sink.end(this.#sent);
    }
    if (waited) this.#drained();
  }

  #say(sink: InputSink & { kind: "text" }, bytes: Uint8Array): void {
    try {
      const text = this.#decoder.decode(bytes, { stream: true });
      if (text !== "") sink.text(text);
    } catch {
      // The decoder begins anew after an error.
      sink.notText();
    }
  }

  /**
   * The first bytes that wait, `most` at most: small pieces together, as each frame has its price.
   */
  #take(most: number): Uint8Array {
    const first = this.#chunks[0]!;
    if (first.length >= most || this.#chunks.length === 1) {
      const bytes = first.subarray(0, most);
      if (bytes.length === first.length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(most);
      this.#waiting -= bytes.length;
      return bytes;
    }
    const bytes = new Uint8Array(Math.min(most, this.#waiting));
    let filled = 0;
    let used = 0;
    while (filled < bytes.length) {
      const chunk = this.#chunks[used]!;
      const part = chunk.subarray(0, bytes.length - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) used += 1;
      else this.#chunks[used] = chunk.subarray(part.length);
    }
    this.#chunks.splice(0, used);
    this.#waiting -= bytes.length;
    return bytes;
  }
}
