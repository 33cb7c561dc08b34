/** What a program has output, on its way to listeners, and how much of it they have consumed. */

import { report } from "./listeners.js";
import type { Output } from "./types.js";

/**
 * Bytes that are consumed before the device is told (`docs/protocol.md` section 10,
 * "Acknowledgements of output").
 */
const ACK_EVERY = 16 * 1024;

type Listener = (output: Output) => void | Promise<void>;

/** A piece that was delivered. */
interface Piece {
  /** Offset behind its last byte. */
  readonly end: number;
  /** How many listeners have not finished with it. */
  pending: number;
}

interface Subscription {
  readonly listener: Listener;
  /** What its promises stand for that have not settled. */
  readonly outstanding: Set<Piece>;
  gone: boolean;
}

export class OutputFlow {
  readonly #ack: (offset: number) => void;
  readonly #subscriptions = new Set<Subscription>();
  /**
   * In the order of their bytes; `#first` is the oldest that is not consumed. The device's window
   * bounds them.
   */
  #pieces: Piece[] = [];
  #first = 0;
  #received = 0;
  #acked = 0;
  #decoders: Partial<Record<Output["stream"], TextDecoder>> = {};
  #whenConsumed: (() => void) | null = null;

  /** `ack` is told the offset up to which all was consumed, whenever that is due. */
  constructor(ack: (offset: number) => void) {
    this.#ack = ack;
  }

  /** A listener that leaves counts as finished with what it has. */
  on(listener: Listener): () => void {
    const subscription: Subscription = { listener, outstanding: new Set(), gone: false };
    this.#subscriptions.add(subscription);
    return () => {
      subscription.gone = true;
      this.#subscriptions.delete(subscription);
      const pieces = [...subscription.outstanding];
      subscription.outstanding.clear();
      for (const piece of pieces) this.#finished(piece);
    };
  }

  /**
   * Bytes that begin at `offset`. What came before is left out; a gap is passed over, as it cannot
   * be filled.
   */
  bytes(stream: Output["stream"], offset: number, bytes: Uint8Array): void {
    const known = this.#received - offset;
    if (known >= bytes.length) return;
    const fresh = known > 0 ? bytes.subarray(known) : bytes;
    this.#received = offset + bytes.length;
    this.#decoders[stream] ??= new TextDecoder("utf-8", { ignoreBOM: true });
    this.#deliver({ stream, bytes: fresh, text: this.#decoders[stream].decode(fresh, { stream: true }) });
  }

  /** Text of a device that sends no bytes. */
  text(stream: Output["stream"], text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#received += bytes.length;
    this.#deliver({ stream, bytes, text });
  }

  /** There is no more. Calls `then` when all was consumed, at once if it is. */
  end(then: () => void): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const text = this.#decoders[stream]?.decode() ?? "";
      if (text !== "") this.#deliver({ stream, bytes: new Uint8Array(), text });
    }
    if (this.#pieces.length === 0) then();
    else this.#whenConsumed = then;
  }

  #deliver(output: Output): void {
    // One for this method, so that a listener that is quick does not finish the piece before the
    // others have it.
    const piece: Piece = { end: this.#received, pending: 1 };
    this.#pieces.push(piece);
    for (const subscription of [...this.#subscriptions]) {
      if (subscription.gone) continue;
      try {
        this.#wait(subscription, piece, subscription.listener(output));
      } catch (error) {
        report(error);
      }
    }
    this.#finished(piece);
  }

  #wait(subscription: Subscription, piece: Piece, result: void | PromiseLike<void>): void {
    if (typeof result?.then !== "function" || subscription.gone) return;
    piece.pending += 1;
    subscription.outstanding.add(piece);
    const settled = () => {
      if (subscription.outstanding.delete(piece)) this.#finished(piece);
    };
    result.then(settled, (error: unknown) => {
      report(error);
      settled();
    });
  }

  #finished(piece: Piece): void {
    piece.pending -= 1;
    let consumed = -1;
    while (this.#pieces[this.#first]?.pending === 0) {
      consumed = this.#pieces[this.#first]!.end;
      this.#first += 1;
    }
    if (consumed < 0) return;
    if (this.#first === this.#pieces.length) {
      this.#pieces = [];
      this.#first = 0;
    } else if (this.#first >= 1024) {
      this.#pieces = this.#pieces.slice(this.#first);
      this.#first = 0;
    }
    if (consumed - this.#acked >= ACK_EVERY) {
      this.#acked = consumed;
      this.#ack(consumed);
    }
    if (this.#pieces.length === 0) {
      const then = this.#whenConsumed;
      this.#whenConsumed = null;
      then?.();
    }
  }
}
