/** A file that is open: its text, what the device has of it, and how the one becomes the other.
 *
 * All requests about a file go through one queue, so that two writes of it never overlap, and no
 * answer is overtaken by a later one. What is on the device is only ever replaced if it is what
 * this page has last seen there (`ifMatch`). */

import { Text } from "@codemirror/state";
import { computed, type Signal, signal } from "@preact/signals";
import { Backoff, type Files } from "further-link";
import { isWithin, nameOf, parentOf } from "../files/names";
import { Debounce, Throttle } from "../ui/debounce";
import {
  type Content,
  decode,
  type Format,
  formatOf,
  isImage,
  plain,
  TEXT_MAX_BYTES,
  toDocument,
  toRaw,
} from "./content";
import type { Draft, Drafts } from "./drafts";

/**
 * ms from the last change until the text is saved by itself: a pause in typing, and less than one
 * waits for.
 */
export const AUTOSAVE_DELAY_MS = 1000;
/** ms from a change until the browser keeps the text, at most. */
const DRAFT_SAVE_INTERVAL_MS = 400;
/** Delays of saving again after an error that may pass. */
const SAVE_BACKOFF = { minDelayMs: 5_000, maxDelayMs: 60_000 };
/**
 * How often a write is tried when only the file's tag has changed (a program that changes its mode
 * all the time).
 */
const WRITE_MAX_ATTEMPTS = 5;
/**
 * Texts of writes without an answer that are remembered; older ones have been overwritten by then.
 */
const UNANSWERED_WRITES_MAX = 3;
/**
 * ms that the device has for an answer. A connection that is dead without having been closed would
 * hold up everything about the file for minutes; 2 MiB take as long over the slowest link that is
 * of use.
 */
const ANSWER_TIMEOUT_MS = 30_000;
/** ms between two looks at a file that a program keeps changing. */
const CHECK_INTERVAL_MS = 300;

type View = "loading" | "text" | "foreign" | "image" | "binary" | "large" | "failed";

export type Problem =
  /** Somebody else has written the file while there was unsaved text here. */
  | { readonly kind: "changed"; readonly theirs: string; readonly etag: string | null }
  /** The same, but what is there now is no text. */
  | { readonly kind: "replaced" }
  | { readonly kind: "deleted" }
  /** `status` is HTTP's; null if the device did not answer. */
  | { readonly kind: "failed"; readonly status: number | null; readonly message: string };

/** Why a text is still unsaved; `problem` is what the editor shows. */
export class NotSaved extends Error {
  constructor(
    readonly path: string,
    readonly problem: Problem,
  ) {
    super(`${path}: ${problem.kind}`);
  }
}

export interface Place {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column?: number;
  /** Not because there is an error, but to go on there. */
  readonly begin?: true;
}

/** The status of a `FilesError`; null if there was no answer. */
function statusOf(error: unknown): number | null {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === "number" && status > 0 ? status : null;
}

/** What an error says, for people who want to know more. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Errors of the request itself do not pass by waiting; a lost connection, a full disk or a busy
 * device may.
 */
function isTransient(status: number | null): boolean {
  return status === null || status >= 500 || status === 408 || status === 409 || status === 429;
}

/**
 * What `request` brings, or an error after {@link ANSWER_TIMEOUT_MS}, with which `signal` is
 * aborted.
 */
