// @vitest-environment happy-dom
import { Text } from "@codemirror/state";
import { describe, expect, it, vi } from "vitest";
import { decode, formatOf, isImage, TEXT_MAX_BYTES, toDocument, toRaw } from "../src/editor/content";
import { differingLines } from "../src/editor/diff";
import { DRAFTS_MAX_BYTES, Drafts } from "../src/editor/drafts";
import { difference } from "../src/editor/Editor";
import { indentationOf } from "../src/editor/indentation";
import { languageOf } from "../src/editor/languages";
import { foldersToShow } from "../src/editor/Tabs";
import { gather, parcelOf, TooMany, UPLOAD_MAX_ENTRIES } from "../src/files/dropped-files";
import { freeName, inOrder, nameFault } from "../src/files/names";
import { type Answer, Uploading } from "../src/files/uploads";
import { de } from "../src/text/de";
import { en } from "../src/text/en";
import { Device, gate, Memory } from "./device";

const text = (...lines: string[]) => Text.of(lines);

describe("names", () => {
  it("that the device would refuse are told before", () => {
    const faults = ["", "  ", "a/b", ".", "..", "a\nb", "\u0000", ".flnew-x", "ä".repeat(128)].map(nameFault);
    expect(faults).toEqual(["empty", "empty", "slash", "dots", "dots", "control", "control", "reserved", "long"]);
    for (const name of ["main.py", "ä".repeat(127), "...", "a b", ".hidden", "-x"]) expect(nameFault(name)).toBeNull();
  });

  it("that are free can be imported by Python", () => {
    const taken = new Set(["main.py", "main_2.py", "src", "archive.tar.gz", ".env"]);
    const free = (name: string) => freeName(name, (other) => taken.has(other));
    expect(free("new.py")).toBe("new.py");
    expect(free("main.py")).toBe("main_3.py");
    expect(free("main_2.py")).toBe("main_3.py");
    expect(free("src")).toBe("src_2");
    expect(free(".env")).toBe(".env_2");
  });

  it("are in the order in which people count", () => {
    const names = ["b2.py", "b10.py", "B1.py", "main_2.py", "main.py"].map((name) => ({ name, directory: false }));
    const sorted = [...names, { name: "z", directory: true }].sort(inOrder).map(({ name }) => name);
    expect(sorted).toEqual(["z", "B1.py", "b2.py", "b10.py", "main.py", "main_2.py"]);
  });

  it("of tabs say their folder if there are two of the same name", () => {
    expect(foldersToShow(["main.py", "a/main.py", "b.py"])).toEqual(["/", "a", null]);
  });
});

describe("file's text", () => {
  it("is the same bytes again, whatever its line ends", () => {
    for (const raw of ["", "\n", "a", "a\n", "a\r\nb", "a\rb", "a\r\nb\n", "\uFEFFa\n", "\r\n\r\n", "\r", "\n\r\n"]) {
      const format = formatOf(raw);
      expect(toRaw(toDocument(raw, format), format), JSON.stringify(raw)).toBe(raw);
    }
  });

  it("gets new lines that end like the others", () => {
    const format = formatOf("a\r\nb\r\n");
    expect(toRaw(toDocument("a\r\nb\r\n", format).replace(1, 1, text("", "c")), format)).toBe("a\r\nc\r\nb\r\n");
    expect([formatOf("a\nb").ending, formatOf("a\r\nb\n").ending, formatOf("a\rb").ending]).toEqual([
      "\n",
      "mixed",
      "mixed",
    ]);
  });

  it("is not taken for text if it is none", () => {
    expect(decode(new Uint8Array([65, 0, 66])).kind).toBe("binary");
    expect(decode(new Uint8Array([0xff, 65])).kind).toBe("foreign");
    expect(decode(new Uint8Array(TEXT_MAX_BYTES + 1).fill(65)).kind).toBe("large");
    expect(decode(new Uint8Array(TEXT_MAX_BYTES).fill(65)).kind).toBe("text");
    expect(isImage("a.PNG") && !isImage("png") && !isImage("a.py")).toBe(true);
  });

  it("keeps its way of indenting", () => {
    expect(indentationOf(text("if a:", "  b", "  if c:", "    d"), "x.py")).toBe("  ");
    expect(indentationOf(text("if (a) {", "\tb", "\tif (c) {", "\t\td"), "x.js")).toBe("\t");
    expect(indentationOf(text("a = 1"), "x.py")).toBe("    ");
    expect(indentationOf(text(""), "Makefile")).toBe("\t");
    expect(indentationOf(text("a"), "x.js")).toBe("  ");
  });

  it("has a language by its name, or by its first line", () => {
    const isThere = (found: unknown) => found !== null && typeof found !== "function";
    expect(isThere(languageOf("main.py", ""))).toBe(true);
    expect(isThere(languageOf("tool", "#!/usr/bin/env python3"))).toBe(true);
    expect(typeof languageOf("game.js", "")).toBe("function");
    expect(typeof languageOf("tool", "#!/bin/bash")).toBe("function");
    for (const name of ["constructor", "x.constructor", "__proto__", "x.__proto__", "notes.txt"]) {
      expect(languageOf(name, ""), name).toBeNull();
    }
  });

  it("changes only where it differs", () => {
    const from = text("one", "two", "three");
    const to = text("one", "2", "three");
    const change = difference(from, to);
    expect([change.from, change.to, change.insert.toString()]).toEqual([4, 7, "2"]);
    expect(difference(text("aa"), text("aaa"))).toMatchObject({ from: 2, to: 2 });
  });

  it("differs in lines that can be shown", () => {
    const lines = differingLines("a\nb\nc\nd", "a\nx\nc\nd\ne").map(
      ({ kind, number, text }) => `${kind} ${number} ${text}`,
    );
    expect(lines).toEqual(["mine 2 b", "theirs 2 x", "theirs 5 e"]);
    expect(differingLines("a", "a")).toEqual([]);
    const many = Array.from({ length: 5000 }, (_, at) => `${at}`);
    expect(differingLines(many.join("\n"), many.map((line) => `${line}!`).join("\n"))).toHaveLength(10_000);
  });
});

