/** All that a terminal was sent, as it came, for saving. */

/** Bytes that are kept; the oldest go. */
export const SCROLLBACK_MAX_BYTES = 16 * 1024 * 1024;

/** Bytes of a piece, at least: many small ones would cost more than they hold. */
const CHUNK_MIN_BYTES = 64 * 1024;

export class Record {
  readonly #most: number;
  #pieces: Uint8Array[] = [];
  /** The last piece, and how much of it is used. */
  #open: Uint8Array | null = null;
  #used = 0;
  #size = 0;
  #gone = 0;

  constructor(most = SCROLLBACK_MAX_BYTES) {
    this.#most = most;
  }

  /** Bytes that are kept. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that had to go. */
  get gone(): number {
    return this.#gone;
  }

  add(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#open === null || this.#used === this.#open.length) {
        this.#open = new Uint8Array(CHUNK_MIN_BYTES);
        this.#used = 0;
        this.#pieces.push(this.#open);
      }
      const part = rest.subarray(0, this.#open.length - this.#used);
      this.#open.set(part, this.#used);
      this.#used += part.length;
      this.#size += part.length;
      rest = rest.subarray(part.length);
      this.#drop();
    }
  }

  /** What is kept, and in front of it, if something had to go, what `note` says of it. */
  file(note: (gone: number) => string): Blob {
    const pieces = this.#pieces.map((piece) => (piece === this.#open ? piece.slice(0, this.#used) : piece.slice()));
    return new Blob(this.#gone > 0 ? [`${note(this.#gone)}\r\n`, ...pieces] : pieces, {
      type: "application/octet-stream",
    });
  }

  /** Whole pieces go, so that there is less than one too little. */
  #drop(): void {
    while (this.#size > this.#most && this.#pieces.length > 1) {
      const oldest = this.#pieces.shift()!;
      this.#size -= oldest.length;
      this.#gone += oldest.length;
    }
  }
}
