/** What was dragged onto the page or chosen in a dialog, as files with paths and folders. */

import { nameFault } from "./names";

/** Files and folders of one upload: what a person means to upload by hand has far fewer. */
export const UPLOAD_MAX_ENTRIES = 10_000;
/** Folders in each other: what is deeper is a circle, or no project. */
const UPLOAD_MAX_DEPTH = 64;

export interface Upload {
  /** Below the folder that it goes into. */
  readonly path: string;
  readonly file: File;
}

export interface Parcel {
  readonly files: readonly Upload[];
  /** Empty ones too, each before what is in it. */
  readonly folders: readonly string[];
  /** Names that could not be read, or that the device would refuse. */
  readonly unreadable: readonly string[];
}

export class TooMany extends Error {}

export interface Drop {
  readonly entries: readonly FileSystemEntry[];
  /** What has no entry: a picture that was dragged out of another page. */
  readonly files: readonly File[];
}

/**
 * Has to be called while the drop event is handled; afterwards the browser has forgotten what was
 * dropped.
 */
export function dropOf(data: DataTransfer): Drop {
  const entries: FileSystemEntry[] = [];
  const files: File[] = [];
  for (const item of data.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry();
    const file = entry === null ? item.getAsFile() : null;
    if (entry !== null) entries.push(entry);
    else if (file !== null) files.push(file);
  }
  return { entries, files };
}

/**
 * Goes through dropped folders. `onCount` is told how many files there are so far. Rejects with
 * {@link TooMany}, or as `signal` says.
 */
export async function gather(
  { entries, files: single }: Drop,
  onCount: (count: number) => void,
  signal: AbortSignal,
): Promise<Parcel> {
  const { files: known, unreadable: refused } = parcelOf(single);
  const files: Upload[] = [...known];
  const folders: string[] = [];
  const unreadable: string[] = [...refused];
  const waiting = entries.map((entry) => ({ entry, path: entry.name, depth: 1 })).reverse();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal.throwIfAborted();
    const { entry, path, depth } = next;
    if (files.length + folders.length + waiting.length >= UPLOAD_MAX_ENTRIES) throw new TooMany();
    if (nameFault(entry.name) !== null || depth > UPLOAD_MAX_DEPTH) {
      unreadable.push(path);
      continue;
    }
    try {
      if (entry.isFile) {
        files.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
        onCount(files.length);
      } else {
        folders.push(path);
        const inside = await childrenOf(entry as FileSystemDirectoryEntry, signal);
        for (const child of inside.reverse()) {
          waiting.push({ entry: child, path: `${path}/${child.name}`, depth: depth + 1 });
        }
      }
    } catch (error) {
      if (error instanceof TooMany || signal.aborted) throw error;
      unreadable.push(path);
    }
  }
  return { files, folders, unreadable };
}

/** What was chosen with `<input type="file">`, also with `webkitdirectory`. */
export function parcelOf(chosen: readonly File[]): Parcel {
  const files: Upload[] = [];
  const folders = new Set<string>();
  const unreadable: string[] = [];
  for (const file of chosen) {
    const path = file.webkitRelativePath || file.name;
    const parts = path.split("/");
    if (parts.some((part) => nameFault(part) !== null) || parts.length > UPLOAD_MAX_DEPTH) {
      unreadable.push(path);
      continue;
    }
    if (files.length + folders.size >= UPLOAD_MAX_ENTRIES) throw new TooMany();
    for (let end = 1; end < parts.length; end += 1) folders.add(parts.slice(0, end).join("/"));
    files.push({ path, file });
  }
  return { files, folders: [...folders], unreadable };
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

async function childrenOf(entry: FileSystemDirectoryEntry, signal: AbortSignal): Promise<FileSystemEntry[]> {
  const reader = entry.createReader();
  const children: FileSystemEntry[] = [];
  // Browsers give a hundred at a time, and none at the end.
  for (;;) {
    signal.throwIfAborted();
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return children;
    children.push(...some);
    if (children.length > UPLOAD_MAX_ENTRIES) throw new TooMany();
  }
}