describe("drafts", () => {
  it("never take more than their share, and the newest stay", () => {
    const storage = new Memory();
    storage.setItem("another", "x".repeat(100));
    const drafts = new Drafts(storage);
    const quarter = "x".repeat(DRAFTS_MAX_BYTES / 8);
    for (let number = 0; number < 10; number += 1) expect(drafts.keep(`${number}.py`, quarter, number)).toBe(true);
    const size = [...storage.items].reduce((sum, [key, value]) => sum + 2 * (key.length + value.length), 0);
    expect(size).toBeLessThanOrEqual(DRAFTS_MAX_BYTES + 300);
    expect(drafts.paths()).toEqual(["7.py", "8.py", "9.py"]);
    expect(drafts.keep("large.py", "x".repeat(DRAFTS_MAX_BYTES), 11)).toBe(false);
    expect(drafts.paths()).toEqual(["7.py", "8.py", "9.py"]);
  });

  it("do without storage that is switched off or full", () => {
    const broken = new Memory();
    broken.setItem = () => {
      throw new Error("QuotaExceededError");
    };
    expect(new Drafts(broken).keep("a", "b", 1)).toBe(false);
    expect(new Drafts(null).keep("a", "b", 1)).toBe(false);
    expect(new Drafts(null).paths()).toEqual([]);
  });
});

const file = (path: string, content: string) => ({ path, file: new File([content], path, { lastModified: 5 }) });

