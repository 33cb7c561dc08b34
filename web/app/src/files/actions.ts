/** What a person does with files and folders of the tree. Errors become notices. */

import { link } from "../link";
import { t } from "../text";
import { ask } from "../ui/Dialog";
import { notify } from "../ui/notices";
import { errorReason } from "./error-messages";
import { afterMove, freeName, isWithin, join, nameOf, parentOf } from "./names";
import { documents, openNew, tree } from "./workspace";

/** Files of a folder that is duplicated, at most: each is read and written again. */
const DUPLICATE_NAMES_MAX = 1000;
/** Bytes of one file that is duplicated: it is in the browser's memory on its way. */
const DUPLICATE_MAX_BYTES = 128 * 1024 * 1024;

/** Makes a file and opens it, or a folder. True if it is there now. */
export async function create(path: string, directory: boolean): Promise<boolean> {
  try {
    if (directory) await link.files.makeFolder(path);
    else await link.files.write(path, "", { ifMatch: null });
  } catch (error) {
    notify(t("filesFailedCreate", { name: nameOf(path), reason: errorReason(error) }), "bad");
    return false;
  }
  await tree.list(parentOf(path));
  if (!directory) await openNew(path);
  return true;
}

/** Moves or renames; what is open goes along. */
export async function move(from: string, to: string): Promise<boolean> {
  const failure = t(parentOf(from) === parentOf(to) ? "filesFailedRename" : "filesFailedMove", {
    name: nameOf(from),
    reason: "{reason}",
  });
  if (to === from) return true;
  if (isWithin(to, from)) {
    notify(
      failure.replace("{reason}", () => t("filesReasonItself")),
      "bad",
    );
    return false;
  }
  // A text that is saved while its file is being renamed would find nothing under its old name.
  await documents.settle(from);
  try {
    tree.willMove(from, to);
    await link.files.move(from, to);
  } catch (error) {
    notify(
      failure.replace("{reason}", () => errorReason(error)),
      "bad",
    );
    return false;
  }
  documents.moved(from, to);
  await Promise.all([...new Set([parentOf(from), parentOf(to)])].map((folder) => tree.list(folder)));
  return true;
}

/** Asks, and deletes. */
export async function remove(path: string): Promise<boolean> {
  const directory = tree.node(path)?.directory === true;
  const name = nameOf(path);
  const unsaved = documents.list.value.some(
    (document) => isWithin(document.path.value, path) && document.unsaved.value && !document.deleted,
  );
  const title = t(directory ? "filesDeleteFolder" : "filesDeleteFile", { name });
  const text = t(directory ? "filesDeleteFolderText" : "filesDeleteFileText");
  if (!(await ask(title, unsaved ? `${text} ${t("filesDeleteUnsaved")}` : text, t("filesDelete")))) return false;
  try {
    await link.files.remove(path);
  } catch (error) {
    // If it is gone already, all is well.
    if ((error as { status?: unknown }).status !== 404) {
      notify(t("filesFailedDelete", { name, reason: errorReason(error) }), "bad");
      return false;
    }
  }
  // The person has just said that it is not needed any more: no tab asks for it.
  for (const document of documents.list.value) {
    if (isWithin(document.path.value, path)) documents.close(document, true);
  }
  await tree.list(parentOf(path));
  return true;
}

/** The path of the copy; null if there is none. */
export async function duplicate(path: string): Promise<string | null> {
  const folder = parentOf(path);
  await documents.settle(path);
  try {
    const { entries } = await link.files.list(folder);
    const names = new Map(entries.map((entry) => [entry.name, entry]));
    const copy = join(
      folder,
      freeName(nameOf(path), (name) => names.has(name)),
    );
    const entry = names.get(nameOf(path));
    if (entry?.directory) await copyFolder(path, copy);
    else await copyFile(path, copy, entry?.size ?? 0);
    await tree.list(folder);
    return copy;
  } catch (error) {
    notify(t("filesFailedDuplicate", { name: nameOf(path), reason: errorReason(error) }), "bad");
    return null;
  }
}

async function copyFile(from: string, to: string, size: number): Promise<void> {
  if (size > DUPLICATE_MAX_BYTES) throw Object.assign(new Error(), { status: 413 });
  const { bytes } = await link.files.read(from);
  await link.files.write(to, bytes, { ifMatch: null });
}

async function copyFolder(from: string, to: string): Promise<void> {
  let count = 0;
  const folders = [from];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const { entries } = await link.files.list(folder);
    await link.files.makeFolder(afterMove(folder, from, to));
    for (const entry of entries) {
      count += 1;
      if (count > DUPLICATE_NAMES_MAX) throw Object.assign(new Error(), { status: 413 });
      const path = join(folder, entry.name);
      // Links may lead around in a circle.
      if (entry.unreadable || (entry.directory && entry.link !== null)) continue;
      if (entry.directory) folders.push(path);
      else await copyFile(path, afterMove(path, from, to), entry.size);
    }
  }
}

/** Lets the browser fetch it: a file, or a folder as an archive. */
export function download(path: string, directory: boolean): void {
  const anchor = document.createElement("a");
  anchor.href = link.files.url(path, { archive: directory });
  anchor.download = directory ? `${nameOf(path) || "files"}.zip` : nameOf(path);
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
