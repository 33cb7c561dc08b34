/** The scrollback of a terminal: all bytes that it was sent, as they came, for saving. */

/** Bytes that are kept; the oldest go. */
const SCROLLBACK_MAX_BYTES = 16 * 1024 * 1024;

/** Bytes of a chunk, at least: many small ones would cost more than they hold. */
const CHUNK_MIN_BYTES = 64 * 1024;

export class Scrollback {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  /** The last chunk, and how much of it is used. */
  #lastChunk: Uint8Array | null = null;
  #used = 0;
  #size = 0;
  #droppedBytes = 0;

  constructor(maxBytes = SCROLLBACK_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are kept. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that had to go. */
  get gone(): number {
    return this.#droppedBytes;
  }

  add(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#lastChunk === null || this.#used === this.#lastChunk.length) {
        this.#lastChunk = new Uint8Array(CHUNK_MIN_BYTES);
        this.#used = 0;
        this.#chunks.push(this.#lastChunk);
      }
      const part = rest.subarray(0, this.#lastChunk.length - this.#used);
      this.#lastChunk.set(part, this.#used);
      this.#used += part.length;
      this.#size += part.length;
      rest = rest.subarray(part.length);
      this.#dropOldest();
    }
  }

  /** What is kept, and in front of it, if something had to go, what `note` says of it. */
  file(note: (gone: number) => string): Blob {
    const chunks = this.#chunks.map((chunk) =>
      chunk === this.#lastChunk ? chunk.slice(0, this.#used) : chunk.slice(),
    );
    return new Blob(this.#droppedBytes > 0 ? [`${note(this.#droppedBytes)}\r\n`, ...chunks] : chunks, {
      type: "application/octet-stream",
    });
  }

  /** Whole chunks go, so that there is less than one too little. */
  #dropOldest(): void {
    while (this.#size > this.#maxBytes && this.#chunks.length > 1) {
      const oldest = this.#chunks.shift()!;
      this.#size -= oldest.length;
      this.#droppedBytes += oldest.length;
    }
  }
}
