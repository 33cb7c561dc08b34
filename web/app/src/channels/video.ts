/** The pictures that a program sends: the newest is kept, as it came. */

import { signal } from "@preact/signals";

/** Milliseconds over which pictures are counted for their rate. */
const RATE_WINDOW_MS = 2000;

/**
 * Times that are kept for the rate: more than the pictures of {@link RATE_WINDOW_MS} at the rate of
 * any camera.
 */
const RATE_MAX_SAMPLES = 512;

/** Milliseconds between two changes of the rate that is shown: more often cannot be read. */
const RATE_UPDATE_INTERVAL_MS = 500;

export interface Picture {
  readonly image: Blob;
  /** Counted from 1. */
  readonly number: number;
}

export class Video {
  readonly #picture = signal<Picture | null>(null);
  readonly #rate = signal<number | null>(null);
  readonly #dropped = signal(0);
  readonly #now: () => number;
  #times: number[] = [];
  #ratedAt = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get picture(): Picture | null {
    return this.#picture.value;
  }

  /** Pictures a second; null until there are some. */
  get rate(): number | null {
    return this.#rate.value;
  }

  /** Pictures that were left out on the way, as the connection was too slow for them. */
  get dropped(): number {
    return this.#dropped.value;
  }

  show(image: Blob, dropped: number): void {
    this.#picture.value = { image, number: (this.#picture.peek()?.number ?? 0) + 1 };
    if (dropped > 0) this.#dropped.value += dropped;
    const now = this.#now();
    this.#times.push(now);
    if (this.#times.length > RATE_MAX_SAMPLES || (this.#times[0] ?? now) < now - RATE_WINDOW_MS) {
      this.#times = this.#times.filter((time) => time >= now - RATE_WINDOW_MS).slice(-RATE_MAX_SAMPLES);
    }
    const first = this.#times[0] ?? now;
    if (now - this.#ratedAt < RATE_UPDATE_INTERVAL_MS || now === first) return;
    this.#ratedAt = now;
    this.#rate.value = ((this.#times.length - 1) * 1000) / (now - first);
  }

  /** No more will come. */
  end(): void {
    this.#rate.value = null;
    this.#times = [];
  }

  clear(): void {
    this.end();
    this.#picture.value = null;
  }
}
