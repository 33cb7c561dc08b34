/** The files that are open, in the order of their tabs, and which of them is in front. */

import { computed, signal } from "@preact/signals";
import type { FileChange, Files } from "further-link";
import { isWithin } from "../files/names";
import { OpenDocument, type Place } from "./document";
import { type DraftStorage, Drafts } from "./drafts";

/** Tabs that come back at the next visit: more are hardly meant, and each is a request. */
const RESTORED_TABS_MAX = 30;

const TABS_STORAGE_KEY = "further-link.tabs";

/** There is no file of that name. */
export class NoSuchFile extends Error {
  constructor(readonly path: string) {
    super(`no such file: ${path}`);
  }
}

export class Documents {
  readonly list = signal<readonly OpenDocument[]>([]);
  readonly active = signal<OpenDocument | null>(null);
  readonly drafts: Drafts;
  readonly unsaved = computed(() => this.list.value.some((document) => document.unsaved.value));

  constructor(
    readonly files: Files,
    readonly storage: DraftStorage | null,
  ) {
    this.drafts = new Drafts(storage);
  }

  find(path: string): OpenDocument | undefined {
    return this.list.value.find((document) => document.path.value === path);
  }

  /**
   * Rejects with {@link NoSuchFile}, or with what the device says; a tab stays only in the second
   * case.
   */
  async open(path: string, place: Place | null = null): Promise<OpenDocument> {
    const before = this.active.value;
    const known = this.find(path);
    const document = known ?? new OpenDocument(path, this.files, this.drafts);
    document.place.value = place;
    this.active.value = document;
    if (known !== undefined) {
      this.#remember();
      return document;
    }
    const at = before === null ? -1 : this.list.value.indexOf(before);
    this.list.value = [...this.list.value.slice(0, at + 1), document, ...this.list.value.slice(at + 1)];
    if (!(await document.load())) {
      this.#remove(document, true);
      if (this.active.value === null && before !== null) this.show(before);
      throw new NoSuchFile(path);
    }
    this.#remember();
    return document;
  }

  show(document: OpenDocument): void {
    this.active.value = document;
    this.#remember();
  }

  /** Closes a tab. What is unsaved is lost if `forget`, else it is kept as a draft. */
  close(document: OpenDocument, forget: boolean): void {
    this.#remove(document, forget);
    this.#remember();
  }

  /**
   * Opens the tabs of the last visit, and what has a draft. Files that are not there any more are
   * left out.
   */
  async restore(): Promise<void> {
    const { paths, active } = this.#stored();
    for (const path of this.drafts.paths()) if (!paths.includes(path)) paths.push(path);
    const opened = paths.slice(0, RESTORED_TABS_MAX).filter((path) => this.find(path) === undefined);
    const documents = opened.map((path) => new OpenDocument(path, this.files, this.drafts));
    this.list.value = [...documents, ...this.list.value];
    this.active.value ??= documents.find((document) => document.path.value === active) ?? documents[0] ?? null;
    // The one in front first; the others one after the other, as the device is small.
    const order = [...documents].sort((a, b) => Number(b === this.active.value) - Number(a === this.active.value));
    for (const document of order) {
      // One that cannot be read now stays, and says why.
      const there = await document.load().catch(() => true);
      if (!there) this.#remove(document, true);
    }
    this.#remember();
  }

  /**
   * Writes all that is unsaved. Files that were deleted are not made again, but for the one in
   * front. Rejects with the first `NotSaved`.
   */
  async saveAll(): Promise<void> {
    const results = await Promise.allSettled(
      this.list.value
        .filter((document) => document.unsaved.value)
        .filter((document) => document === this.active.value || !document.deleted)
        .map((document) => document.save({ again: document === this.active.value })),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /**
   * {@link saveAll} when nobody waits for it: the page loses the focus, or the connection is back.
   */
  saveQuietly(): void {
    for (const document of this.list.value) document.saveQuietly();
  }

  /**
   * The page may be gone in a moment: saves, and lets the browser keep what may not arrive any
   * more.
   */
  leave(): void {
    for (const document of this.list.value) {
      document.keepDraft();
      document.saveQuietly();
    }
  }

  /** The device is there again. */
  connected(): void {
    for (const document of this.list.value) {
      if (document.view.value === "failed") document.check();
      else document.saveQuietly();
    }
  }

  /** Writes what is unsaved below a path, before something is done with it. */
  async settle(path: string): Promise<void> {
    await Promise.allSettled(
      this.list.value
        .filter((document) => isWithin(document.path.value, path) && document.unsaved.value && !document.deleted)
        .map((document) => document.save()),
    );
  }

  /** Something was moved, by this page or by others. */
  moved(from: string, to: string): void {
    for (const document of this.list.value) {
      const path = document.path.value;
      if (!isWithin(path, from)) continue;
      const target = this.find(to + path.slice(from.length));
      if (target !== undefined && target !== document) {
        // Its file was replaced by this one.
        if (!target.unsaved.value) this.close(target, false);
        else {
          target.check();
          this.close(document, !document.unsaved.value);
          continue;
        }
      }
      document.moved(from, to);
    }
    this.#remember();
  }

  changed(change: FileChange): void {
    switch (change.kind) {
      case "created":
      case "changed":
        if (change.directory) this.#checkWithin(change.path);
        else this.find(change.path)?.check(change.etag);
        break;
      case "deleted":
        for (const document of this.list.value) {
          if (isWithin(document.path.value, change.path)) document.wasDeleted();
        }
        break;
      case "moved":
        this.moved(change.from, change.path);
        this.find(change.path)?.check(change.etag);
        break;
      default:
        this.#checkWithin("");
        this.saveQuietly();
    }
  }

  #checkWithin(folder: string): void {
    for (const document of this.list.value) if (isWithin(document.path.value, folder)) document.check();
  }

  #remove(document: OpenDocument, forget: boolean): void {
    const index = this.list.value.indexOf(document);
    if (index < 0) return;
    this.list.value = this.list.value.filter((other) => other !== document);
    if (this.active.value === document) {
      this.active.value = this.list.value[index] ?? this.list.value[index - 1] ?? null;
    }
    document.dispose(forget);
  }

  #remember(): void {
    const paths = this.list.value.slice(0, RESTORED_TABS_MAX).map((document) => document.path.value);
    try {
      this.storage?.setItem(TABS_STORAGE_KEY, JSON.stringify({ paths, active: this.active.value?.path.value ?? null }));
    } catch {
      // Storage is full or switched off: the next visit then begins without tabs.
    }
  }

  #stored(): { paths: string[]; active: unknown } {
    try {
      const { paths, active } = JSON.parse(this.storage?.getItem(TABS_STORAGE_KEY) ?? "{}") as Record<string, unknown>;
      const texts = Array.isArray(paths) ? paths.filter((path): path is string => typeof path === "string") : [];
      return { paths: [...new Set(texts)], active };
    } catch {
      return { paths: [], active: null };
    }
  }
}
