/** From the paths that programs and their errors name to those of the work folder. */

/** Characters of a path that are looked at (`PATH_MAX` of Linux). */
const PATH_MAX_CHARS = 4096;

/**
 * `named`, below `root`; null if it is elsewhere. A relative path begins at `folder`, which is
 * below `root`.
 */
export function relativeTo(root: string | null, named: string, folder: string): string | null {
  if (named === "" || named.length > PATH_MAX_CHARS || named.includes("\0")) return null;
  if (!named.startsWith("/")) return resolve(folder === "" ? named : `${folder}/${named}`);
  if (root === null) return null;
  const prefix = root.endsWith("/") ? root : `${root}/`;
  return named.startsWith(prefix) ? resolve(named.slice(prefix.length)) : null;
}

/** Without `.` and `..`; null if it leads out, or to the folder itself. */
function resolve(path: string): string | null {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.length > 0 ? parts.join("/") : null;
}
