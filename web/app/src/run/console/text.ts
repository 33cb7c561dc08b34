/**
 * Text of a program without a terminal, made into lines: what control characters and escape
 * sequences mean where there is no screen. Knows nothing of the page.
 *
 * Understood are CR, BS and "erase line" within the line that is being written (progress bars),
 * colours and fonts (SGR, ECMA-48 8.3.117), and "erase the screen". Everything else that a terminal
 * would obey is left out. */

/** What a program wrote to, or what a person has typed. */
export type Source = "stdout" | "stderr" | "typed";

/** How a run of characters looks. Equal ones are the same object. */
export interface Style {
  readonly source: Source;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  readonly struck: boolean;
  readonly inverse: boolean;
  /** 0 to 255, or `#rrggbb`; null is the usual one. */
  readonly color: number | string | null;
  readonly background: number | string | null;
}

export interface Span {
  text: string;
  readonly style: Style;
}

const styles = new Map<string, Style>();

/** More than any program uses on purpose; a hostile one makes up new colours forever. */
const INTERNED_STYLES_MAX = 4096;

function intern(style: Style): Style {
  const key = Object.values(style).join();
  const known = styles.get(key);
  if (known !== undefined) return known;
  if (styles.size >= INTERNED_STYLES_MAX) styles.clear();
  styles.set(key, style);
  return style;
}

export function plain(source: Source): Style {
  return intern({
    source,
    bold: false,
    dim: false,
    italic: false,
    underline: false,
    struck: false,
    inverse: false,
    color: null,
    background: null,
  });
}

/** Where lines go. */
export interface Sink {
  /** A line is complete. `ended` is false if it is only a piece of one that is too long. */
  line(spans: readonly Span[], ended: boolean): void;
  /** The program has erased the screen. */
  erase(): void;
}

/** Characters of a line that are held to be changed; a longer one is handed over in pieces. */
const LINE_MAX_CHARS = 8192;
/**
 * The same for changes of colour and font: writing over a line costs as much as it has of them.
 * Some for each column of a wide screen.
 */
const SPANS_PER_LINE_MAX = 512;
/** Characters of an escape sequence; what is longer is none. */
const ESCAPE_SEQUENCE_MAX_CHARS = 256;
/** The same for strings, such as a title or a link. */
const CONTROL_STRING_MAX_CHARS = 8192;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const CONTROL_CHARACTERS = /[\x00-\x08\x0a-\x1f\x7f\x9b]/g;
/** A control sequence: parameters, and the character that says what it is (ECMA-48 5.4). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const CONTROL_SEQUENCE = /^(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const SEQUENCE_BEGUN = /^(?:\x1b\[|\x9b)[0-?]*[ -/]*/;
/** What ends a string such as a title (ECMA-48 5.6). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const STRING_END = /\x07|\x1b\\|\x9c/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: likewise
const SHORT_SEQUENCE = /^\x1b[ -/]*[0-~]/;

export class ConsoleText {
  #styles: Record<Source, Style> = { stdout: plain("stdout"), stderr: plain("stderr"), typed: plain("typed") };
  #spans: Span[] = [];
  #length = 0;
  /** Where the next character goes; less than the length only after CR or BS. */
  #cursor = 0;
  /** The beginning of an escape sequence, of each source. */
  #pending: Record<Source, string> = { stdout: "", stderr: "", typed: "" };

  constructor(readonly sink: Sink) {}

  /** The line that is not complete yet. */
  get current(): readonly Span[] {
    return this.#spans;
  }

  get isLineStart(): boolean {
    return this.#length === 0;
  }

  clear(): void {
    this.#spans = [];
    this.#length = 0;
    this.#cursor = 0;
  }

  write(text: string, source: Source): void {
    let rest = this.#pending[source] + text;
    this.#pending[source] = "";
    while (rest !== "") {
      CONTROL_CHARACTERS.lastIndex = 0;
      const found = CONTROL_CHARACTERS.exec(rest);
      if (found === null) {
        this.#print(rest, source);
        return;
      }
      if (found.index > 0) this.#print(rest.slice(0, found.index), source);
      rest = rest.slice(found.index);
      const control = rest.charAt(0);
      if (control === "\x1b" || control === "\x9b") {
        const used = this.#sequence(rest, source);
        if (used === 0) {
          this.#pending[source] = rest;
          return;
        }
        rest = rest.slice(used);
        continue;
      }
      if (control === "\n") this.#endLine();
      else if (control === "\r") this.#cursor = 0;
      else if (control === "\b") this.#cursor = Math.max(0, this.#cursor - 1);
      else if (control === "\f") this.#endLine();
      rest = rest.slice(1);
    }
  }

  #endLine(): void {
    const spans = this.#spans;
    this.clear();
    this.sink.line(spans, true);
  }

  #print(text: string, source: Source): void {
    const style = this.#styles[source];
    if (this.#cursor === this.#length) {
      this.#append(text, style);
      this.#cursor = this.#length;
    } else {
      this.#overwrite(text, style);
    }
    if (this.#length > LINE_MAX_CHARS || this.#spans.length > SPANS_PER_LINE_MAX) {
      const spans = this.#spans;
      this.clear();
      this.sink.line(spans, false);
    }
  }

  #append(text: string, style: Style): void {
    const last = this.#spans.at(-1);
    if (last !== undefined && last.style === style) last.text += text;
    else this.#spans.push({ text, style });
    this.#length += text.length;
  }

  #overwrite(text: string, style: Style): void {
    const after = this.#slice(this.#cursor + text.length, this.#length);
    this.#spans = this.#slice(0, this.#cursor);
    this.#length = this.#cursor;
    this.#append(text, style);
    this.#cursor = this.#length;
    for (const span of after) this.#append(span.text, span.style);
  }

  #slice(from: number, to: number): Span[] {
    const spans: Span[] = [];
    let at = 0;
    for (const { text, style } of this.#spans) {
      const piece = text.slice(Math.max(0, from - at), Math.max(0, to - at));
      if (piece !== "") spans.push({ text: piece, style });
      at += text.length;
    }
    return spans;
  }

  /**
   * Obeys the escape sequence at the front, and says how long it is: 0 if it goes on in text to
   * come.
   */
  #sequence(text: string, source: Source): number {
    const head = text.slice(0, ESCAPE_SEQUENCE_MAX_CHARS);
    if (head === "\x1b") return 0;
    const begun = SEQUENCE_BEGUN.exec(head)?.[0];
    if (begun !== undefined) {
      const control = CONTROL_SEQUENCE.exec(head);
      if (control !== null) this.#obey(control[1] ?? "", control[2] ?? "", source);
      // One that is broken off by something else says nothing.
      return (
        control?.[0].length ??
        (begun.length === head.length && head.length < ESCAPE_SEQUENCE_MAX_CHARS ? 0 : begun.length)
      );
    }
    if (/[\]PX^_]/.test(head.charAt(1))) {
      const end = STRING_END.exec(text.slice(2, CONTROL_STRING_MAX_CHARS));
      if (end !== null) return 2 + end.index + end[0].length;
      return text.length < CONTROL_STRING_MAX_CHARS ? 0 : 2;
    }
    if (head === "\x1bc") this.#erase();
    const short = SHORT_SEQUENCE.exec(head);
    if (short !== null) return short[0].length;
    return /^.[ -/]*$/.test(head) && head.length < ESCAPE_SEQUENCE_MAX_CHARS ? 0 : 1;
  }

  #obey(parameters: string, final: string, source: Source): void {
    if (final === "m" && !/[<=>?]/.test(parameters)) {
      this.#styles[source] = withGraphics(this.#styles[source], parameters);
    } else if (final === "K") {
      const what = Number.parseInt(parameters, 10) || 0;
      const from = what === 0 ? this.#cursor : 0;
      const to = what === 1 ? this.#cursor : this.#length;
      const kept = [...this.#slice(0, from), ...blanks(from, what === 1 ? to : from), ...this.#slice(to, this.#length)];
      this.#spans = kept;
      this.#length = kept.reduce((sum, span) => sum + span.text.length, 0);
      this.#cursor = Math.min(this.#cursor, this.#length);
    } else if (final === "J" && /^[23]$/.test(parameters)) {
      this.#erase();
    } else if (final === "G") {
      this.#cursor = Math.min(Math.max(0, (Number.parseInt(parameters, 10) || 1) - 1), this.#length);
    } else if (final === "D") {
      this.#cursor = Math.max(0, this.#cursor - (Number.parseInt(parameters, 10) || 1));
    } else if (final === "C") {
      this.#cursor = Math.min(this.#length, this.#cursor + (Number.parseInt(parameters, 10) || 1));
    }
  }

  #erase(): void {
    this.clear();
    this.sink.erase();
  }
}

