/** Bringing files from this computer to the device. */

import { signal } from "@preact/signals";
import type { Files } from "further-link";
import type { Parcel, Upload } from "./dropped-files";
import { freeName, join, nameOf, parentOf } from "./names";

/**
 * Files on their way at the same time: hides the waiting for answers, and leaves the device room
 * for others.
 */
const CONCURRENT_UPLOADS_MAX = 3;

/** What shall happen with a file whose name is taken. */
export type Choice = "replace" | "both" | "skip";

export interface Answer {
  readonly choice: Choice;
  readonly forAll: boolean;
}

interface Progress {
  /** Files that have arrived or were left out. */
  readonly done: number;
  readonly count: number;
  /** From 0 to 1, of all bytes. */
  readonly share: number;
  /** The file that was begun last. */
  readonly name: string;
}

interface Failure {
  readonly path: string;
  readonly error: unknown;
}

export interface Result {
  readonly uploaded: number;
  readonly failures: readonly Failure[];
  readonly stopped: boolean;
}

/**
 * One upload. `ask` is called for one file at a time; null means that nothing more shall be
 * uploaded.
 */
export class Uploading {
  readonly progress = signal<Progress | null>(null);

  readonly #abort = new AbortController();
  readonly #names = new Map<string, Promise<Set<string>>>();
  #asking: Promise<unknown> = Promise.resolve();
  #forAll: Choice | null = null;
  #done = 0;
  #name = "";
  #arrived = 0;
  readonly #onWay = new Map<Upload, number>();
  #totalBytes = 0;
  #count = 0;

  constructor(
    readonly files: Files,
    readonly ask: (name: string, folder: string) => Promise<Answer | null>,
  ) {}

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  stop(): void {
    this.#abort.abort();
  }

  async run(parcel: Parcel, folder: string): Promise<Result> {
    this.#count = parcel.files.length;
    this.#totalBytes = parcel.files.reduce((sum, { file }) => sum + file.size, 0);
    const failures: Failure[] = [];
    let uploaded = 0;
    const broken: string[] = [];
    for (const path of parcel.folders) {
      if (this.signal.aborted) break;
      // What is in a folder that could not be made cannot be uploaded either, and is not told one
      // by one.
      if (broken.some((other) => path.startsWith(`${other}/`))) continue;
      try {
        await this.files.makeFolder(join(folder, path));
      } catch (error) {
        failures.push({ path, error });
        broken.push(path);
      }
    }
    const waiting = parcel.files.filter(({ path }) => !broken.some((other) => path.startsWith(`${other}/`)));
    let next = 0;
    const worker = async () => {
      for (let upload = waiting[next++]; upload !== undefined; upload = waiting[next++]) {
        if (this.signal.aborted) return;
        try {
          if (await this.#one(upload, folder)) uploaded += 1;
        } catch (error) {
          if (this.signal.aborted) return;
          failures.push({ path: upload.path, error });
        }
        this.#done += 1;
        this.#arrived += upload.file.size;
        this.#onWay.delete(upload);
        this.#tell();
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT_UPLOADS_MAX }, worker));
    this.progress.value = null;
    return { uploaded, failures, stopped: this.signal.aborted };
  }

  /** False if it was left out. */
  async #one(upload: Upload, folder: string): Promise<boolean> {
    const wanted = join(folder, upload.path);
    const parent = parentOf(wanted);
    const names = await this.#namesIn(parent);
    let name = nameOf(wanted);
    let replace = false;
    this.#name = name;
    this.#tell();
    for (;;) {
      if (names.has(name) && !replace) {
        const choice = await this.#choose(name, parent);
        if (choice === "skip") return false;
        if (choice === "replace") replace = true;
        else name = freeName(name, (other) => names.has(other));
      }
      // At once, so that another file of this upload does not get the same.
      names.add(name);
      try {
        await this.files.write(join(parent, name), upload.file, {
          ...(replace ? {} : { ifMatch: null }),
          parents: true,
          modified: upload.file.lastModified,
          signal: this.signal,
          onProgress: (sent, total) => {
            this.#onWay.set(upload, total > 0 ? (sent / total) * upload.file.size : 0);
            this.#tell();
          },
        });
        return true;
      } catch (error) {
        // Somebody has just made one of that name.
        if ((error as { status?: unknown }).status !== 412 || replace) throw error;
      }
    }
  }

  /** Asks for one file after the other; the answer may be for all. */
  #choose(name: string, folder: string): Promise<Choice> {
    const turn = this.#asking.then(async () => {
      this.signal.throwIfAborted();
      if (this.#forAll !== null) return this.#forAll;
      const answer = await this.ask(name, folder);
      if (answer === null) {
        this.stop();
        this.signal.throwIfAborted();
      }
      if (answer!.forAll) this.#forAll = answer!.choice;
      return answer!.choice;
    });
    this.#asking = turn.catch(() => {});
    return turn;
  }

  #namesIn(folder: string): Promise<Set<string>> {
    let names = this.#names.get(folder);
    if (names === undefined) {
      names = this.files.list(folder).then(
        ({ entries }) => new Set(entries.map(({ name }) => name)),
        (error: unknown) => {
          if ((error as { status?: unknown }).status === 404) return new Set<string>();
          throw error;
        },
      );
      this.#names.set(folder, names);
    }
    return names;
  }

  #tell(): void {
    let bytes = this.#arrived;
    for (const sent of this.#onWay.values()) bytes += sent;
    this.progress.value = {
      done: this.#done,
      count: this.#count,
      share: this.#totalBytes > 0 ? Math.min(1, bytes / this.#totalBytes) : this.#done / Math.max(1, this.#count),
      name: this.#name,
    };
  }
}
