/** Exponential backoff: how long to wait before a retry. */

export interface BackoffOptions {
  /** Milliseconds before the first retry. Each further one waits twice as long. */
  readonly minDelayMs: number;
  /** Milliseconds that a retry waits at most. */
  readonly maxDelayMs: number;
  /** Whether delays are shortened by up to a half at random (jitter), so that a class of pages does
   * not come back at the same moment. */
  readonly jitter?: boolean;
}

/** The delays of one series of retries. */
export class Backoff {
  readonly #options: BackoffOptions;
  #delayMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#delayMs = options.minDelayMs;
  }

  /** Returns the milliseconds to wait before the next retry, and doubles them for the one after. */
  next(): number {
    const delay = this.#delayMs;
    this.#delayMs = Math.min(this.#options.maxDelayMs, delay * 2);
    return this.#options.jitter === true ? delay * (1 - Math.random() / 2) : delay;
  }

  /** Begins with the first delay again: the last attempt has succeeded. */
  reset(): void {
    this.#delayMs = this.#options.minDelayMs;
  }
}
