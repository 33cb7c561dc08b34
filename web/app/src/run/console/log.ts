/** The console's lines in the page: a list that grows fast and stays usable when it is long.
 *
 * Lines are gathered in blocks. The browser lays out only those that are in view
 * (`content-visibility`), so it matters little how many there are, while selecting, searching and
 * reading aloud work as in any text. */

import { colorOf } from "./colors";
import { ConsoleText, type Sink, type Source, type Span, type Style } from "./text";

/** Lines of a block: some screens, so that few blocks are drawn at once. */
const BLOCK_MAX_LINES = 200;
/** Characters of a block, of long lines. */
const BLOCK_MAX_CHARS = 32 * 1024;
/** Characters that are taken to stand beside each other, where nothing has been laid out yet. */
const DEFAULT_WIDTH_CHARS = 80;
/**
 * What is kept in view; beyond that the oldest block goes. Browsers end at some 17 million pixels
 * of height.
 */
const SCROLLBACK_MAX_LINES = 250_000;
const LOG_MAX_CHARS = 16 * 1024 * 1024;
/** How long one round of drawing may take, in ms: keys and presses of buttons come in between. */
const DRAW_BUDGET_MS = 8;
/**
 * Characters that are taken at once within a round: at the worst, each of them writes over a line
 * of many colours.
 */
const DRAW_CHUNK_CHARS = 4 * 1024;
/** How near to the end (px) counts as being there. */
const NEAR_END_PX = 24;

/** A part of a line that leads somewhere. */
export interface Link {
  readonly start: number;
  readonly end: number;
  /** For a screen reader, and when pointed at. */
  readonly title: string;
  /**
   * An address, which the browser opens in a tab of its own; else what is done when it is followed.
   */
  readonly to: string | (() => void);
}

interface Waiting {
  readonly text: string;
  readonly source: Source;
  readonly done: () => void;
}

interface Block {
  readonly element: HTMLElement;
  lines: number;
  characters: number;
}

interface ConsoleLogOptions {
  /** What scrolls. */
  readonly scroller: HTMLElement;
  /** Where blocks go, above the line that is being written. */
  readonly list: HTMLElement;
  /** Where the line is that is not complete yet. */
  readonly current: HTMLElement;
  readonly linksOf: (line: string) => readonly Link[];
  /** How many lines are not there any more, at the front. */
  readonly onDropped: (lines: number) => void;
  /** Whether new lines are scrolled to. */
  readonly onFollowing: (following: boolean) => void;
}

export class ConsoleLog implements Sink {
  readonly #options: ConsoleLogOptions;
  readonly #text = new ConsoleText(this);
  #waiting: Waiting[] = [];
  #blocks: Block[] = [];
  #lines = 0;
  #characters = 0;
  #dropped = 0;
  #following = true;
  /** Where it was scrolled to last (px). */
  #top = 0;
  readonly #resized = new ResizeObserver(() => this.#follow());
  #frame: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #currentDrawn: readonly Span[] = [];

