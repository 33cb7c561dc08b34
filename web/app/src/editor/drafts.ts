/** Unsaved text, kept by the browser so that a crash or a closed laptop loses nothing. */

/** Bytes of all drafts together (two for each character): a fifth of what browsers give a page. */
export const DRAFTS_MAX_BYTES = 1024 * 1024;

const DRAFT_STORAGE_PREFIX = "further-link.draft:";

export interface Draft {
  /** The text with its line ends, as it would have been written. */
  readonly raw: string;
  /** ms since 1970 */
  readonly at: number;
}

/** The part of `localStorage` that is used; null where it is switched off. */
export type DraftStorage = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

export class Drafts {
  readonly #storage: DraftStorage | null;

  constructor(storage: DraftStorage | null) {
    this.#storage = storage;
  }

  get(path: string): Draft | null {
    return this.#attempt(null, (storage) => parse(storage.getItem(DRAFT_STORAGE_PREFIX + path)));
  }

  /**
   * Keeps the text; the oldest drafts make room for it. False if there is no room for it at all.
   */
  keep(path: string, raw: string, at: number): boolean {
    return this.#attempt(false, (storage) => {
      const value = JSON.stringify({ raw, at });
      const size = bytes(DRAFT_STORAGE_PREFIX + path, value);
      storage.removeItem(DRAFT_STORAGE_PREFIX + path);
      if (size > DRAFTS_MAX_BYTES) return false;
      const others = this.#all(storage).sort((a, b) => a.at - b.at);
      let total = others.reduce((sum, other) => sum + other.size, size);
      for (const other of others) {
        if (total <= DRAFTS_MAX_BYTES) break;
        storage.removeItem(other.key);
        total -= other.size;
      }
      storage.setItem(DRAFT_STORAGE_PREFIX + path, value);
      return true;
    });
  }

  drop(path: string): void {
    this.#attempt(undefined, (storage) => storage.removeItem(DRAFT_STORAGE_PREFIX + path));
  }

  /** The paths that have a draft. */
  paths(): string[] {
    return this.#attempt([], (storage) => this.#all(storage).map(({ key }) => key.slice(DRAFT_STORAGE_PREFIX.length)));
  }

  #all(storage: DraftStorage): { key: string; size: number; at: number }[] {
    const keys: string[] = [];
    for (let index = 0; index < storage.length; index += 1) {
      const key = storage.key(index);
      if (key?.startsWith(DRAFT_STORAGE_PREFIX)) keys.push(key);
    }
    const found: { key: string; size: number; at: number }[] = [];
    for (const key of keys) {
      const value = storage.getItem(key) ?? "";
      const draft = parse(value);
      // What is no draft can only be in the way.
      if (draft === null) storage.removeItem(key);
      else found.push({ key, size: bytes(key, value), at: draft.at });
    }
    return found;
  }

  /** Storage may be switched off, full, or taken away at any time. */
  #attempt<T>(otherwise: T, action: (storage: DraftStorage) => T): T {
    if (this.#storage === null) return otherwise;
    try {
      return action(this.#storage);
    } catch {
      return otherwise;
    }
  }
}

function bytes(key: string, value: string): number {
  return 2 * (key.length + value.length);
}

function parse(value: string | null): Draft | null {
  if (value === null) return null;
  try {
    const { raw, at } = JSON.parse(value) as Record<string, unknown>;
    return typeof raw === "string" && typeof at === "number" ? { raw, at } : null;
  } catch {
    return null;
  }
}
