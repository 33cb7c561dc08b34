/**
 * When something is done that is asked for again and again: debounce and throttle. Delays of
 * retries are those of `Backoff` in the client library.
 */

/** Runs an action once nobody has asked for it for a while (debounce, trailing edge). */
export class Debounce {
  readonly #action: () => void;
  readonly #delayMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(action: () => void, delayMs: number) {
    this.#action = action;
    this.#delayMs = delayMs;
  }

  /** Asks for the action: the delay begins anew. */
  schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#action, this.#delayMs);
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}

/** Runs an action at most once per interval, at the interval's end (throttle, trailing edge). */
export class Throttle {
  readonly #action: () => void;
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(action: () => void, intervalMs: number) {
    this.#action = action;
    this.#intervalMs = intervalMs;
  }

  /** Asks for the action; does nothing more if it is waiting already. */
  schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#action();
    }, this.#intervalMs);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
