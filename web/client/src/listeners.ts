/** Listeners of named events. */

/**
 * Hands an error of somebody's listener to whoever watches for errors: it is no reason to lose what
 * comes after it.
 */
export function report(error: unknown): void {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else console.error(error);
}

type Listener = (...args: never[]) => unknown;

export class Listeners<Events extends { [K in keyof Events]: Listener }> {
  readonly #listeners = new Map<keyof Events, Set<{ call: Listener }>>();

  /** Calls `listener` from now on; the answer stops that. The same function may be there twice. */
  on<K extends keyof Events>(event: K, listener: Events[K]): () => void {
    const entry = { call: listener };
    const entries = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, entries.add(entry));
    return () => {
      entries.delete(entry);
    };
  }

  emit<K extends keyof Events>(event: K, ...args: Parameters<Events[K]>): void {
    // A copy: whoever is added while an event is told is told of the next one.
    for (const entry of [...(this.#listeners.get(event) ?? [])]) {
      try {
        (entry.call as (...args: unknown[]) => unknown)(...args);
      } catch (error) {
        report(error);
      }
    }
  }
}