function blanks(from: number, to: number): Span[] {
  return to > from ? [{ text: " ".repeat(to - from), style: plain("stdout") }] : [];
}

/** The style after an SGR sequence. */
function withGraphics(before: Style, parameters: string): Style {
  const numbers = parameters.split(/[;:]/).map((text) => (text === "" ? 0 : Number.parseInt(text, 10)));
  let style: Style = before;
  for (let index = 0; index < numbers.length; index += 1) {
    const number = numbers[index] ?? 0;
    if (number === 0) style = plain(before.source);
    else if (number === 1) style = { ...style, bold: true };
    else if (number === 2) style = { ...style, dim: true };
    else if (number === 3) style = { ...style, italic: true };
    else if (number === 4) style = { ...style, underline: true };
    else if (number === 7) style = { ...style, inverse: true };
    else if (number === 9) style = { ...style, struck: true };
    else if (number === 22) style = { ...style, bold: false, dim: false };
    else if (number === 23) style = { ...style, italic: false };
    else if (number === 24) style = { ...style, underline: false };
    else if (number === 27) style = { ...style, inverse: false };
    else if (number === 29) style = { ...style, struck: false };
    else if (number >= 30 && number <= 37) style = { ...style, color: number - 30 };
    else if (number >= 90 && number <= 97) style = { ...style, color: number - 90 + 8 };
    else if (number >= 40 && number <= 47) style = { ...style, background: number - 40 };
    else if (number >= 100 && number <= 107) style = { ...style, background: number - 100 + 8 };
    else if (number === 39) style = { ...style, color: null };
    else if (number === 49) style = { ...style, background: null };
    else if (number === 38 || number === 48) {
      const [color, used] = extended(numbers.slice(index + 1));
      index += used;
      if (color !== null) style = number === 38 ? { ...style, color } : { ...style, background: color };
    }
  }
  return intern(style);
}

/** A colour of `38;5;n` or `38;2;r;g;b`, and how many numbers that took. */
function extended(numbers: readonly number[]): [number | string | null, number] {
  const byte = (value: number | undefined) => Math.min(255, Math.max(0, value || 0));
  if (numbers[0] === 5) return [byte(numbers[1]), 2];
  if (numbers[0] !== 2) return [null, numbers.length];
  const hex = numbers.slice(1, 4).map((value) => byte(value).toString(16).padStart(2, "0"));
  return [`#${hex.join("").padEnd(6, "0")}`, 4];
}