  constructor(options: ConsoleLogOptions) {
    this.#options = options;
    options.scroller.addEventListener("scroll", this.#onScroll, { passive: true });
    this.#resized.observe(options.list);
    this.#resized.observe(options.scroller);
  }

  dispose(): void {
    this.#options.scroller.removeEventListener("scroll", this.#onScroll);
    this.#resized.disconnect();
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const { done } of this.#waiting) done();
    this.#waiting = [];
  }

  /** Whether the program has stopped within a line: it asks something. */
  get isLineStart(): boolean {
    return this.#waiting.length === 0 && this.#text.isLineStart;
  }

  /** Shows text. Settles when it is in the page. */
  write(text: string, source: Source): Promise<void> {
    return new Promise((done) => {
      this.#waiting.push({ text, source, done });
      this.#schedule();
    });
  }

  clear(): void {
    this.#text.clear();
    this.#empty();
    this.#drawCurrent();
    this.toEnd();
  }

  toEnd(): void {
    this.#setFollowing(true);
    this.#follow();
  }

  line(spans: readonly Span[], ended: boolean): void {
    let block = this.#blocks.at(-1);
    if (block === undefined || isFull(block)) {
      block = { element: document.createElement("div"), lines: 0, characters: 0 };
      block.element.className = "console-block";
      this.#options.list.append(block.element);
      this.#blocks.push(block);
    }
    const before = block.characters;
    const links = ended ? this.#options.linksOf(textOf(spans)) : [];
    append(block.element, spans, links);
    if (ended) appendText(block.element, "\n", spans.at(-1)?.style ?? null);
    block.lines += ended ? 1 : 0;
    block.characters += spans.reduce((sum, span) => sum + span.text.length, 1);
    this.#lines += ended ? 1 : 0;
    this.#characters += block.characters - before;
    if (isFull(block)) this.#settle(block);
    this.#trim();
  }

  erase(): void {
    this.#empty();
  }

  /** A block that is full: the height that it is taken for until it was in view once. */
  #settle(block: Block): void {
    // Long lines take several.
    const lines = Math.max(block.lines, Math.ceil(block.characters / DEFAULT_WIDTH_CHARS));
    block.element.style.setProperty("contain-intrinsic-block-size", `auto calc(${lines} * var(--console-line))`);
    block.element.classList.add("console-full");
  }

  #trim(): void {
    while (this.#blocks.length > 1 && (this.#lines > SCROLLBACK_MAX_LINES || this.#characters > LOG_MAX_CHARS)) {
      const block = this.#blocks.shift();
      if (block === undefined) return;
      block.element.remove();
      this.#lines -= block.lines;
      this.#characters -= block.characters;
      this.#dropped += block.lines;
    }
  }

  #empty(): void {
    this.#options.list.replaceChildren();
    this.#blocks = [];
    this.#lines = 0;
    this.#characters = 0;
    this.#dropped = 0;
    this.#options.onDropped(0);
  }

  #schedule(): void {
    if (this.#frame !== null || this.#timer !== null) return;
    // A page that is not seen draws no frames, but its programs go on.
    if (document.visibilityState === "hidden") this.#timer = setTimeout(this.#round, 50);
    else {
      this.#frame = requestAnimationFrame(this.#round);
      this.#timer = setTimeout(this.#round, 250);
    }
  }

  #round = (): void => {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#frame = null;
    this.#timer = null;
    const until = performance.now() + DRAW_BUDGET_MS;
    const dropped = this.#dropped;
    let taken = 0;
    let first = this.#waiting[0];
    const settled: (() => void)[] = [];
    while (first !== undefined && performance.now() < until) {
      if (first.text.length > DRAW_CHUNK_CHARS) {
        const cut = cutBefore(first.text, DRAW_CHUNK_CHARS);
        this.#text.write(first.text.slice(0, cut), first.source);
        first = { ...first, text: first.text.slice(cut) };
        this.#waiting[taken] = first;
        continue;
      }
      this.#text.write(first.text, first.source);
      settled.push(first.done);
      taken += 1;
      first = this.#waiting[taken];
    }
    this.#waiting.splice(0, taken);
    this.#drawCurrent();
    if (this.#dropped !== dropped) this.#options.onDropped(this.#dropped);
    this.#follow();
    for (const done of settled) done();
    if (this.#waiting.length > 0) this.#schedule();
  };

  #drawCurrent(): void {
    const { current } = this.#options;
    const spans = this.#text.current;
    if (spans.length === 0 && this.#currentDrawn.length === 0) return;
    this.#currentDrawn = spans;
    current.replaceChildren();
    append(current, spans, []);
  }

  /**
   * Only who scrolls up stops following: that the end is further away can also mean that lines have
   * turned out to be higher than they were taken for.
   */
  #onScroll = (): void => {
    const { scroller } = this.#options;
    const top = scroller.scrollTop;
    if (scroller.scrollHeight - top - scroller.clientHeight <= NEAR_END_PX) this.#setFollowing(true);
    else if (top < this.#top - 1) this.#setFollowing(false);
    this.#top = top;
  };

  #follow(): void {
    const { scroller } = this.#options;
    if (!this.#following) return;
    scroller.scrollTop = scroller.scrollHeight;
    this.#top = scroller.scrollTop;
  }

  #setFollowing(following: boolean): void {
    if (following === this.#following) return;
    this.#following = following;
    this.#options.onFollowing(following);
  }
}

