// @vitest-environment happy-dom

import { signal } from "@preact/signals";
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { modified, NO_MODIFIERS, sequenceOf } from "../src/terminal/keys";
import { FileLinks } from "../src/terminal/links";
import { DEFAULT_SIZE, estimateSize } from "../src/terminal/measure-size";
import { Scrollback } from "../src/terminal/scrollback";
import { TouchKeys } from "../src/terminal/TouchKeys";

describe("keys of a terminal", () => {
  it("are what terminals send", () => {
    expect(sequenceOf("ArrowUp", NO_MODIFIERS, false)).toBe("\x1b[A");
    expect(sequenceOf("ArrowUp", NO_MODIFIERS, true)).toBe("\x1bOA");
    expect(sequenceOf("ArrowLeft", { ctrl: true, alt: false }, true)).toBe("\x1b[1;5D");
    expect(sequenceOf("PageDown", NO_MODIFIERS, false)).toBe("\x1b[6~");
    expect(sequenceOf("|", NO_MODIFIERS, false)).toBe("|");
    expect(sequenceOf("Escape", NO_MODIFIERS, false)).toBe("\x1b");
  });

  it("are with Ctrl and Alt what these make of them, one character at a time", () => {
    const ctrl = { ctrl: true, alt: false };
    expect(modified("c", ctrl)).toBe("\x03");
    expect(modified("C", ctrl)).toBe("\x03");
    expect(modified("[", ctrl)).toBe("\x1b");
    expect(modified(" ", ctrl)).toBe("\0");
    expect(modified("é", ctrl)).toBe("é");
    expect(modified("copied", ctrl)).toBe("copied");
    expect(modified("b", { ctrl: false, alt: true })).toBe("\x1bb");
    expect(modified("d", { ctrl: true, alt: true })).toBe("\x1b\x04");
  });
});

describe("row of keys for fingers", () => {
  let root: HTMLElement;
  const press = vi.fn();
  const paste = vi.fn(async () => {});
  const modifiers = signal(NO_MODIFIERS);

  beforeEach(async () => {
    vi.useFakeTimers();
    press.mockClear();
    paste.mockClear();
    modifiers.value = NO_MODIFIERS;
    root = document.createElement("div");
    document.body.append(root);
    await act(() => render(<TouchKeys target={{ modifiers, press, paste, selecting: signal(false) }} />, root));
  });
  afterEach(() => {
    render(null, root);
    root.remove();
    vi.useRealTimers();
  });

  const button = (name: string) =>
    [...root.querySelectorAll("button")].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === name)!;
  const pointer = (type: string, target: HTMLElement) => {
    const event = new PointerEvent(type, { pointerId: 1, button: 0, bubbles: true, cancelable: true });
    target.dispatchEvent(event);
    return event;
  };

  it("does not take the focus, and counts a press when it ends on the key", () => {
    const esc = button("Esc");
    expect(pointer("pointerdown", esc).defaultPrevented).toBe(true);
    expect(press).not.toHaveBeenCalled();
    pointer("pointerup", esc);
    expect(press.mock.calls).toEqual([["Escape"]]);
  });

  it("counts no press when the row is pushed aside", () => {
    pointer("pointerdown", button("Esc"));
    pointer("pointercancel", button("Esc"));
    expect(press).not.toHaveBeenCalled();
  });

  it("repeats an arrow as long as it is held, and no longer", () => {
    const up = button("Arrow up");
    pointer("pointerdown", up);
    vi.advanceTimersByTime(400 + 5 * 60);
    expect(press).toHaveBeenCalledTimes(6);
    pointer("pointerup", up);
    vi.advanceTimersByTime(5000);
    expect(press).toHaveBeenCalledTimes(6);
  });

  it("stops repeating when it is taken away", async () => {
    pointer("pointerdown", button("Arrow up"));
    vi.advanceTimersByTime(500);
    const before = press.mock.calls.length;
    await act(() => render(null, root));
    vi.advanceTimersByTime(5000);
    expect(press).toHaveBeenCalledTimes(before);
  });

  it("has Ctrl and Alt stay for the next key", async () => {
    const ctrl = button("Ctrl, for the next key");
    await act(() => {
      pointer("pointerdown", ctrl);
      pointer("pointerup", ctrl);
    });
    expect(modifiers.value).toEqual({ ctrl: true, alt: false });
    expect(ctrl.getAttribute("aria-pressed")).toBe("true");
  });
});