describe("uploads", () => {
  const parcel = (...files: ReturnType<typeof file>[]) => ({ files, folders: [], unreadable: [] });

  it("ask before they replace, once if the answer is for all", async () => {
    const device = new Device();
    for (const name of ["a.py", "b.py"]) device.put(name, "old");
    const ask = vi.fn(async (): Promise<Answer> => ({ choice: "both", forAll: true }));
    const result = await new Uploading(device, ask).run(
      parcel(file("a.py", "1"), file("b.py", "2"), file("c.py", "3")),
      "",
    );
    expect(result).toEqual({ uploaded: 3, failures: [], stopped: false });
    expect(ask).toHaveBeenCalledTimes(1);
    expect(["a.py", "b.py", "a_2.py", "b_2.py", "c.py"].map((name) => device.text(name))).toEqual([
      "old",
      "old",
      "1",
      "2",
      "3",
    ]);
  });

  it("replace or leave out what they were told to", async () => {
    const device = new Device();
    for (const name of ["a.py", "b.py"]) device.put(name, "old");
    const ask = async (name: string): Promise<Answer> => ({
      choice: name === "a.py" ? "replace" : "skip",
      forAll: false,
    });
    const result = await new Uploading(device, ask).run(parcel(file("a.py", "1"), file("b.py", "2")), "");
    expect(result.uploaded).toBe(1);
    expect([device.text("a.py"), device.text("b.py")]).toEqual(["1", "old"]);
  });

  it("do not replace what was made while they were under way", async () => {
    const device = new Device();
    device.hold = async (request) => {
      if (request === "begin" && !device.stored.has("a.py")) device.put("a.py", "somebody's");
    };
    const ask = vi.fn(async (): Promise<Answer> => ({ choice: "skip", forAll: false }));
    await new Uploading(device, ask).run(parcel(file("a.py", "1")), "");
    expect(ask).toHaveBeenCalledTimes(1);
    expect(device.text("a.py")).toBe("somebody's");
  });

  it("can be stopped, and write no more after that", async () => {
    const device = new Device();
    const waiting = gate();
    device.hold = (request) => (request === "begin" ? waiting.passed : Promise.resolve());
    const uploading = new Uploading(device, async () => null);
    const files = Array.from({ length: 50 }, (_, at) => file(`${at}.txt`, "x"));
    const done = uploading.run(parcel(...files), "");
    await vi.waitFor(() => expect(device.writes.length).toBe(3));
    uploading.stop();
    waiting.open();
    expect(await done).toMatchObject({ uploaded: 0, stopped: true });
    expect(device.stored.size).toBe(0);
    expect(device.writes).toHaveLength(3);
  });

  it("tell what failed, and go on with the rest", async () => {
    const device = new Device();
    device.hold = async (request, path) => {
      if (request === "begin" && path === "a.py") device.refuse = 507;
      else if (request === "begin") device.refuse = 0;
    };
    const result = await new Uploading(device, async () => null).run(parcel(file("a.py", "1"), file("b.py", "2")), "");
    expect(result.uploaded + result.failures.length).toBe(2);
    expect(device.text("b.py")).toBe("2");
  });
});

describe("what is dropped", () => {
  /** An entry as browsers have them: a folder gives a few at a time. */
  function entry(name: string, inside?: unknown[]): FileSystemEntry {
    const batches =
      inside === undefined ? [] : [inside.slice(0, 2), inside.slice(2)].filter(({ length }) => length > 0);
    return {
      name,
      isFile: inside === undefined,
      isDirectory: inside !== undefined,
      file: (found: (file: File) => void) => found(new File([name], name)),
      createReader: () => ({ readEntries: (found: (entries: unknown[]) => void) => found(batches.shift() ?? []) }),
    } as unknown as FileSystemEntry;
  }
  const signal = new AbortController().signal;

  it("is gathered with all that is in folders", async () => {
    const dropped = [entry("a.py"), entry("d", [entry("b.py"), entry("e", []), entry("c.py")])];
    const parcel = await gather({ entries: dropped, files: [new File(["x"], "single.png")] }, () => {}, signal);
    expect(parcel.files.map(({ path }) => path)).toEqual(["single.png", "a.py", "d/b.py", "d/c.py"]);
    expect(parcel.folders).toEqual(["d", "d/e"]);
  });

  it("is given up if it is too much, or leads in a circle", async () => {
    const many = Array.from({ length: UPLOAD_MAX_ENTRIES + 1 }, (_, at) => entry(`${at}`));
    await expect(gather({ entries: many, files: [] }, () => {}, signal)).rejects.toBeInstanceOf(TooMany);
    const circle = {
      name: "c",
      isFile: false,
      createReader: () => {
        let given = false;
        return {
          readEntries: (found: (entries: unknown[]) => void) => {
            found(given ? [] : [circle]);
            given = true;
          },
        };
      },
    };
    const parcel = await gather({ entries: [circle as unknown as FileSystemEntry], files: [] }, () => {}, signal);
    expect(parcel.unreadable).toHaveLength(1);
    expect(parcel.folders.length).toBeLessThan(100);
  });

  it("leaves out names that the device would refuse", () => {
    const folder = new File(["x"], "x");
    Object.defineProperty(folder, "webkitRelativePath", { value: "a/../x" });
    const parcel = parcelOf([folder, new File(["y"], "y")]);
    expect(parcel.files.map(({ path }) => path)).toEqual(["y"]);
    expect(parcel.unreadable).toEqual(["a/../x"]);
  });
});

describe("texts", () => {
  it("have the same places for values in all languages", () => {
    const places = (words: string) => (words.match(/\{\w+\}/g) ?? []).sort();
    for (const key of Object.keys(en) as (keyof typeof en)[]) expect(places(de[key]), key).toEqual(places(en[key]));
  });
});
