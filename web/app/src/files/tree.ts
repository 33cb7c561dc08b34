/** The files of the device, as far as folders have been opened: what the tree shows.
 *
 * Lists and changes arrive independently of each other. A change that comes while its folder is
 * being listed is put on top of the list when that arrives: whatever the list shows already, the
 * last change of a name is right. */

import { computed, type Signal, signal } from "@preact/signals";
import type { FileChange, FileEntry, Files } from "further-link";
import { afterMove, inOrder, isHidden, isWithin, join, nameOf, parentOf } from "./names";

/** Changes that are kept while a folder is listed; after more it is listed again. */
const PENDING_CHANGES_MAX = 1000;

export interface Row {
  readonly path: string;
  readonly name: string;
  readonly directory: boolean;
  /** From 1. */
  readonly level: number;
  /** From 1, among those of its folder. */
  readonly position: number;
  /** How many there are in its folder. */
  readonly siblings: number;
  readonly expanded: boolean;
  readonly loading: boolean;
  readonly unreadable: boolean;
  readonly link: string | null;
}

export interface Node {
  readonly name: string;
  readonly directory: boolean;
  readonly link: string | null;
  readonly unreadable: boolean;
}

interface Folder {
  /** By name. */
  nodes: Map<string, Node>;
  /** `nodes` in the order of the tree; null if that is to be found again. */
  sorted: readonly Node[] | null;
  loaded: boolean;
  truncated: boolean;
  error: unknown;
  /** The list that is on its way; `again` if another one is needed after it. */
  listing: { promise: Promise<void>; changes: FileChange[]; again: boolean } | null;
}

const UNKNOWN_NODE: Omit<Node, "name" | "directory"> = { link: null, unreadable: false };

export class Tree {
  readonly root: Signal<string | null> = signal(null);
  readonly hiddenShown = signal(false);
  /**
   * The watched folder itself is gone, or changes cannot be followed: it is shown as it was last
   * seen.
   */
  readonly unfollowed = signal(false);

  readonly #folders = new Map<string, Folder>();
  readonly #expanded = new Set<string>();
  /** Counts changes of all that is not a signal. */
  readonly #version = signal(0);

  /** What is to be seen, from top to bottom. */
  readonly rows = computed<readonly Row[]>(() => {
    this.#version.value;
    const rows: Row[] = [];
    this.#collect("", 1, this.hiddenShown.value, rows);
    return rows;
  });

  /** Whether the work folder has nothing that is shown; null until that is known. */
  readonly empty = computed<boolean | null>(() => {
    this.#version.value;
    const folder = this.#folders.get("");
    if (folder === undefined || !folder.loaded) return null;
    return ![...folder.nodes.keys()].some((name) => !isHidden(name));
  });

  /** Why the work folder could not be listed; null if it could. */
  readonly error = computed<unknown>(() => {
    this.#version.value;
    return this.#folders.get("")?.error ?? null;
  });

