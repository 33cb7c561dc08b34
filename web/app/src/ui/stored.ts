/**
 * Signals that the browser remembers. Storage may be switched off or full: then they last as long
 * as the page.
 */

import { effect, type Signal, signal } from "@preact/signals";

const STORAGE_PREFIX = "further-link.";

/** A signal with the value of the last visit, or `initial` if there is none that `fits`. */
export function stored<T>(name: string, initial: T, fits: (value: unknown) => value is T): Signal<T> {
  let value = initial;
  try {
    const found: unknown = JSON.parse(localStorage.getItem(STORAGE_PREFIX + name) ?? "null");
    if (fits(found)) value = found;
  } catch {
    // As if there had been no last visit.
  }
  const result = signal(value);
  effect(() => {
    const text = JSON.stringify(result.value);
    try {
      localStorage.setItem(STORAGE_PREFIX + name, text);
    } catch {
      // See above.
    }
  });
  return result;
}

export const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

export function isNumberBetween(low: number, high: number) {
  return (value: unknown): value is number => typeof value === "number" && value >= low && value <= high;
}

export function isOneOf<T extends string>(...words: readonly T[]) {
  return (value: unknown): value is T => (words as readonly unknown[]).includes(value);
}
