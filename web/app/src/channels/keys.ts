/**
 * The keys that a program wants, and which of them are down. A key may be held by several things at
 * once (two fingers, a finger and the keyboard): it goes down with the first and up with the last,
 * so that none stays down.
 */

import { signal } from "@preact/signals";

/** Keys that are shown. More do not fit on a screen; a program has a handful. */
export const WANTED_KEYS_MAX = 64;

/** Characters of a key's name, as the server takes them. */
export const KEY_NAME_MAX_CHARS = 256;

type SendKey = (key: string, event: "keydown" | "keyup") => void;

export class Keys {
  readonly #send: SendKey;
  /** Each key that is down, with who holds it. */
  readonly #held = new Map<string, Set<string>>();
  readonly #wanted = signal<readonly string[]>([]);
  readonly #down = signal<ReadonlySet<string>>(new Set());
  readonly #enabled = signal(true);

  constructor(send: SendKey) {
    this.#send = send;
  }

  /** In the order in which the program has asked for them. */
  get wanted(): readonly string[] {
    return this.#wanted.value;
  }

  get down(): ReadonlySet<string> {
    return this.#down.value;
  }

  /** False as soon as the program is over. */
  get enabled(): boolean {
    return this.#enabled.value;
  }

  want(key: string): void {
    if (key === "" || key.length > KEY_NAME_MAX_CHARS || this.#wanted.value.includes(key)) return;
    if (this.#wanted.value.length >= WANTED_KEYS_MAX) return;
    this.#wanted.value = [...this.#wanted.value, key];
  }

  /**
   * What the program calls the key that a keyboard tells of; null if it does not want it. With
   * Shift or Caps Lock a letter has another name, and the program means the key.
   */
  nameOf(key: string): string | null {
    const wanted = this.#wanted.value;
    if (wanted.includes(key)) return key;
    if ([...key].length !== 1) return null;
    return wanted.find((other) => other.toLowerCase() === key.toLowerCase()) ?? null;
  }

  /**
   * `holder` names what holds it: a pointer or a key of the keyboard, which holds one key at a
   * time.
   */
  press(key: string, holder: string): void {
    if (!this.#enabled.peek() || !this.#wanted.peek().includes(key)) return;
    const holders = this.#held.get(key);
    if (holders?.has(holder)) return;
    this.release(holder);
    const now = this.#held.get(key);
    if (now !== undefined) {
      now.add(holder);
      return;
    }
    this.#held.set(key, new Set([holder]));
    this.#tell(key, "keydown");
  }

  release(holder: string): void {
    for (const [key, holders] of this.#held) {
      if (!holders.delete(holder) || holders.size > 0) continue;
      this.#held.delete(key);
      this.#tell(key, "keyup");
    }
  }

  /** Lets go of what is held by those whose names begin so: "" is all of them. */
  releaseAll(prefix = ""): void {
    const holders = new Set([...this.#held.values()].flatMap((names) => [...names]));
    for (const holder of holders) if (holder.startsWith(prefix)) this.release(holder);
  }

  /** The program is over: nobody is left to be told. */
  end(): void {
    this.#held.clear();
    this.#down.value = new Set();
    this.#enabled.value = false;
  }

  #tell(key: string, event: "keydown" | "keyup"): void {
    this.#down.value = new Set(this.#held.keys());
    this.#send(key, event);
  }
}
