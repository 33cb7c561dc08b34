/**
 * The terminal's colours: background, text and marks are the page's, the sixteen of programs fit to
 * them.
 */

import type { ITheme } from "@xterm/xterm";
import { color, isDark } from "../styles/scheme";

/**
 * Black, red, green, yellow, blue, magenta, cyan, white, then the bright ones. On a light
 * background all but the whites are dark enough to be read; the terminal itself mends what is not
 * (`minimumContrastRatio`).
 */
const LIGHT_PALETTE =
  "#1b212a #b3261e #1c6b35 #8a5300 #2554b8 #8b2f8f #0f6a73 #6b7480 #57616f #c9372c #22803f #9a6200 #3366d6 #a43fa8 #147f89 #3a424d";
const DARK_PALETTE =
  "#39414b #ff7b72 #7fd49a #f0b95c #8fb4ff #d9a0f0 #67d0d8 #d5dae0 #7b8593 #ff9a90 #9be3b0 #f7cc7f #aac7ff #e6b9f7 #8ae0e6 #ffffff";

const PALETTE_NAMES = [
  "black",
  "red",
  "green",
  "yellow",
  "blue",
  "magenta",
  "cyan",
  "white",
  "brightBlack",
  "brightRed",
  "brightGreen",
  "brightYellow",
  "brightBlue",
  "brightMagenta",
  "brightCyan",
  "brightWhite",
] as const;

export function themeNow(): ITheme {
  const colours = (isDark() ? DARK_PALETTE : LIGHT_PALETTE).split(" ");
  const background = color("--sunk");
  return {
    ...Object.fromEntries(PALETTE_NAMES.map((name, index) => [name, colours[index]])),
    background,
    foreground: color("--text"),
    cursor: color("--accent"),
    cursorAccent: background,
    selectionBackground: color("--selection"),
    selectionInactiveBackground: color("--line"),
    scrollbarSliderBackground: `${color("--control-line")}66`,
    scrollbarSliderHoverBackground: `${color("--control-line")}99`,
    scrollbarSliderActiveBackground: color("--control-line"),
  };
}
