/**
 * The files that are open in the editor, and what is unsaved of them; and the tree of all files.
 */

import { computed, effect, signal } from "@preact/signals";
import { NotSaved } from "../editor/document";
import { Documents, NoSuchFile } from "../editor/documents";
import { connection, link } from "../link";
import { reveal } from "../shell/layout";
import { t } from "../text";
import { freeName, nameOf } from "./names";
import { relativeTo } from "./paths";
import { Tree } from "./tree";

interface OpenFile {
  /** Below the work folder, no slash in front: `project/main.py`. */
  readonly path: string;
  /** What is in the editor is not on the device yet. */
  readonly unsaved: boolean;
}

export const documents = new Documents(link.files, storage());

export const tree = new Tree(link.files);

const openFiles = computed<readonly OpenFile[]>(() =>
  documents.list.value.map((document) => ({ path: document.path.value, unsaved: document.unsaved.value })),
);

/** The path of the file whose tab is in front; null if none is open. */
export const activePath = computed(() => documents.active.value?.path.value ?? null);

export const activeFile = computed(() => openFiles.value.find((file) => file.path === activePath.value) ?? null);

/**
 * The absolute path of the work folder on the device, once it is known: errors name files by it.
 */
export const root = computed(() => tree.root.value);

/** Opens a file that was just made, to go on in it. */
export async function openNew(path: string): Promise<void> {
  reveal("program");
  await documents.open(path, { line: 1, begin: true }).catch(() => {
    // Its tab says why it could not be opened.
  });
}

/**
 * Opens a file in a tab, or brings its tab to the front; `line` (from 1) is scrolled to and marked.
 * Rejects with a sentence for people.
 */
export async function open(path: string, line?: number, column?: number): Promise<void> {
  reveal("program");
  const place = line === undefined ? null : { line, ...(column === undefined ? {} : { column }) };
  try {
    await documents.open(path, place);
  } catch (error) {
    if (error instanceof NoSuchFile) throw new Error(t("editorNoSuchFile", { name: path }));
    // Its tab says why it could not be opened.
  }
}

/**
 * Writes everything that is unsaved. Rejects with the first error, a sentence for people; what
 * could not be saved stays marked.
 */
export async function saveAll(): Promise<void> {
  try {
    await documents.saveAll();
  } catch (error) {
    if (!(error instanceof NotSaved)) throw error;
    const name = nameOf(error.path);
    switch (error.problem.kind) {
      case "changed":
      case "replaced":
        throw new Error(t("editorNotSavedChanged", { name }));
      case "deleted":
        throw new Error(t("editorNotSavedDeleted", { name }));
      case "failed":
        throw new Error(t("editorNotSaved", { name }));
    }
  }
}

/**
 * The path below the work folder of a file that an error names; null if it is elsewhere. What does
 * not begin with a slash is below `folder`, which the program ran in.
 */
export function pathOf(named: string, folder = ""): string | null {
  return relativeTo(root.value, named, folder);
}

/** Whether nothing is there yet: the page then offers a first program. Null until that is known. */
export const nothingThere = computed(() => tree.empty.value);

/**
 * Makes a first program, `main.py` or the next free name, and opens it. Rejects with what the
 * device says.
 */
export async function welcome(): Promise<void> {
  const taken = new Set((await link.files.list("")).entries.map(({ name }) => name));
  for (;;) {
    const name = freeName("main.py", (other) => taken.has(other));
    try {
      await link.files.write(name, t("editorWelcomeProgram"), { ifMatch: null });
    } catch (error) {
      // Somebody else has just made one of that name.
      if ((error as { status?: unknown }).status !== 412 || taken.has(name)) throw error;
      taken.add(name);
      continue;
    }
    await tree.list("");
    await openNew(name);
    return;
  }
}

/** Whether the tabs of the last visit are open again. */
export const restored = signal(false);

let unfollow: (() => void) | null = null;

/** Follows the device's files, and lists again what is open in the tree. */
export function follow(): void {
  unfollow?.();
  // First the changes, then the lists: so nothing is missed between the two.
  unfollow = link.files.watch("", (change) => {
    tree.changed(change);
    documents.changed(change);
  });
  void tree.refresh();
}

let begun = false;

/** Begins to follow the device's files, and opens what was open at the last visit. */
export function begin(): void {
  if (begun) return;
  begun = true;
  follow();
  void documents.restore().finally(() => {
    restored.value = true;
  });
  let was = connection.value.kind;
  effect(() => {
    const { kind } = connection.value;
    const back = kind === "connected" && was !== "connected";
    was = kind;
    if (!back) return;
    documents.connected();
    if (tree.unfollowed.peek() || tree.error.peek() !== null) follow();
  });
  addEventListener("blur", () => documents.saveQuietly());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") documents.leave();
  });
  addEventListener("pagehide", () => documents.leave());
  addEventListener("beforeunload", (event) => {
    if (!documents.unsaved.value) return;
    documents.leave();
    event.preventDefault();
  });
}

function storage(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
