/**
 * Names and paths below the work folder: `project/main.py`, no slash in front; "" is the work
 * folder itself.
 */

/** Bytes of UTF-8 that a file system takes for one name (`NAME_MAX`). */
const NAME_MAX_BYTES = 255;

/** Names that the server keeps for itself (`docs/protocol.md` section 12). */
const RESERVED_PREFIXES = [".flnew-", ".flold-", ".flcache"];

export type NameFault = "empty" | "slash" | "dots" | "long" | "reserved" | "control";

const encoder = new TextEncoder();

/** Why the device would refuse the name; null if it would not. */
export function nameFault(name: string): NameFault | null {
  if (name.trim() === "") return "empty";
  if (name.includes("/")) return "slash";
  if (name === "." || name === "..") return "dots";
  if (RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix))) return "reserved";
  // A new line or another control character: allowed by Linux, and never meant.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return "control";
  if (encoder.encode(name).length > NAME_MAX_BYTES) return "long";
  return null;
}

export function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether `path` is `folder` or below it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}

/** Where `path` is after `from` was moved to `to`. */
export function afterMove(path: string, from: string, to: string): string {
  return isWithin(path, from) ? to + path.slice(from.length) : path;
}

/**
 * With its dot, as `.py`; "" if there is none. A dot in front makes a name hidden and is no
 * extension.
 */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot) : "";
}

/**
 * What learners need not see: names with a dot in front, and what Python writes beside programs.
 */
export function isHidden(name: string): boolean {
  return name.startsWith(".") || name === "__pycache__";
}

/**
 * A name that is not taken yet: `main.py`, `main_2.py`, `main_3.py`. With an underscore, as Python
 * imports no `main-2`.
 */
export function freeName(name: string, taken: (name: string) => boolean): string {
  if (!taken(name)) return name;
  const extension = extensionOf(name);
  const stem = name.slice(0, name.length - extension.length).replace(/_\d{1,6}$/, "");
  for (let count = 2; ; count += 1) {
    const other = `${stem}_${count}${extension}`;
    if (!taken(other)) return other;
  }
}

function stemOf(name: string): string {
  return name.slice(0, name.length - extensionOf(name).length);
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Folders first, then as people count: `part2` before `part10`. */
export function inOrder(
  a: { readonly name: string; readonly directory: boolean },
  b: { readonly name: string; readonly directory: boolean },
): number {
  if (a.directory !== b.directory) return a.directory ? -1 : 1;
  // Without their ends first: `main.py` before `main_2.py`.
  const stems = a.directory ? 0 : collator.compare(stemOf(a.name), stemOf(b.name));
  return stems || collator.compare(a.name, b.name) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
