/** How a file is indented: as it is already, else as its language is written by most. */

import type { Text } from "@codemirror/state";

/** Lines that are looked at: a file shows its habit early. */
const PROBE_LINES = 300;

const TAB_CHARACTER = "\t";

/** One step: a tab, or two to eight spaces. `name` decides for a file that does not show it. */
export function indentationOf(document: Text, name: string): string {
  let tabs = 0;
  let before = 0;
  const steps = new Map<number, number>();
  const last = Math.min(document.lines, PROBE_LINES);
  for (let number = 1; number <= last; number += 1) {
    const text = document.line(number).text.slice(0, 200);
    const indent = /^[\t ]*/.exec(text)![0];
    // Empty lines say nothing, and comments of the form " * …" have a space of their own.
    if (indent.length === text.trimEnd().length || text[indent.length] === "*") continue;
    if (indent.startsWith(TAB_CHARACTER)) {
      tabs += 1;
      before = 0;
      continue;
    }
    const step = indent.length - before;
    if (step >= 2 && step <= 8) steps.set(step, (steps.get(step) ?? 0) + 1);
    before = indent.length;
  }
  let best = 0;
  let count = 0;
  for (const [step, times] of steps) {
    if (times > count || (times === count && step < best)) {
      best = step;
      count = times;
    }
  }
  if (tabs > count) return TAB_CHARACTER;
  if (best > 0) return " ".repeat(best);
  if (/\.(?:go|mk)$|^makefile$/i.test(name)) return TAB_CHARACTER;
  return /\.(?:pyw?|rs|java|c|h|cc|cpp|hpp|ino|php|pl|pm)$/i.test(name) ? "    " : "  ";
}
