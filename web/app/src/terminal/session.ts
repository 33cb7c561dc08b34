/**
 * One terminal: xterm and what belongs to it, in an element of its own that stays while the views
 * around it change.
 */

import { computed, effect, signal } from "@preact/signals";
import type { ITerminalAddon, Terminal } from "@xterm/xterm";
import type { TerminalSize } from "further-link";
import { textSize } from "../shell/settings";
import { color, onSchemeChange, token } from "../styles/scheme";
import { t } from "../text";
import { copyText, readText } from "../ui/clipboard";
import { Debounce } from "../ui/debounce";
import { download } from "../ui/download";
import { isBoolean, stored } from "../ui/stored";
import { type Modifiers, modified, NO_MODIFIERS, sequenceOf } from "./keys";
import { FileLinks, type LinksOf } from "./links";
import { Scrollback } from "./scrollback";
import { themeNow } from "./theme";
import { TouchScroll } from "./touch";
import "./terminal.css";

type Xterm = typeof import("./xterm");
type Search = InstanceType<Xterm["SearchAddon"]>;

/** Lines above the screen that can be scrolled back to. */
const SCROLLBACK_LINES = { usual: 20_000, touch: 5_000 } as const;

/** Gigabytes of memory, as browsers tell it, from which on the graphics processor draws. */
const WEBGL_MIN_MEMORY_GB = 2;

/** Characters of a title that a program gives. */
const TITLE_MAX_CHARS = 200;

/** Characters that a program may put on the clipboard. */
const CLIPBOARD_MAX_CHARS = 1_000_000;

/** Lines of {@link TerminalSession.text}, from the end. */
export const TEXT_MAX_LINES = 5_000;

/** Milliseconds that a bell is seen. */
const BELL_DURATION_MS = 250;

/** Whether terminals speak to screen readers. It makes them slower. */
export const screenReader = stored("terminal-screen-reader", false, isBoolean);

/** Where a terminal's input goes. */
interface TerminalPeer {
  /** May throw if it cannot take that much. */
  write(data: string | Uint8Array): void;
  resize(size: TerminalSize): void;
}

interface Found {
  /** From 0; -1 if there are too many to be counted. */
  readonly index: number;
  readonly count: number;
}

let count = 0;

