import { describe, expect, it } from "vitest";
import { ConsoleText, type Sink, type Span } from "../src/run/console/text";

/** What the console has shown: complete lines, and how each looks. */
class Shown implements Sink {
  lines: string[] = [];
  spans: Span[] = [];
  erased = 0;

  line(spans: readonly Span[], ended: boolean): void {
    this.lines.push(spans.map((span) => span.text).join("") + (ended ? "" : "…"));
    this.spans.push(...spans);
  }

  erase(): void {
    this.erased += 1;
    this.lines = [];
  }
}

function show(...pieces: string[]): { shown: Shown; text: ConsoleText; current: string } {
  const shown = new Shown();
  const text = new ConsoleText(shown);
  for (const piece of pieces) text.write(piece, "stdout");
  return { shown, text, current: text.current.map((span) => span.text).join("") };
}

describe("lines", () => {
  it("keeps text as it is, and an unfinished line apart", () => {
    const { shown, current } = show("one\ntwo\n\nWho is there? ");
    expect(shown.lines).toEqual(["one", "two", ""]);
    expect(current).toBe("Who is there? ");
  });

  it("takes CR LF for one end of a line", () => {
    expect(show("one\r\ntwo\r\n").shown.lines).toEqual(["one", "two"]);
  });

  it("writes over the line after CR, as progress bars do", () => {
    expect(show("10 %\r20 %\r100 %\n").shown.lines).toEqual(["100 %"]);
    expect(show("abcdef\rXY\n").shown.lines).toEqual(["XYcdef"]);
    expect(show("abc\b\bX\n").shown.lines).toEqual(["aXc"]);
    expect(show("a long line\r\x1b[Kshort\n").shown.lines).toEqual(["short"]);
    expect(show("abc\x1b[1GX\x1b[2D\x1b[C\x1b[0K\n").shown.lines).toEqual(["X"]);
  });

  it("hands a line without an end over in pieces", () => {
    const { shown } = show("x".repeat(100_000));
    expect(shown.lines).toHaveLength(1);
    expect(shown.lines[0]).toHaveLength(100_001);
  });
});

describe("escape sequences", () => {
  it("colours what is behind them", () => {
    const { shown } = show("\x1b[1;31mred\x1b[0m plain \x1b[38;5;208mo\x1b[48;2;1;2;3mb\x1b[39;49;22m\n");
    expect(shown.lines).toEqual(["red plain ob"]);
    expect(shown.spans.map(({ style }) => [style.color, style.background, style.bold])).toEqual([
      [1, null, true],
      [null, null, false],
      [208, null, false],
      [208, "#010203", false],
    ]);
  });

  it("has a look for each source", () => {
    const shown = new Shown();
    const text = new ConsoleText(shown);
    text.write("\x1b[32mout ", "stdout");
    text.write("err", "stderr");
    text.write(" out\n", "stdout");
    expect(shown.spans.map(({ text, style }) => [text, style.source, style.color])).toEqual([
      ["out ", "stdout", 2],
      ["err", "stderr", null],
      [" out", "stdout", 2],
    ]);
  });

  it("leaves out what belongs to terminals", () => {
    const { shown } = show("\x1b]0;a title\x07a\x1b[?25lb\x1b[5;7Hc\x1b(Bd\x1b7e\x1bPq#0\x1b\\f\x9b31mg\x00\x07\n");
    expect(shown.lines).toEqual(["abcdefg"]);
  });

  it("erases the screen", () => {
    const { shown, current } = show("old\nold\x1b[H\x1b[2J\x1b[3Jnew");
    expect(shown.erased).toBe(2);
    expect(shown.lines).toEqual([]);
    expect(current).toBe("new");
  });

  it("does not mind where the text is cut", () => {
    const whole =
      "\x1b[1;31mred\x1b]8;;https://example.org\x1b\\link\x1b[0m\r\n\x1b(Bdone\x1b[38;2;255;128;0mo\x1b[K\n";
    const expected = show(whole).shown;
    expect(expected.lines).toEqual(["redlink", "doneo"]);
    for (let cut = 1; cut < whole.length; cut += 1) {
      expect(show(whole.slice(0, cut), whole.slice(cut)).shown.spans).toEqual(expected.spans);
    }
    expect(show(...whole).shown.lines).toEqual(expected.lines);
  });

  it("shows what only looks like one, and keeps nothing for ever", () => {
    expect(show("\x1b[31\nred").shown.lines).toEqual([""]);
    const { shown, current } = show(`\x1b]${"x".repeat(20_000)}`, "\ny");
    expect(shown.lines.length + current.length).toBeGreaterThan(0);
    expect(show(`\x1b[${"1;".repeat(5000)}`, "m\n").shown.lines.join("")).not.toContain("\x1b");
  });
});

describe("line that is written over", () => {
  it("of many colours costs little, and loses nothing", () => {
    const pieces: { text: string; ended: boolean }[] = [];
    const text = new ConsoleText({
      line: (spans, ended) => pieces.push({ text: spans.map((span) => span.text).join(""), ended }),
      erase: () => {},
    });
    const letters = Array.from({ length: 8000 }, (_, index) => String.fromCharCode(97 + (index % 26)));
    text.write(letters.map((letter, index) => `\x1b[${31 + (index % 6)}m${letter}`).join(""), "stdout");
    // Counted and not timed, as machines differ: this is what each of the following costs.
    expect(text.current.length).toBeLessThanOrEqual(512);
    text.write(`${"\rX".repeat(10_000)}\n`, "stdout");
    const all = pieces.map((piece) => piece.text).join("");
    expect(all.length).toBe(8000);
    expect([...all].filter((letter, index) => letter !== letters[index]).length).toBe(1);
    expect(pieces.filter((piece) => piece.ended).length).toBe(1);
  });
});
