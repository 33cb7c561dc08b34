/** What is dragged over the tree, and where it would go. */

import { parentOf } from "./names";

/** The type of a path that is dragged inside the page. */
export const LOCAL_PATH_TYPE = "application/x-further-link-path";

export function isOurs(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes(LOCAL_PATH_TYPE) ?? false;
}

/** Whether it is something for the tree at all: text that is dragged from elsewhere is not. */
export function drags(event: DragEvent): boolean {
  return isOurs(event) || (event.dataTransfer?.types.includes("Files") ?? false);
}

/**
 * The row under the pointer, and the folder that a drop there means: the row's own, or the one that
 * it is in.
 */
export function dropTarget(event: DragEvent): { readonly row: string | null; readonly folder: string } {
  const element = event.target instanceof Element ? event.target.closest<HTMLElement>(".files-row") : null;
  const path = element?.dataset.path;
  if (path === undefined) return { row: null, folder: "" };
  return { row: path, folder: element?.dataset.directory === "true" ? path : parentOf(path) };
}
