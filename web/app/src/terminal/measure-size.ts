/** How large a terminal will be in an element, before there is one. */

import type { TerminalSize } from "further-link";

/** The usual size of a terminal, where nothing can be measured. */
export const DEFAULT_SIZE: TerminalSize = { rows: 24, cols: 80 };

/** What the server takes for rows and columns at most is larger; nobody has such a screen. */
const TERMINAL_MAX_SIZE = { rows: 500, cols: 1000 } as const;

/** Characters that are measured at once, so that a fraction of a pixel counts. */
const SAMPLE_CHARS = 50;

/**
 * The size that fits into `element`, with text of `pixels`. A guess that is off by one is put right
 * by the terminal.
 */
export function estimateSize(element: Element | null, pixels: number): TerminalSize {
  if (element === null || element.clientWidth === 0 || element.clientHeight === 0) return DEFAULT_SIZE;
  const sample = document.createElement("span");
  sample.className = "terminal-sample";
  sample.style.fontSize = `${pixels}px`;
  sample.textContent = "W".repeat(SAMPLE_CHARS);
  document.body.append(sample);
  const { width, height } = sample.getBoundingClientRect();
  sample.remove();
  if (width === 0 || height === 0) return DEFAULT_SIZE;
  return {
    rows: Math.min(TERMINAL_MAX_SIZE.rows, Math.max(2, Math.floor(element.clientHeight / height))),
    cols: Math.min(TERMINAL_MAX_SIZE.cols, Math.max(2, Math.floor(element.clientWidth / (width / SAMPLE_CHARS)))),
  };
}
