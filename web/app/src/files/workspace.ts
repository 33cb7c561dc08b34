/** The files that are open in the editor, and what is unsaved of them. */

import { computed, signal } from "@preact/signals";

export interface OpenFile {
  /** Below the work folder, no slash in front: `project/main.py`. */
  readonly path: string;
  /** What is in the editor is not on the device yet. */
  readonly unsaved: boolean;
}

export const openFiles = signal<readonly OpenFile[]>([]);

/** The path of the file whose tab is in front; null if none is open. */
export const activePath = signal<string | null>(null);

export const activeFile = computed(() => openFiles.value.find((file) => file.path === activePath.value) ?? null);

/** Opens a file in a tab, or brings its tab to the front; `line` (from 1) is scrolled to and marked. */
export async function open(_path: string, _line?: number): Promise<void> {
  throw new Error("not there yet");
}

/** Writes everything that is unsaved. Rejects with the first error; what could not be saved stays marked. */
export async function saveAll(): Promise<void> {}

/** The absolute path of the work folder on the device, once it is known: errors name files by it. */
export const root = signal<string | null>(null);

/** The path below the work folder of a file that an error names; null if it is elsewhere. */
export function pathOf(absolute: string): string | null {
  const prefix = root.value;
  return prefix !== null && absolute.startsWith(`${prefix}/`) ? absolute.slice(prefix.length + 1) : null;
}
