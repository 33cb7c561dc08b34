/** What a person has chosen for this browser. */

import { effect } from "@preact/signals";
import { isNumberBetween, isOneOf, stored } from "../ui/stored";

export type Theme = "system" | "light" | "dark";

export const theme = stored<Theme>("theme", "system", isOneOf("system", "light", "dark"));

/** Pixels of text in the editor, the console and terminals. */
export const TEXT_SIZES = { smallest: 10, largest: 32, usual: 14 } as const;

export const textSize = stored("text-size", TEXT_SIZES.usual, isNumberBetween(TEXT_SIZES.smallest, TEXT_SIZES.largest));

/** Keeps the page's root as the settings say. */
export function applySettings(root: HTMLElement): void {
  effect(() => {
    if (theme.value === "system") delete root.dataset.theme;
    else root.dataset.theme = theme.value;
  });
  effect(() => {
    root.style.setProperty("--code-size", `${textSize.value}px`);
  });
}