function isFull(block: Block): boolean {
  return block.lines >= BLOCK_MAX_LINES || block.characters >= BLOCK_MAX_CHARS;
}

function textOf(spans: readonly Span[]): string {
  return spans.length === 1 ? (spans[0]?.text ?? "") : spans.map((span) => span.text).join("");
}

/** Not between the halves of a character. */
function cutBefore(text: string, index: number): number {
  const code = text.charCodeAt(index - 1);
  return code >= 0xd800 && code <= 0xdbff ? index - 1 : index;
}

function append(element: HTMLElement, spans: readonly Span[], links: readonly Link[]): void {
  if (links.length === 0) {
    for (const span of spans) appendText(element, span.text, span.style);
    return;
  }
  let at = 0;
  for (const span of spans) {
    const end = at + span.text.length;
    let from = at;
    for (const link of links) {
      const start = Math.max(from, link.start);
      const stop = Math.min(end, link.end);
      if (start >= stop) continue;
      appendText(element, span.text.slice(from - at, start - at), span.style);
      const anchor = anchorOf(link);
      appendText(anchor, span.text.slice(start - at, stop - at), span.style);
      element.append(anchor);
      from = stop;
    }
    appendText(element, span.text.slice(from - at), span.style);
    at = end;
  }
}

/**
 * No button: the lines of a button's text are a box of their own, and a long path would break the
 * line that it is in.
 */
function anchorOf({ title, to }: Link): HTMLElement {
  if (typeof to === "string") {
    const anchor = document.createElement("a");
    Object.assign(anchor, { className: "console-link", title, href: to, target: "_blank", rel: "noopener noreferrer" });
    return anchor;
  }
  const anchor = document.createElement("span");
  Object.assign(anchor, { className: "console-link", title, role: "link", tabIndex: 0 });
  anchor.addEventListener("click", to);
  anchor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) to();
  });
  return anchor;
}

/**
 * Runs of the usual look are bare text; others have an element. What looks like what is before it
 * is added to that.
 */
function appendText(element: HTMLElement, text: string, style: Style | null): void {
  if (text === "") return;
  const last = element.lastChild;
  if (style === null || isUsual(style)) {
    if (last instanceof Text) last.appendData(text);
    else element.append(text);
    return;
  }
  if (last instanceof HTMLSpanElement && looks.get(last) === style && last.firstChild instanceof Text) {
    last.firstChild.appendData(text);
    return;
  }
  const span = document.createElement("span");
  looks.set(span, style);
  dress(span, style);
  span.append(text);
  element.append(span);
}

const looks = new WeakMap<HTMLSpanElement, Style>();

function isUsual(style: Style): boolean {
  return (
    style.source === "stdout" &&
    style.color === null &&
    style.background === null &&
    !(style.bold || style.dim || style.italic || style.underline || style.struck || style.inverse)
  );
}

function dress(span: HTMLSpanElement, style: Style): void {
  if (style.source !== "stdout") span.dataset.source = style.source;
  const classes = (["bold", "dim", "italic", "underline", "struck", "inverse"] as const).filter((name) => style[name]);
  span.className = classes.map((name) => `console-${name}`).join(" ");
  if (style.color !== null) {
    const color = colorOf(style.color);
    if (color.class !== undefined) span.classList.add(`console-color-${color.class}`);
    else if (color.value !== undefined) span.style.color = color.value;
  }
  if (style.background !== null) {
    const color = colorOf(style.background);
    if (color.class !== undefined) span.classList.add(`console-background-${color.class}`);
    else if (color.value !== undefined) span.style.backgroundColor = color.value;
  }
}