export class TerminalSession {
  /** Another one for each. */
  readonly id = `terminal-${++count}`;
  /** What the view puts into itself. */
  readonly host = document.createElement("div");
  readonly state = signal<"loading" | "there" | "failed">("loading");
  /** What the program calls the window; "" if it has not said. */
  readonly title = signal("");
  /** Tab moves the focus and does not go to the program. */
  readonly tabLeaves = signal(false);
  readonly searching = signal(false);
  readonly found = signal<Found | null>(null);
  readonly modifiers = signal<Modifiers>(NO_MODIFIERS);
  /** What the program wants on the clipboard, until the person has answered. */
  readonly offered = signal<string | null>(null);
  /** Rings as long as it is true. */
  readonly bell = signal(false);
  /** The last input was not taken. */
  readonly refused = signal(false);
  /** A place to paste into is wanted, as the page may not read the clipboard. */
  readonly pasting = signal(false);
  /** The program's text is shown for selecting. */
  readonly selecting = signal(false);
  readonly #scrollback = new Scrollback();
  readonly #peer: TerminalPeer;
  readonly #label: () => string;
  readonly #loaded: Promise<Terminal | null>;
  readonly #leave: (() => void)[] = [];
  readonly #touch = matchMedia("(pointer: coarse)").matches;
  /** It is a part of the page, which has keys of its own. */
  readonly #inPage: boolean;
  #terminal: Terminal | null = null;
  #search: Search | null = null;
  #webgl: ITerminalAddon | null = null;
  #webglAllowed: boolean;
  #fit: (() => void) | null = null;
  #frame: number | null = null;
  readonly #bellDebounce = new Debounce(() => {
    this.bell.value = false;
  }, BELL_DURATION_MS);
  #active = false;
  #over = false;
  #disposed = false;
  /** The person lets this program write to the clipboard. */
  #clipAllowed = false;
  #query = "";

  /** `label` is its name for screen readers. */
  constructor(
    peer: TerminalPeer,
    label: () => string,
    options: { readonly linksOf?: LinksOf; readonly inPage?: boolean } = {},
  ) {
    this.#peer = peer;
    this.#inPage = options.inPage ?? false;
    this.#label = label;
    this.host.className = "terminal-host";
    const memory = (navigator as { readonly deviceMemory?: number }).deviceMemory ?? WEBGL_MIN_MEMORY_GB;
    this.#webglAllowed = !this.#touch && memory >= WEBGL_MIN_MEMORY_GB && hasGraphics.value;
    this.#loaded = import("./xterm").then(
      (xterm) => (this.#disposed ? null : this.#open(xterm, options.linksOf ?? null)),
      () => {
        this.state.value = "failed";
        return null;
      },
    );
  }

  /** Shows output; settles when it is shown, so that no more comes than can be shown. */
  async output(bytes: Uint8Array): Promise<void> {
    this.#scrollback.add(bytes);
    const terminal = this.#terminal ?? (await this.#loaded);
    if (terminal === null || this.#disposed) return;
    await new Promise<void>((shown) => terminal.write(bytes, shown));
  }

  /**
   * The view has it in front. Only then it takes the graphics processor, of which browsers give few
   * pages' parts some.
   */
  show(active: boolean): void {
    this.#active = active;
    if (!active) this.#dropWebgl();
    else {
      this.#queueFit();
      void this.#loadWebgl();
    }
  }

  focus(): void {
    this.#terminal?.focus();
  }

  /** The program is over: nothing more is taken from the person. */
  end(): void {
    this.#over = true;
    if (this.#terminal !== null) {
      this.#terminal.options.disableStdin = true;
      this.#terminal.options.cursorBlink = false;
    }
  }

  /** A key of the row of keys, by its `KeyboardEvent.key` name. */
  press(key: string): void {
    const application = this.#terminal?.modes.applicationCursorKeysMode ?? false;
    this.#terminal?.scrollToBottom();
    this.#write(sequenceOf(key, this.#takeModifiers(), application));
  }

  /** What is selected, or null. */
  selection(): string | null {
    const terminal = this.#terminal;
    return terminal?.hasSelection() ? terminal.getSelection() : null;
  }

  /** Copies what is selected. Without a selection all text is shown, to select from. */
  async copy(): Promise<boolean> {
    const selected = this.selection();
    if (selected === null) {
      this.selecting.value = true;
      return false;
    }
    return copyText(selected);
  }

  async paste(): Promise<void> {
    const text = await readText();
    if (text === null) this.pasting.value = true;
    else this.insert(text);
  }

  /** Gives text to the program as pasted. */
  insert(text: string): void {
    if (text !== "") this.#terminal?.paste(text);
    this.focus();
  }

  clear(): void {
    this.#terminal?.clear();
    this.focus();
  }

  /** All that was output, as a file. */
  save(name: string): void {
    download(
      `${name}.log`,
      this.#scrollback.file((gone) => t("terminalGone", { count: gone })),
    );
  }

  /** The text of the screen and what is above it. */
  text(): string {
    const buffer = this.#terminal?.buffer.active;
    if (buffer === undefined) return "";
    const first = Math.max(0, buffer.length - TEXT_MAX_LINES);
    let text = "";
    for (let row = first; row < buffer.length; row += 1) {
      const line = buffer.getLine(row);
      if (line === undefined) break;
      const wraps = buffer.getLine(row + 1)?.isWrapped ?? false;
      text += line.translateToString(!wraps) + (wraps ? "" : "\n");
    }
    return `${text.trimEnd()}\n`;
  }

  find(query: string, way: "next" | "previous" | "typing"): void {
    const search = this.#search;
    if (search === null) return;
    this.#query = query;
    if (query === "") {
      search.clearDecorations();
      this.#terminal?.clearSelection();
      this.found.value = null;
      return;
    }
    const options = {
      incremental: way === "typing",
      decorations: {
        matchBackground: hex(color("--wait-tint")),
        matchOverviewRuler: hex(color("--wait")),
        activeMatchBackground: hex(color("--selection")),
        activeMatchColorOverviewRuler: hex(color("--accent")),
      },
    };
    if (way === "next") search.findNext(query, options);
    else search.findPrevious(query, options);
  }

  closeSearch(): void {
    this.searching.value = false;
    this.#search?.clearDecorations();
    this.found.value = null;
    this.focus();
  }

  /** Answers what {@link offered} asks. */
  async answerClip(answer: "no" | "once" | "always"): Promise<boolean> {
    const text = this.offered.value;
    this.offered.value = null;
    if (answer === "always") this.#clipAllowed = true;
    this.focus();
    return answer !== "no" && text !== null && copyText(text);
  }

  dispose(): void {
    this.#disposed = true;
    for (const leave of this.#leave.splice(0)) leave();
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#bellDebounce.cancel();
    this.#dropWebgl();
    this.#terminal?.dispose();
    this.#terminal = null;
    this.host.remove();
  }

  #open(xterm: Xterm, linksOf: LinksOf | null): Terminal {
    const terminal = new xterm.Terminal({
      allowProposedApi: true,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      disableStdin: this.#over,
      fontFamily: token("--mono"),
      fontSize: textSize.peek(),
      // At 1, some fonts have their underscores cut off.
      lineHeight: 1.15,
      minimumContrastRatio: 4.5,
      scrollback: this.#touch ? SCROLLBACK_LINES.touch : SCROLLBACK_LINES.usual,
      screenReaderMode: screenReader.peek(),
      theme: themeNow(),
      linkHandler: { activate: (_event, uri) => openLink(uri) },
    });
    this.#terminal = terminal;
    const fit = new xterm.FitAddon();
    const search = new xterm.SearchAddon();
    this.#search = search;
    terminal.loadAddon(fit);
    terminal.loadAddon(search);
    terminal.loadAddon(new xterm.WebLinksAddon((_event, uri) => openLink(uri)));
    terminal.loadAddon(new xterm.UnicodeGraphemesAddon());
    terminal.unicode.activeVersion = "15-graphemes";
    terminal.loadAddon(
      new xterm.ClipboardAddon(undefined, {
        readText: () => "",
        writeText: (_selection, text) => this.#offer(text),
      }),
    );
    // A program never learns what is on the clipboard. This is asked before the one above.
    terminal.parser.registerOscHandler(52, (data) => data.endsWith(";?") || data.length > 2 * CLIPBOARD_MAX_CHARS);
    if (linksOf !== null) terminal.registerLinkProvider(new FileLinks(terminal, linksOf));
    terminal.open(this.host);
    this.#fit = () => fit.fit();

    terminal.onData((data) => this.#write(modified(data, this.#takeModifiers())));
    terminal.onBinary((data) => this.#write(Uint8Array.from(data, (character) => character.charCodeAt(0))));
    terminal.onResize(({ rows, cols }) => this.#peer.resize({ rows, cols }));
    terminal.onTitleChange((title) => {
      this.title.value = title.replace(/[\p{Cc}\p{Cf}]/gu, "").slice(0, TITLE_MAX_CHARS);
    });
    terminal.onBell(() => this.#ring());
    search.onDidChangeResults(({ resultIndex, resultCount }) => {
      if (this.#query !== "") this.found.value = { index: resultIndex, count: resultCount };
    });
    terminal.attachCustomKeyEventHandler((event) => this.#onKey(event));
    const touch = new TouchScroll(terminal, this.host, (sequence) => this.#write(sequence));
    const observer = new ResizeObserver(() => this.#queueFit());
    observer.observe(this.host);
    this.#leave.push(
      () => touch.dispose(),
      () => observer.disconnect(),
      onSchemeChange(() => {
        terminal.options.theme = themeNow();
      }),
      effect(() => {
        terminal.options.fontSize = textSize.value;
        this.#queueFit();
      }),
      effect(() => {
        terminal.options.screenReaderMode = screenReader.value;
      }),
      effect(() => {
        const leaves = this.tabLeaves.value;
        terminal.textarea?.setAttribute(
          "aria-label",
          `${this.#label()}. ${t(leaves ? "terminalTabLeaves" : "terminalKeys")}`,
        );
      }),
    );
    this.state.value = "there";
    this.#queueFit();
    // What the server was told before may have been a guess.
    this.#peer.resize({ rows: terminal.rows, cols: terminal.cols });
    if (this.#active) void this.#loadWebgl();
    return terminal;
  }

  /** Whether the terminal takes the key; else it is the browser's. */
  #onKey(event: KeyboardEvent): boolean {
    if (event.type !== "keydown") return true;
    const key = event.key.toLowerCase();
    const both = event.ctrlKey && event.shiftKey && !event.altKey && !event.metaKey;
    if (both && key === "f") {
      event.preventDefault();
      this.searching.value = true;
      return false;
    }
    if (both && key === "c") {
      event.preventDefault();
      const selected = this.selection();
      if (selected !== null) void copyText(selected);
      return false;
    }
    // The browser pastes, and the terminal is told of that.
    if (both && key === "v") return false;
    // The same byte as Enter, so that no program lacks it.
    if (event.ctrlKey && !event.shiftKey && !event.altKey && !event.metaKey && key === "m") {
      event.preventDefault();
      this.tabLeaves.value = !this.tabLeaves.value;
      return false;
    }
    // Between the parts of the page, and what the page itself does.
    if (event.ctrlKey && (event.key === "F6" || event.key === ".")) return !this.#inPage;
    if (both && event.code === "Backquote") return !this.#inPage;
    if (key === "tab" && this.tabLeaves.value && !event.ctrlKey && !event.altKey && !event.metaKey) return false;
    return true;
  }

  #write(data: string | Uint8Array): void {
    if (this.#over || data.length === 0) return;
    try {
      this.#peer.write(data);
      this.refused.value = false;
    } catch {
      this.refused.value = true;
    }
  }

  #takeModifiers(): Modifiers {
    const now = this.modifiers.peek();
    if (now !== NO_MODIFIERS) this.modifiers.value = NO_MODIFIERS;
    return now;
  }

  #offer(text: string): void {
    if (text === "" || text.length > CLIPBOARD_MAX_CHARS) return;
    if (this.#clipAllowed && document.hasFocus()) {
      void copyText(text);
      return;
    }
    this.offered.value = text;
  }

  #ring(): void {
    this.bell.value = true;
    this.#bellDebounce.schedule();
  }

  #queueFit(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      // What is not shown has no size.
      if (!this.#disposed && this.host.clientWidth > 0 && this.host.clientHeight > 0) this.#fit?.();
    });
  }

  async #loadWebgl(): Promise<void> {
    if (!this.#webglAllowed || this.#webgl !== null || this.#terminal === null) return;
    try {
      const { WebglAddon } = await import("@xterm/addon-webgl");
      if (!this.#active || this.#webgl !== null || this.#disposed) return;
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => {
        this.#webglAllowed = false;
        this.#dropWebgl();
      });
      this.#terminal.loadAddon(webgl);
      this.#webgl = webgl;
    } catch {
      // No such graphics here: elements of the page are drawn instead.
      this.#webglAllowed = false;
    }
  }

  #dropWebgl(): void {
    const webgl = this.#webgl;
    this.#webgl = null;
    webgl?.dispose();
  }
}

/**
 * What browsers call graphics that the main processor draws. Not all of them count it as a caveat.
 */
const SOFTWARE_RENDERER = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/**
 * Whether there is a graphics processor. Where the main one does its work, a flood of output takes
 * ten times as long as with elements of the page.
 */
const hasGraphics = computed(() => {
  const context = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (context === null) return false;
  const named = context.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER;
  const renderer = String(context.getParameter(named));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE_RENDERER.test(renderer);
});

/**
 * Programs name addresses in what they print: only those of the web are opened, and the page there
 * learns nothing of this one.
 */
function openLink(uri: string): void {
  if (/^https?:\/\//i.test(uri)) window.open(uri, "_blank", "noopener,noreferrer");
}

/** Colours for xterm's search have to be `#rrggbb`; a colour that is not falls back to grey. */
function hex(colour: string): string {
  return /^#[0-9a-f]{6}$/i.test(colour) ? colour : "#808080";
}