  /** The folders that are open and have more in them than the device lists. */
  readonly truncated = computed<readonly string[]>(() => {
    this.#version.value;
    return [...this.#folders]
      .filter(([path, folder]) => folder.truncated && (path === "" || this.#expanded.has(path)))
      .map(([path]) => path);
  });

  constructor(readonly files: Files) {}

  node(path: string): Node | null {
    return this.#folders.get(parentOf(path))?.nodes.get(nameOf(path)) ?? null;
  }

  /** The names in a folder that has been listed; empty if it has not. */
  namesIn(folder: string): ReadonlySet<string> {
    return new Set(this.#folders.get(folder)?.nodes.keys());
  }

  isLoaded(folder: string): boolean {
    return this.#folders.get(folder)?.loaded === true;
  }

  isExpanded(path: string): boolean {
    return this.#expanded.has(path);
  }

  errorOf(folder: string): unknown {
    this.#version.value;
    return this.#folders.get(folder)?.error ?? null;
  }

  /** Opens a folder in the tree. Settles when it is listed. */
  async expand(path: string): Promise<void> {
    this.#expanded.add(path);
    this.#touch();
    const folder = this.#folders.get(path);
    if (folder === undefined || !folder.loaded) await this.list(path);
  }

  collapse(path: string): void {
    this.#expanded.delete(path);
    this.#touch();
  }

  /** Opens all folders around a path. */
  async reveal(path: string): Promise<void> {
    const folders: string[] = [];
    for (let folder = parentOf(path); folder !== ""; folder = parentOf(folder)) folders.unshift(folder);
    if (!this.isLoaded("")) await this.list("");
    for (const folder of folders) await this.expand(folder);
  }

  /** Asks for a folder's list. Never rejects: what went wrong is the folder's `error`. */
  list(path: string): Promise<void> {
    let folder = this.#folders.get(path);
    if (folder === undefined) {
      folder = { nodes: new Map(), sorted: null, loaded: false, truncated: false, error: null, listing: null };
      this.#folders.set(path, folder);
    }
    if (folder.listing !== null) {
      // What is asked for now may be newer than the list that is on its way.
      folder.listing.again = true;
      return folder.listing.promise;
    }
    const listing = { promise: Promise.resolve(), changes: [], again: false };
    folder.listing = listing;
    listing.promise = this.#list(path, folder);
    this.#touch();
    return listing.promise;
  }

  /** Asks for all folders again that are open. */
  async refresh(): Promise<void> {
    this.unfollowed.value = false;
    const paths = ["", ...[...this.#folders.keys()].filter((path) => path !== "" && this.#expanded.has(path))];
    for (const path of [...this.#folders.keys()]) if (!paths.includes(path)) this.#folders.delete(path);
    await Promise.all(paths.map((path) => this.list(path)));
  }

  /** Keeps folders open that this page moves itself. */
  willMove(from: string, to: string): void {
    for (const path of [...this.#expanded]) if (isWithin(path, from)) this.#expanded.add(afterMove(path, from, to));
  }

  /** What the device tells. */
  changed(change: FileChange): void {
    switch (change.kind) {
      case "overflow":
        void this.refresh();
        return;
      case "gone":
        this.unfollowed.value = true;
        void this.list("");
        return;
      case "moved":
        this.#keep(parentOf(change.from), change);
        if (parentOf(change.path) !== parentOf(change.from)) this.#keep(parentOf(change.path), change);
        break;
      default:
        this.#keep(parentOf(change.path), change);
    }
    this.#apply(change, null);
    this.#touch();
  }

  async #list(path: string, folder: Folder): Promise<void> {
    do {
      const listing = folder.listing!;
      listing.again = false;
      listing.changes = [];
      try {
        const { entries, truncated, root } = await this.files.list(path);
        if (path === "" && root !== null) this.root.value = root;
        folder.nodes = new Map(entries.map((entry) => [entry.name, nodeOf(entry)]));
        folder.sorted = null;
        folder.loaded = true;
        folder.truncated = truncated;
        folder.error = null;
        if (this.#folders.get(path) === folder) {
          this.#forgetMissing(path, folder);
          for (const change of listing.changes) this.#apply(change, path);
        }
      } catch (error) {
        folder.error = error;
        if ((error as { status?: unknown }).status === 404) {
          folder.nodes = new Map();
          folder.sorted = null;
          if (path !== "") {
            this.#expanded.delete(path);
            this.#folders.delete(path);
          }
        }
      }
      this.#touch();
    } while (folder.listing!.again && this.#folders.get(path) === folder);
    folder.listing = null;
    this.#touch();
  }

  /** A change of a folder that is being listed has to be seen again on top of the list. */
  #keep(path: string, change: FileChange): void {
    const listing = this.#folders.get(path)?.listing ?? null;
    if (listing === null) return;
    if (listing.changes.length < PENDING_CHANGES_MAX) listing.changes.push(change);
    else listing.again = true;
  }

  /** `only` is the folder that the change is applied to; null for all. */
  #apply(change: FileChange, only: string | null): void {
    switch (change.kind) {
      case "created":
      case "changed":
        this.#add(change.path, change.directory);
        if (only === null && change.directory) this.#replaced(change.path);
        break;
      case "deleted":
        this.#remove(change.path, only === null);
        break;
      case "moved":
        if (only === null) this.#move(change.from, change.path, change.directory);
        else {
          if (parentOf(change.from) === only) this.#remove(change.from, false);
          if (parentOf(change.path) === only) this.#add(change.path, change.directory);
        }
        break;
      default:
    }
  }

  #add(path: string, directory: boolean): void {
    const folder = this.#folders.get(parentOf(path));
    if (folder === undefined || !folder.loaded) return;
    const name = nameOf(path);
    const known = folder.nodes.get(name);
    if (known !== undefined && known.directory === directory) return;
    if (known?.directory) this.#forget(path);
    folder.nodes.set(name, { ...UNKNOWN_NODE, name, directory });
    folder.sorted = null;
  }

  #remove(path: string, below: boolean): void {
    const folder = this.#folders.get(parentOf(path));
    if (folder?.nodes.delete(nameOf(path))) folder.sorted = null;
    if (below) this.#forget(path);
  }

  /**
   * A folder may have been moved in, with all that is in it: what was known below its path is to be
   * seen again.
   */
  #replaced(path: string): void {
    for (const below of [...this.#folders.keys()]) {
      if (!isWithin(below, path)) continue;
      if (this.#expanded.has(below)) void this.list(below);
      else this.#folders.delete(below);
    }
  }

  #move(from: string, to: string, directory: boolean): void {
    const node = this.node(from);
    if (node === null && this.node(to) !== null) {
      // A list has shown it already.
      if (directory) this.#replaced(to);
      return;
    }
    this.#remove(from, false);
    this.#forget(to, from);
    const target = this.#folders.get(parentOf(to));
    if (target?.loaded) {
      target.nodes.set(nameOf(to), { ...UNKNOWN_NODE, ...node, name: nameOf(to), directory });
      target.sorted = null;
    }
    for (const [path, folder] of [...this.#folders]) {
      if (!isWithin(path, from)) continue;
      this.#folders.delete(path);
      // A list that is on its way was asked for under the old name.
      if (folder.listing === null) this.#folders.set(afterMove(path, from, to), folder);
      else if (this.#expanded.has(path)) queueMicrotask(() => void this.list(afterMove(path, from, to)));
    }
    for (const path of [...this.#expanded]) {
      if (!isWithin(path, from)) continue;
      this.#expanded.delete(path);
      this.#expanded.add(afterMove(path, from, to));
    }
  }

  /** Forgets what is known below a folder that is gone. */
  #forget(path: string, but: string | null = null): void {
    for (const other of [...this.#folders.keys()]) {
      if (isWithin(other, path) && (but === null || !isWithin(other, but))) this.#folders.delete(other);
    }
    for (const other of [...this.#expanded]) {
      if (isWithin(other, path) && (but === null || !isWithin(other, but))) this.#expanded.delete(other);
    }
  }

  /**
   * After a list: folders that were known and are not in it any more; and lists of those that were
   * open, but not known.
   */
  #forgetMissing(path: string, folder: Folder): void {
    for (const other of [...this.#folders.keys()]) {
      if (other !== path && parentOf(other) === path && other !== "" && !folder.nodes.get(nameOf(other))?.directory) {
        this.#forget(other);
      }
    }
    for (const node of folder.nodes.values()) {
      const below = join(path, node.name);
      if (node.directory && this.#expanded.has(below) && !this.#folders.has(below)) void this.list(below);
    }
  }

  #shown(folder: Folder, hidden: boolean): readonly Node[] {
    folder.sorted ??= [...folder.nodes.values()].sort(inOrder);
    return hidden ? folder.sorted : folder.sorted.filter(({ name }) => !isHidden(name));
  }

  #collect(path: string, level: number, hidden: boolean, rows: Row[]): void {
    const folder = this.#folders.get(path);
    if (folder === undefined) return;
    let position = 0;
    const shown = this.#shown(folder, hidden);
    for (const node of shown) {
      position += 1;
      const below = join(path, node.name);
      const expanded = node.directory && this.#expanded.has(below);
      const inside = expanded ? this.#folders.get(below) : undefined;
      const loading = expanded && inside?.loaded !== true;
      rows.push({ ...node, path: below, level, position, siblings: shown.length, expanded, loading });
      if (expanded) this.#collect(below, level + 1, hidden, rows);
    }
  }

  #touch(): void {
    this.#version.value += 1;
  }
}

function nodeOf(entry: FileEntry): Node {
  return { name: entry.name, directory: entry.directory, link: entry.link, unreadable: entry.unreadable };
}