describe("record of a terminal", () => {
  const bytes = async (record: Scrollback) => new Uint8Array(await record.file((gone) => `${gone} gone`).arrayBuffer());

  it("is what came, byte by byte", async () => {
    const record = new Scrollback();
    for (let count = 0; count < 1000; count += 1)
      record.add(Uint8Array.from({ length: 317 }, (_, at) => (count + at) % 256));
    const saved = await bytes(record);
    expect(saved.length).toBe(317_000);
    expect(saved.every((byte, at) => byte === (Math.floor(at / 317) + (at % 317)) % 256)).toBe(true);
  });

  it("keeps the newest, and says what is missing", async () => {
    const record = new Scrollback(200_000);
    for (let count = 0; count < 100; count += 1) record.add(new Uint8Array(10_000).fill(count));
    expect(record.size).toBeLessThanOrEqual(200_000);
    expect(record.size).toBeGreaterThan(200_000 - 65_536);
    expect(record.size + record.gone).toBe(1_000_000);
    const saved = await bytes(record);
    expect(new TextDecoder().decode(saved.slice(0, 20))).toContain(`${record.gone} gone\r\n`);
    expect(saved.at(-1)).toBe(99);
  });
});

describe("links of a terminal", () => {
  /** A terminal with these rows; those that begin with "+" go on with the line above. */
  const terminal = (cols: number, ...rows: string[]) => ({
    cols,
    buffer: {
      active: {
        getLine: (y: number) => {
          const row = rows[y];
          if (row === undefined) return undefined;
          const cells = [...row.replace(/^\+/, "")].flatMap((chars) =>
            chars > "\u2e80"
              ? [
                  { chars, width: 2 },
                  { chars: "", width: 0 },
                ]
              : [{ chars, width: 1 }],
          );
          return {
            isWrapped: row.startsWith("+"),
            getCell: (x: number) => ({ getChars: () => cells[x]?.chars ?? "", getWidth: () => cells[x]?.width ?? 1 }),
          };
        },
      },
    },
  });
  const linksIn = (fake: ReturnType<typeof terminal>, row: number) => {
    let found: unknown;
    new FileLinks(fake as never, (line) => {
      const at = line.indexOf("main.py");
      return at < 0 ? [] : [{ start: at, end: at + 7, activate: () => {} }];
    }).provideLinks(row, (links) => {
      found = links?.map(({ range, text }) => ({ range, text }));
    });
    return found;
  };

  it("are found in lines that are broken, from each of their rows", () => {
    const fake = terminal(10, "a", "File 'mai", "+n.py' x");
    fake.cols = 9;
    const link = [{ text: "main.py", range: { start: { x: 7, y: 2 }, end: { x: 4, y: 3 } } }];
    expect(linksIn(fake, 2)).toEqual(link);
    expect(linksIn(fake, 3)).toEqual(link);
    expect(linksIn(fake, 1)).toBeUndefined();
  });

  it("are where they are seen behind wide characters", () => {
    let seen = "";
    new FileLinks(terminal(8, "漢漢 x") as never, (line) => {
      seen = line;
      return [];
    }).provideLinks(1, () => {});
    expect(seen).toBe("漢漢 x  ");
    expect(linksIn(terminal(20, "漢漢 main.py"), 1)).toEqual([
      { text: "main.py", range: { start: { x: 6, y: 1 }, end: { x: 12, y: 1 } } },
    ]);
  });
});

describe("size that a terminal is guessed to have", () => {
  it("is the usual one where nothing can be measured", () => {
    expect(estimateSize(null, 14)).toEqual(DEFAULT_SIZE);
    expect(estimateSize(document.createElement("div"), 14)).toEqual(DEFAULT_SIZE);
  });
});
