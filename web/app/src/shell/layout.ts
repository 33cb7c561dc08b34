/** Which parts of the page are seen, and how wide they are. */

import { computed, signal } from "@preact/signals";
import { isBoolean, isNumberBetween, stored } from "../ui/stored";

/** The parts of the page; on a narrow one, one is seen at a time. */
export type Area = "files" | "program" | "output";
export const AREAS: readonly Area[] = ["files", "program", "output"];

/** The part that is seen on a narrow page. */
export const area = signal<Area>("program");

export const filesShown = stored("files-shown", true, isBoolean);

/** Pixels. */
export const FILES_WIDTH = { least: 140, most: 520, usual: 230 } as const;
export const filesWidth = stored(
  "files-width",
  FILES_WIDTH.usual,
  isNumberBetween(FILES_WIDTH.least, FILES_WIDTH.most),
);

/** Per cent of the room for program and output. */
export const EDITOR_SHARE = { least: 20, most: 80, usual: 52 } as const;
export const editorShare = stored(
  "editor-share",
  EDITOR_SHARE.usual,
  isNumberBetween(EDITOR_SHARE.least, EDITOR_SHARE.most),
);

/** A signal that follows a media query. */
function media(query: string) {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", () => {
    matches.value = list.matches;
  });
  return matches;
}

const narrow = media("(max-width: 699px)");
const low = media("(max-height: 419px)");
const middling = media("(max-width: 1049px)");
export const coarse = media("(pointer: coarse)");

/**
 * Whether what has come to the front takes the focus by itself: not where that brings up a keyboard
 * over half of the page, and not from somebody who goes from tab to tab by keys.
 */
export function takesFocus(): boolean {
  return !coarse.peek() && document.querySelector("[role=tab]:focus-visible") === null;
}

/** One part at a time; or files beside program above output; or all side by side. */
export const arrangement = computed<"single" | "stacked" | "wide">(() => {
  if (narrow.value || (low.value && middling.value)) return "single";
  return middling.value ? "stacked" : "wide";
});

/** Shows a part, wherever the page has it. */
export function reveal(wanted: Area): void {
  area.value = wanted;
  if (wanted === "files") filesShown.value = true;
}

/** Puts the focus into a part: where it was there last, or on the first thing that takes it. */
export function focusArea(wanted: Area): void {
  reveal(wanted);
  // After it is drawn.
  requestAnimationFrame(() => {
    const element = document.getElementById(`area-${wanted}`);
    const inside = element?.querySelector<HTMLElement>(
      "[data-focus-here] textarea, [data-focus-here] [contenteditable=true], [data-focus-here], [role=tree] [tabindex='0'], input, textarea, button",
    );
    (inside ?? element)?.focus();
  });
}
