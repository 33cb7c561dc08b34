/**
 * A device's files in memory, with the server's rules about tags, and requests that a test holds
 * up.
 */

import type { FileChange, FileEntry, Files, FolderList } from "further-link";

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly etag: string | null = null,
  ) {
    super(`status ${status}`);
  }
}

interface Stored {
  bytes: Uint8Array;
  tag: number;
}

export class Device implements Files {
  readonly stored = new Map<string, Stored>();
  readonly folders = new Set<string>([""]);
  /** Every write that has begun, in order. */
  readonly writes: { path: string; text: string }[] = [];
  /** Most writes of one file at the same time. */
  overlap = 0;
  offline = false;
  /** The next write arrives, and its answer does not. */
  loseAnswer = false;
  /** Status that every write is refused with; 0 for none. */
  refuse = 0;
  /** Awaited by every request after it was looked at by the device. */
  hold: (request: string, path: string) => Promise<void> = async () => {};

  #tags = 0;
  readonly #writing = new Map<string, number>();
  #listeners: ((change: FileChange) => void)[] = [];

  /** What a program or another page does. */
  put(path: string, text: string | Uint8Array): string {
    this.#tags += 1;
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.stored.set(path, { bytes, tag: this.#tags });
    return `"${this.#tags}"`;
  }

  chmod(path: string): void {
    this.#tags += 1;
    this.stored.get(path)!.tag = this.#tags;
  }

  text(path: string): string | null {
    const file = this.stored.get(path);
    return file === undefined ? null : new TextDecoder("utf-8", { ignoreBOM: true }).decode(file.bytes);
  }

  tell(change: FileChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  async list(folder: string): Promise<FolderList> {
    const list = this.#list(folder);
    await this.#after("list", folder);
    if (list === null) throw new Refused(404);
    return list;
  }

  async read(path: string): Promise<{ bytes: Uint8Array; etag: string | null }> {
    const file = this.stored.get(path);
    const found = file === undefined ? null : { bytes: file.bytes, etag: `"${file.tag}"` };
    await this.#after("read", path);
    if (found === null) throw new Refused(404);
    return found;
  }

  url(path: string): string {
    return `/fs/${path}`;
  }

  async write(
    path: string,
    content: string | Blob | Uint8Array,
    options: Parameters<Files["write"]>[2] = {},
  ): Promise<{ etag: string | null; created: boolean }> {
    const text = typeof content === "string" ? content : content instanceof Blob ? await content.text() : "";
    this.writes.push({ path, text });
    const now = (this.#writing.get(path) ?? 0) + 1;
    this.#writing.set(path, now);
    this.overlap = Math.max(this.overlap, now);
    try {
      await this.#after("begin", path);
      options.signal?.throwIfAborted();
      if (this.refuse > 0) throw new Refused(this.refuse);
      const known = this.stored.get(path);
      const tag = known === undefined ? null : `"${known.tag}"`;
      if (options.ifMatch === null && known !== undefined) throw new Refused(412, tag);
      if (typeof options.ifMatch === "string" && options.ifMatch !== tag) throw new Refused(412, tag);
      const etag = this.put(path, text);
      await this.#after("write", path);
      if (this.loseAnswer) {
        this.loseAnswer = false;
        throw new Refused(0);
      }
      return { etag, created: known === undefined };
    } finally {
      this.#writing.set(path, this.#writing.get(path)! - 1);
    }
  }

  async makeFolder(path: string): Promise<void> {
    await this.#after("makeFolder", path);
    this.folders.add(path);
  }

  async remove(path: string): Promise<void> {
    await this.#after("remove", path);
    this.stored.delete(path);
  }

  async move(from: string, to: string): Promise<void> {
    await this.#after("move", from);
    this.rename(from, to);
  }

  rename(from: string, to: string): void {
    for (const [path, file] of [...this.stored]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.stored.delete(path);
      this.#tags += 1;
      this.stored.set(to + path.slice(from.length), { ...file, tag: this.#tags });
    }
    for (const path of [...this.folders]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.folders.delete(path);
      this.folders.add(to + path.slice(from.length));
    }
  }

  watch(_folder: string, listener: (change: FileChange) => void): () => void {
    this.#listeners.push(listener);
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  async #after(request: string, path: string): Promise<void> {
    if (this.offline) throw new Refused(0);
    await this.hold(request, path);
    if (this.offline) throw new Refused(0);
  }

  #list(folder: string): FolderList | null {
    if (!this.folders.has(folder)) return null;
    const prefix = folder === "" ? "" : `${folder}/`;
    const entry = (path: string, directory: boolean): FileEntry => ({
      name: path.slice(prefix.length),
      directory,
      size: this.stored.get(path)?.bytes.length ?? 0,
      modified: 0,
      etag: null,
      link: null,
      unreadable: false,
    });
    const inside = (path: string) => path !== "" && path.startsWith(prefix) && !path.slice(prefix.length).includes("/");
    const entries = [
      ...[...this.folders].filter((path) => path !== folder && inside(path)).map((path) => entry(path, true)),
      ...[...this.stored.keys()].filter(inside).map((path) => entry(path, false)),
    ];
    return { entries, writable: true, truncated: false, free: 1, root: "/home/ann/further" };
  }
}

/** `localStorage` of a test. */
export class Memory {
  readonly items = new Map<string, string>();

  get length(): number {
    return this.items.size;
  }

  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}

/** A promise that a test keeps or breaks. */
export function gate(): { readonly passed: Promise<void>; open: () => void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}
