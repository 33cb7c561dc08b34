/** Finding text in the console, and marking what was found. */

/** More are not counted. */
export const MATCHES_MAX = 1000;

const ALL_MATCHES_HIGHLIGHT = "console-found";
const CURRENT_MATCH_HIGHLIGHT = "console-found-here";

/**
 * All places of `query`, without regard to case, in the blocks of `list`. A place does not reach
 * over blocks, which end with a line.
 */
export function find(list: HTMLElement, query: string): Range[] {
  const wanted = query.toLocaleLowerCase();
  const found: Range[] = [];
  if (wanted === "") return found;
  for (const block of list.children) {
    const text = (block.textContent ?? "").toLocaleLowerCase();
    // Rarely, lower case is longer than upper case; places in such a block would be wrong.
    if (text.length !== block.textContent?.length) continue;
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = rangeOf(block, at, at + wanted.length);
      if (range !== null) found.push(range);
      if (found.length >= MATCHES_MAX) return found;
    }
  }
  return found;
}

function rangeOf(block: Element, start: number, end: number): Range | null {
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  const range = new Range();
  let at = 0;
  let begun = false;
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const length = node.nodeValue?.length ?? 0;
    if (!begun && start < at + length) {
      range.setStart(node, start - at);
      begun = true;
    }
    if (begun && end <= at + length) {
      range.setEnd(node, end - at);
      return range;
    }
    at += length;
  }
  return null;
}

/** Marks all that was found, and the one that is looked at, which is scrolled to. */
export function mark(found: readonly Range[], index: number): void {
  const here = found[index];
  if ("highlights" in CSS) {
    CSS.highlights.set(ALL_MATCHES_HIGHLIGHT, new Highlight(...found));
    if (here !== undefined) CSS.highlights.set(CURRENT_MATCH_HIGHLIGHT, new Highlight(here));
    else CSS.highlights.delete(CURRENT_MATCH_HIGHLIGHT);
  } else if (here !== undefined) {
    // Browsers without highlights show at least the one.
    const selection = getSelection();
    selection?.removeAllRanges();
    selection?.addRange(here);
  }
  here?.startContainer.parentElement?.scrollIntoView({ block: "nearest" });
  const box = here?.getBoundingClientRect();
  const scroller = here?.startContainer.parentElement?.closest(".console");
  if (box !== undefined && scroller !== null && scroller !== undefined) {
    const room = scroller.getBoundingClientRect();
    if (box.top < room.top || box.bottom > room.bottom) {
      scroller.scrollTop += box.top - room.top - room.height / 2;
    }
  }
}

export function unmark(): void {
  if ("highlights" in CSS) {
    CSS.highlights.delete(ALL_MATCHES_HIGHLIGHT);
    CSS.highlights.delete(CURRENT_MATCH_HIGHLIGHT);
  }
}