async function withTimeout<T>(request: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      abort.abort();
      reject(new Error("no answer"));
    }, ANSWER_TIMEOUT_MS);
  });
  try {
    return await Promise.race([request(abort.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

export class OpenDocument {
  readonly path: Signal<string>;
  readonly view = signal<View>("loading");
  readonly saving = signal(false);
  readonly problem = signal<Problem | null>(null);
  /** Text that was unsaved when the page was last left, for the person to decide about. */
  readonly offer = signal<Draft | null>(null);
  /**
   * Counts what came from outside: the editor then takes over `content`, a picture is loaded again.
   */
  readonly revision = signal(0);
  /** Where the editor is to go as soon as it shows the file. */
  readonly place = signal<Place | null>(null);

  readonly #dirty = signal(false);
  readonly #gone = signal(false);
  /** Whether the text, as it is in the editor, is not on the device. */
  readonly unsaved = computed(() => this.view.value === "text" && (this.#dirty.value || this.#gone.value));

  #content: Text = Text.empty;
  #format: Format = plain;
  /** What the device has, as far as this page knows. */
  #base = "";
  #baseContent: Text = Text.empty;
  #etag: string | null = null;
  /** What writes without an answer have sent: it may have arrived. */
  #unanswered: string[] = [];

  #queue: Promise<unknown> = Promise.resolve();
  #nextSave: Promise<void> | null = null;
  #nextCheck: Promise<void> | null = null;
  #again = false;
  #told: string | null = null;
  /** The device has said what there is to know since a look was asked for. */
  #needless = false;
  #lastCheck = 0;
  readonly #autosave = new Debounce(() => this.saveQuietly(), AUTOSAVE_DELAY_MS);
  /**
   * The browser's draft is of this document, and not of another page with the same file, which
   * still needs it.
   */
  #hasDraft = false;
  readonly #draftSave = new Throttle(() => this.keepDraft(), DRAFT_SAVE_INTERVAL_MS);
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #saveBackoff = new Backoff(SAVE_BACKOFF);
  #disposed = false;

  constructor(
    path: string,
    readonly files: Files,
    readonly drafts: Drafts,
  ) {
    this.path = signal(path);
  }

  get content(): Text {
    return this.#content;
  }

  get format(): Format {
    return this.#format;
  }

  get deleted(): boolean {
    return this.#gone.value;
  }

  /**
   * Reads the file for the first time. False if there is none (and no draft of one). Throws what
   * the device says.
   */
  async load(): Promise<boolean> {
    return this.#enqueue(async () => {
      const path = this.path.value;
      this.view.value = "loading";
      try {
        const entry = await this.#entry(path);
        const draft = this.drafts.get(path);
        this.#hasDraft = draft !== null;
        if (entry === "none") {
          if (draft === null) return false;
          this.#take(draft.raw, null);
          this.#gone.value = true;
          this.problem.value = { kind: "deleted" };
          this.view.value = "text";
          return true;
        }
        if (isImage(nameOf(path))) {
          this.view.value = "image";
          return true;
        }
        if (entry !== null && entry.size > TEXT_MAX_BYTES) {
          this.view.value = "large";
          return true;
        }
        const { bytes, etag } = await withTimeout(() => this.files.read(path));
        const content = decode(bytes);
        // Before the text is taken, which drops a draft that nobody has to decide about.
        if (content.kind === "text" && draft !== null && draft.raw !== content.raw) this.offer.value = draft;
        this.#show(content, etag);
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return false;
        this.view.value = "failed";
        this.problem.value = { kind: "failed", status: statusOf(error), message: errorMessage(error) };
        throw error;
      }
    });
  }

  /** The editor's text has changed. */
  edited(content: Text): void {
    if (this.view.value !== "text" || this.#disposed) return;
    this.#content = content;
    this.#dirty.value = !content.eq(this.#baseContent);
    if (!this.unsaved.value) {
      this.#forgetTimers();
      this.#dropDraft();
      return;
    }
    this.#draftSave.schedule();
    if (this.problem.value !== null && this.problem.value.kind !== "failed") return;
    this.#autosave.schedule();
  }

  /**
   * Writes what is unsaved. A file that was deleted is made again only with `again`. Rejects with
   * {@link NotSaved}.
   */
  save(options: { readonly again?: boolean } = {}): Promise<void> {
    this.#autosave.cancel();
    clearTimeout(this.#retryTimer);
    this.#again ||= options.again === true;
    // A save that waits in the queue takes the text as it is when its turn has come.
    this.#nextSave ??= this.#enqueue(async () => {
      this.#nextSave = null;
      const again = this.#again;
      this.#again = false;
      try {
        await this.#write(again);
      } finally {
        this.saving.value = false;
      }
    });
    return this.#nextSave;
  }

  /** {@link save} for timers and events: why it failed is in `problem`. */
  saveQuietly(): void {
    if (!this.unsaved.value || this.#disposed) return;
    const kind = this.problem.value?.kind;
    if (kind !== undefined && kind !== "failed") return;
    this.save().catch(() => {});
  }

  /**
   * The device may have something else now. `etag` is what it said of it: then nothing is read if
   * that is known.
   */
  check(etag: string | null = null): Promise<void> {
    if (this.#disposed) return Promise.resolve();
    if (this.view.value === "failed") {
      return this.load().then(
        () => {},
        () => {},
      );
    }
    this.#needless = false;
    // Two different tags, one of them perhaps that of an own write: only looking tells.
    if (this.#nextCheck === null) this.#told = etag;
    else if (this.#told !== etag) this.#told = null;
    this.#nextCheck ??= this.#wait().then(() =>
      this.#enqueue(async () => {
        this.#nextCheck = null;
        this.#lastCheck = Date.now();
        if (this.#needless) return;
        if (this.#told !== null && this.#told === this.#etag && !this.#gone.value) return;
        await this.#look();
      }),
    );
    return this.#nextCheck;
  }

  /** The device has told that the file is gone. If it is there again, it tells that as well. */
  wasDeleted(): Promise<void> {
    this.#needless = true;
    return this.#enqueue(async () => {
      if (this.view.value === "loading" || this.view.value === "failed") return;
      this.#gone.value = true;
      this.problem.value = { kind: "deleted" };
      this.keepDraft();
    });
  }

  /** The file has another name now, and with it another tag. */
  moved(from: string, to: string): void {
    const path = this.path.value;
    if (!isWithin(path, from)) return;
    const draft = this.drafts.get(path);
    this.drafts.drop(path);
    this.path.value = to + path.slice(from.length);
    if (draft !== null) this.drafts.keep(this.path.value, draft.raw, draft.at);
    this.check();
  }

  /** In a conflict: what is here replaces what is there. */
  keepMine(): Promise<void> {
    const problem = this.problem.value;
    if (problem?.kind === "changed") {
      this.#base = problem.theirs;
      this.#baseContent = toDocument(problem.theirs, formatOf(problem.theirs));
      this.#etag = problem.etag;
      this.problem.value = null;
      this.#dirty.value = true;
    }
    return this.save({ again: true });
  }

  /** In a conflict: what is there replaces what is here (which can be undone in the editor). */
  takeTheirs(): void {
    const problem = this.problem.value;
    if (problem?.kind !== "changed") return;
    this.#take(problem.theirs, problem.etag);
  }

  restoreDraft(): void {
    const draft = this.offer.value;
    this.offer.value = null;
    if (draft === null || this.view.value !== "text") return;
    this.#format = formatOf(draft.raw);
    this.#content = toDocument(draft.raw, this.#format);
    this.#dirty.value = !this.#content.eq(this.#baseContent);
    this.revision.value += 1;
    this.edited(this.#content);
  }

  discardDraft(): void {
    this.offer.value = null;
    this.#dropDraft();
    if (this.unsaved.value) this.keepDraft();
  }

  /**
   * Lets the browser keep what is unsaved. An older draft that is still being decided about is kept
   * instead.
   */
  keepDraft(): void {
    this.#draftSave.cancel();
    if (!this.unsaved.value || this.offer.value !== null || this.#disposed) return;
    this.#hasDraft = this.drafts.keep(this.path.value, toRaw(this.#content, this.#format), Date.now());
  }

  /** The tab is closed. With `forget`, what is unsaved is not offered again. */
  dispose(forget: boolean): void {
    if (!forget) this.keepDraft();
    else if (this.#hasDraft) this.drafts.drop(this.path.value);
    this.#disposed = true;
    this.#forgetTimers();
  }

  async #write(again: boolean): Promise<void> {
    for (let attempt = 0; attempt < WRITE_MAX_ATTEMPTS; attempt += 1) {
      if (!this.unsaved.value) return;
      const problem = this.problem.value;
      if (problem?.kind === "changed" || problem?.kind === "replaced") throw this.#notSaved(problem);
      if (this.#gone.value && !again) throw this.#notSaved({ kind: "deleted" });
      const path = this.path.value;
      const content = this.#content;
      const raw = toRaw(content, this.#format);
      const gone = this.#gone.value;
      const condition = gone ? { ifMatch: null, parents: true } : this.#etag === null ? {} : { ifMatch: this.#etag };
      this.saving.value = true;
      try {
        const { etag } = await withTimeout((signal) => this.files.write(path, raw, { ...condition, signal }));
        if (this.path.value !== path) {
          // It was renamed meanwhile: whether the text went along or stayed behind is to be seen.
          this.check();
        }
        this.#settle(raw, content, etag);
        return;
      } catch (error) {
        if (this.path.value !== path) continue;
        const status = statusOf(error);
        if (status !== 412 && status !== 404) {
          if (status === null || status >= 500)
            this.#unanswered = [...this.#unanswered, raw].slice(-UNANSWERED_WRITES_MAX);
          throw this.#failed(error);
        }
      }
      // Something else is there, or nothing, or the same under another tag.
      try {
        await this.#compare(again);
      } catch (error) {
        throw error instanceof NotSaved ? error : this.#failed(error);
      }
    }
    if (this.unsaved.value) throw this.#notSaved({ kind: "failed", status: 412, message: "" });
  }

  /**
   * After a write that was refused: finds out why, and makes the next attempt possible or rejects.
   */
  async #compare(again: boolean): Promise<void> {
    const path = this.path.value;
    const now = await this.#read(path);
    if (this.path.value !== path) return;
    if (now === null) {
      this.#gone.value = true;
      if (!again) throw this.#notSaved({ kind: "deleted" });
      return;
    }
    const { content, etag } = now;
    if (content.kind !== "text") throw this.#notSaved({ kind: "replaced" });
    this.#gone.value = false;
    if (content.raw === this.#base) {
      this.#etag = etag;
    } else if (this.#unanswered.includes(content.raw) || content.raw === toRaw(this.#content, this.#format)) {
      // An earlier write has arrived whose answer has not.
      this.#settle(content.raw, toDocument(content.raw, formatOf(content.raw)), etag);
    } else {
      throw this.#notSaved({ kind: "changed", theirs: content.raw, etag });
    }
  }

  async #look(): Promise<void> {
    const view = this.view.value;
    const path = this.path.value;
    try {
      if (view !== "text" && view !== "foreign") {
        const entry = await this.#entry(path);
        this.#gone.value = entry === "none";
        this.problem.value = entry === "none" ? { kind: "deleted" } : null;
        this.revision.value += 1;
        return;
      }
      const now = await this.#read(path);
      if (this.path.value !== path) return;
      if (now === null) {
        this.#gone.value = true;
        this.problem.value = { kind: "deleted" };
        return;
      }
      const { content, etag } = now;
      if (content.kind !== "text") {
        if (this.unsaved.value) this.problem.value = { kind: "replaced" };
        else this.#show(content, etag);
        return;
      }
      const mine = toRaw(this.#content, this.#format);
      const kept = content.raw === this.#base;
      this.#gone.value = false;
      if (kept || content.raw === mine || this.#unanswered.includes(content.raw)) {
        this.#etag = etag;
        if (!kept) this.#settle(content.raw, toDocument(content.raw, formatOf(content.raw)), etag);
        if (this.problem.value?.kind !== "failed") this.problem.value = null;
        if (this.#dirty.value) this.saveQuietly();
      } else if (!this.#dirty.value) {
        this.#show(content, etag);
      } else {
        this.problem.value = { kind: "changed", theirs: content.raw, etag };
      }
    } catch {
      // The device does not answer; when it is back it says that something was missed, and this is
      // done again.
    }
  }

  /** The device has this text now, which was the editor's at some time. */
  #settle(raw: string, content: Text, etag: string | null): void {
    this.#base = raw;
    this.#baseContent = content;
    this.#etag = etag;
    this.#unanswered = [];
    this.#gone.value = false;
    this.#dirty.value = !this.#content.eq(content);
    this.problem.value = null;
    this.#saveBackoff.reset();
    if (!this.#dirty.value) this.#dropDraft();
  }

  #show(content: Content, etag: string | null): void {
    switch (content.kind) {
      case "text":
      case "foreign":
        this.#take(content.raw, etag);
        this.view.value = content.kind;
        break;
      default:
        this.view.value = content.kind;
        this.problem.value = null;
    }
  }

  /** The text from the device becomes the editor's. */
  #take(raw: string, etag: string | null): void {
    this.#format = formatOf(raw);
    this.#content = toDocument(raw, this.#format);
    this.#settle(raw, this.#content, etag);
    this.revision.value += 1;
  }

  async #read(path: string): Promise<{ content: Content; etag: string | null } | null> {
    try {
      const entry = await this.#entry(path);
      if (entry === "none") return null;
      if (entry !== null && entry.size > TEXT_MAX_BYTES) return { content: { kind: "large" }, etag: entry.etag };
      const { bytes, etag } = await withTimeout(() => this.files.read(path));
      return { content: decode(bytes), etag };
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  /**
   * What the folder's list says of the file, so that nothing large is read; null if the list was
   * too long to say.
   */
  async #entry(path: string): Promise<{ size: number; etag: string | null } | null | "none"> {
    try {
      const { entries, truncated } = await withTimeout(() => this.files.list(parentOf(path)));
      const name = nameOf(path);
      const entry = entries.find((other) => other.name === name && !other.directory);
      return entry ?? (truncated ? null : "none");
    } catch (error) {
      if (statusOf(error) === 404) return "none";
      throw error;
    }
  }

  #failed(error: unknown): NotSaved {
    const status = statusOf(error);
    if (isTransient(status) && !this.#disposed) {
      clearTimeout(this.#retryTimer);
      this.#retryTimer = setTimeout(() => this.saveQuietly(), this.#saveBackoff.next());
    }
    return this.#notSaved({ kind: "failed", status, message: errorMessage(error) });
  }

  #notSaved(problem: Problem): NotSaved {
    this.problem.value = problem;
    this.keepDraft();
    return new NotSaved(this.path.value, problem);
  }

  #dropDraft(): void {
    this.#draftSave.cancel();
    if (this.offer.value !== null || !this.#hasDraft) return;
    this.#hasDraft = false;
    this.drafts.drop(this.path.value);
  }

  #forgetTimers(): void {
    this.#autosave.cancel();
    this.#draftSave.cancel();
    clearTimeout(this.#retryTimer);
  }

  #wait(): Promise<void> {
    const rest = this.#lastCheck + CHECK_INTERVAL_MS - Date.now();
    return rest > 0 ? new Promise((resolve) => setTimeout(resolve, rest)) : Promise.resolve();
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return result;
  }
}
