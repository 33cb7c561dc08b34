import { Text } from "@codemirror/state";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AUTOSAVE_DELAY_MS, NotSaved, type OpenDocument } from "../src/editor/document";
import { Documents, NoSuchFile } from "../src/editor/documents";
import { Device, gate, Memory } from "./device";

let device: Device;
let storage: Memory;
let documents: Documents;

beforeEach(() => {
  vi.useFakeTimers();
  device = new Device();
  storage = new Memory();
  documents = new Documents(device, storage);
});

afterEach(() => {
  vi.useRealTimers();
});

async function opened(text: string, path = "main.py"): Promise<OpenDocument> {
  device.put(path, text);
  return documents.open(path);
}

function type(document: OpenDocument, text: string): void {
  document.edited(Text.of(text.split("\n")));
}

/** Lets everything happen that is not waiting for time to pass. */
async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

describe("saving", () => {
  it("happens by itself one second after the last change, and not before", async () => {
    const document = await opened("one");
    type(document, "two");
    await vi.advanceTimersByTimeAsync(AUTOSAVE_DELAY_MS - 1);
    type(document, "three");
    await vi.advanceTimersByTimeAsync(AUTOSAVE_DELAY_MS - 1);
    expect(device.text("main.py")).toBe("one");
    expect(document.unsaved.value).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(device.text("main.py")).toBe("three");
    expect(document.unsaved.value).toBe(false);
    expect(device.writes).toHaveLength(1);
  });

  it("does nothing if the text is again what it was", async () => {
    const document = await opened("one");
    type(document, "two");
    type(document, "one");
    expect(document.unsaved.value).toBe(false);
    await vi.advanceTimersByTimeAsync(10 * AUTOSAVE_DELAY_MS);
    expect(device.writes).toHaveLength(0);
  });

  it("never writes a file twice at a time, and writes what was typed meanwhile afterwards", async () => {
    const document = await opened("0");
    const first = gate();
    device.hold = (request) => (request === "write" ? first.passed : Promise.resolve());
    type(document, "1");
    const one = document.save();
    await settle();
    type(document, "2");
    const two = document.save();
    const three = document.save();
    await settle();
    expect(device.writes.map(({ text }) => text)).toEqual(["1"]);
    first.open();
    await Promise.all([one, two, three]);
    expect(device.writes.map(({ text }) => text)).toEqual(["1", "2"]);
    expect(device.overlap).toBe(1);
    expect(document.unsaved.value).toBe(false);
  });

  it("keeps a mark in front, line ends and a missing last line end as they were", async () => {
    for (const text of ["\uFEFFa\r\nb", "a\nb\n", "a\r\nb\r\n", "a\r\nb\nc\rd"]) {
      const document = await opened(text, "kept.txt");
      const changed = document.content.replace(0, 1, Text.of(["A"]));
      document.edited(changed);
      await document.save();
      expect(device.text("kept.txt")).toBe(text.replace("a", "A"));
      documents.close(document, true);
    }
  });

  it("saves on when only the mode has changed", async () => {
    const document = await opened("one");
    device.chmod("main.py");
    type(document, "two");
    await document.save();
    expect(device.text("main.py")).toBe("two");
    expect(document.problem.value).toBeNull();
  });

  it("gives up for now when the tag changes all the time", async () => {
    const document = await opened("one");
    device.hold = async (request) => {
      if (request === "begin") device.chmod("main.py");
    };
    type(document, "two");
    await expect(document.save()).rejects.toBeInstanceOf(NotSaved);
    expect(document.unsaved.value).toBe(true);
    expect(device.writes.length).toBeLessThan(10);
  });

  it("saves everything, and says what could not be", async () => {
    const a = await opened("a", "a.py");
    const b = await opened("b", "b.py");
    type(a, "A");
    type(b, "B");
    device.put("a.py", "theirs");
    await expect(documents.saveAll()).rejects.toMatchObject({ path: "a.py" });
    expect(device.text("b.py")).toBe("B");
    expect(a.unsaved.value).toBe(true);
  });
});

describe("conflict", () => {
  it("overwrites nobody, and lets the person keep theirs", async () => {
    const document = await opened("base");
    type(document, "mine");
    device.put("main.py", "theirs");
    await vi.advanceTimersByTimeAsync(AUTOSAVE_DELAY_MS);
    expect(device.text("main.py")).toBe("theirs");
    expect(document.problem.value?.kind).toBe("changed");
    type(document, "mine!");
    await vi.advanceTimersByTimeAsync(60 * AUTOSAVE_DELAY_MS);
    expect(device.text("main.py")).toBe("theirs");
    document.takeTheirs();
    expect(document.content.toString()).toBe("theirs");
    expect(document.unsaved.value).toBe(false);
    expect(storage.getItem("further-link.draft:main.py")).toBeNull();
  });

  it("keeps mine only over what was seen", async () => {
    const document = await opened("base");
    type(document, "mine");
    device.put("main.py", "theirs");
    await document.save().catch(() => {});
    device.put("main.py", "newer");
    await document.keepMine().catch(() => {});
    expect(device.text("main.py")).toBe("newer");
    expect(document.problem.value).toMatchObject({ kind: "changed", theirs: "newer" });
    await document.keepMine();
    expect(device.text("main.py")).toBe("mine");
  });

  it("is none if both have written the same", async () => {
    const document = await opened("base");
    type(document, "same");
    device.put("main.py", "same");
    await document.save();
    expect(document.unsaved.value).toBe(false);
    expect(document.problem.value).toBeNull();
  });

  it("is none with an own write whose answer was lost", async () => {
    const document = await opened("base");
    type(document, "mine");
    device.loseAnswer = true;
    await expect(document.save()).rejects.toBeInstanceOf(NotSaved);
    expect(document.problem.value).toMatchObject({ kind: "failed", status: null });
    type(document, "mine, and more");
    await document.save();
    expect(device.text("main.py")).toBe("mine, and more");
    expect(document.problem.value).toBeNull();
  });
});

describe("what happens on the device", () => {
  const changed = (etag: string | null = null) =>
    ({ kind: "changed", path: "main.py", directory: false, etag }) as const;

  it("is taken over by a file without changes", async () => {
    const document = await opened("one");
    const before = document.revision.value;
    documents.changed(changed(device.put("main.py", "two")));
    await vi.advanceTimersByTimeAsync(1000);
    expect(document.content.toString()).toBe("two");
    expect(document.revision.value).toBe(before + 1);
    expect(document.unsaved.value).toBe(false);
  });

  it("is a conflict for a file with changes", async () => {
    const document = await opened("one");
    type(document, "mine");
    documents.changed(changed(device.put("main.py", "two")));
    await vi.advanceTimersByTimeAsync(AUTOSAVE_DELAY_MS - 1);
    expect(document.content.toString()).toBe("mine");
    expect(document.problem.value?.kind).toBe("changed");
  });

  it("is not looked at again after an own write", async () => {
    const document = await opened("one");
    type(document, "two");
    await document.save();
    let reads = 0;
    device.hold = async (request) => {
      if (request === "read") reads += 1;
    };
    documents.changed(changed('"2"'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(reads).toBe(0);
    // With the tag of an own write and another one in a row, it is.
    documents.changed(changed('"2"'));
    documents.changed(changed(device.put("main.py", "three")));
    await vi.advanceTimersByTimeAsync(1000);
    expect(document.content.toString()).toBe("three");
  });

  it("keeps a deleted file's text, and makes it again only when that is wanted", async () => {
    const document = await opened("one");
    device.stored.delete("main.py");
    documents.changed({ kind: "deleted", path: "main.py", directory: false });
    await vi.advanceTimersByTimeAsync(1000);
    expect(document.problem.value?.kind).toBe("deleted");
    expect(document.unsaved.value).toBe(true);
    type(document, "more");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(device.text("main.py")).toBeNull();
    await documents.saveAll();
    expect(device.text("main.py")).toBe("more");
    expect(document.problem.value).toBeNull();
  });

  it("does not ask for a file that it has just heard to be gone", async () => {
    const document = await opened("one");
    documents.changed(changed());
    await vi.advanceTimersByTimeAsync(1);
    documents.changed(changed());
    device.stored.delete("main.py");
    documents.changed({ kind: "deleted", path: "main.py", directory: false });
    let asked = 0;
    device.hold = async () => {
      asked += 1;
    };
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBe(0);
    expect(document.problem.value?.kind).toBe("deleted");
    // But again when it is there again.
    documents.changed({ kind: "created", path: "main.py", directory: false, etag: device.put("main.py", "one") });
    await vi.advanceTimersByTimeAsync(1000);
    expect(document.problem.value).toBeNull();
    expect(document.unsaved.value).toBe(false);
  });

  it("does not make again what was deleted in another tab", async () => {
    const gone = await opened("gone", "gone.py");
    await opened("one");
    device.stored.delete("gone.py");
    documents.changed({ kind: "deleted", path: "gone.py", directory: false });
    await vi.advanceTimersByTimeAsync(1000);
    await documents.saveAll();
    expect(device.text("gone.py")).toBeNull();
    expect(gone.unsaved.value).toBe(true);
  });

  it("lets an open file go along when it is moved, also while it is being saved", async () => {
    device.folders.add("old");
    const document = await opened("one", "old/main.py");
    const begun = gate();
    device.hold = (request) => (request === "begin" ? begun.passed : Promise.resolve());
    type(document, "two");
    const saved = document.save();
    await settle();
    device.rename("old", "new");
    documents.changed({ kind: "moved", from: "old", path: "new", directory: true, etag: null });
    begun.open();
    await vi.advanceTimersByTimeAsync(2000);
    await saved;
    expect(document.path.value).toBe("new/main.py");
    expect(device.text("new/main.py")).toBe("two");
    expect(device.text("old/main.py")).toBeNull();
  });
});

describe("lost connection", () => {
  it("keeps the text unsaved, as a draft, and saves it when the device is back", async () => {
    const document = await opened("one");
    device.offline = true;
    type(document, "two");
    await vi.advanceTimersByTimeAsync(AUTOSAVE_DELAY_MS);
    expect(document.problem.value).toMatchObject({ kind: "failed", status: null });
    expect(storage.getItem("further-link.draft:main.py")).toContain("two");
    device.offline = false;
    documents.connected();
    await settle();
    expect(device.text("main.py")).toBe("two");
    expect(document.problem.value).toBeNull();
    expect(storage.getItem("further-link.draft:main.py")).toBeNull();
  });

  it("is noticed when the device just does not answer", async () => {
    const document = await opened("one");
    const never = gate();
    device.hold = () => never.passed;
    documents.changed({ kind: "changed", path: "main.py", directory: false, etag: null });
    type(document, "two");
    await vi.advanceTimersByTimeAsync(70_000);
    expect(document.problem.value).toMatchObject({ kind: "failed", status: null });
    device.hold = async () => {};
    const saved = document.save();
    await vi.advanceTimersByTimeAsync(40_000);
    await saved;
    expect(device.text("main.py")).toBe("two");
    // What was given up arrives after all: its writer has stopped waiting for it.
    never.open();
    await settle();
    expect(document.unsaved.value).toBe(false);
  });

  it("tries again by itself, and ever more rarely", async () => {
    const document = await opened("one");
    device.refuse = 507;
    type(document, "two");
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(device.writes.length).toBeGreaterThan(5);
    expect(device.writes.length).toBeLessThan(20);
    device.refuse = 0;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(device.text("main.py")).toBe("two");
  });

  it("does not try again what is forbidden", async () => {
    const document = await opened("one");
    device.refuse = 403;
    type(document, "two");
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    expect(device.writes).toHaveLength(1);
    expect(document.problem.value).toMatchObject({ kind: "failed", status: 403 });
  });
});

describe("next visit", () => {
  it("has the tabs again, without those whose files are gone", async () => {
    await opened("a", "a.py");
    await opened("b", "b.py");
    await opened("c", "c.py");
    documents.show(documents.find("b.py")!);
    device.stored.delete("a.py");
    const next = new Documents(device, storage);
    await next.restore();
    expect(next.list.value.map((document) => document.path.value)).toEqual(["b.py", "c.py"]);
    expect(next.active.value?.path.value).toBe("b.py");
  });

  it("offers text that was not saved", async () => {
    const document = await opened("one");
    device.offline = true;
    type(document, "two");
    documents.leave();
    await settle();
    device.offline = false;
    const next = new Documents(device, storage);
    await next.restore();
    const again = next.find("main.py")!;
    expect(again.content.toString()).toBe("one");
    expect(again.offer.value?.raw).toBe("two");
    // What is typed before that is decided does not take its place.
    type(again, "three");
    again.keepDraft();
    expect(storage.getItem("further-link.draft:main.py")).toContain("two");
    again.restoreDraft();
    expect(again.content.toString()).toBe("two");
    await again.save();
    expect(device.text("main.py")).toBe("two");
    expect(storage.getItem("further-link.draft:main.py")).toBeNull();
  });

  it("leaves the draft of another page alone", async () => {
    const mine = await opened("one");
    // Another page of the same browser, with the same file and nothing unsaved.
    const others = new Documents(device, storage);
    const theirs = await others.open("main.py");
    device.offline = true;
    type(mine, "two");
    await vi.advanceTimersByTimeAsync(AUTOSAVE_DELAY_MS);
    expect(storage.getItem("further-link.draft:main.py")).toContain("two");

    device.offline = false;
    device.put("main.py", "three");
    await theirs.check();
    expect(theirs.content.toString()).toBe("three");
    expect(storage.getItem("further-link.draft:main.py")).toContain("two");
    others.close(theirs, true);
    expect(storage.getItem("further-link.draft:main.py")).toContain("two");
  });

  it("brings back the text of a file that is gone", async () => {
    storage.setItem("further-link.draft:lost.py", JSON.stringify({ raw: "text", at: 1 }));
    await documents.restore();
    const document = documents.find("lost.py")!;
    expect(document.content.toString()).toBe("text");
    expect(document.problem.value?.kind).toBe("deleted");
    await document.save({ again: true });
    expect(device.text("lost.py")).toBe("text");
  });

  it("lives with what others have put into the storage", async () => {
    storage.setItem("further-link.tabs", '{"paths":[1,null,"a.py"],"active":{}}');
    storage.setItem("further-link.draft:x", "{");
    device.put("a.py", "a");
    await documents.restore();
    expect(documents.list.value.map((document) => document.path.value)).toEqual(["a.py"]);
  });
});

describe("opening", () => {
  it("says that there is no such file, and leaves no tab", async () => {
    const before = await opened("one");
    await expect(documents.open("none.py")).rejects.toBeInstanceOf(NoSuchFile);
    expect(documents.list.value).toEqual([before]);
    expect(documents.active.value).toBe(before);
  });

  it("shows what is no text, or not in UTF-8, and never writes it", async () => {
    device.put("data.bin", new Uint8Array([1, 0, 2]));
    device.put("old.txt", new Uint8Array([0x47, 0x72, 0xfc, 0xdf, 0x65]));
    device.put("large.txt", new Uint8Array(16 * 1024 * 1024 + 1).fill(97));
    expect((await documents.open("data.bin")).view.value).toBe("binary");
    expect((await documents.open("large.txt")).view.value).toBe("large");
    const old = await documents.open("old.txt");
    expect(old.view.value).toBe("foreign");
    expect(old.content.toString()).toBe("Grüße");
    type(old, "x");
    await vi.advanceTimersByTimeAsync(5000);
    expect(device.writes).toHaveLength(0);
  });

  it("does not fetch what is too large", async () => {
    device.put("large.txt", new Uint8Array(16 * 1024 * 1024 + 1));
    device.hold = async (request) => {
      if (request === "read") throw new Error("fetched");
    };
    expect((await documents.open("large.txt")).view.value).toBe("large");
  });

  it("can be tried again", async () => {
    device.put("main.py", "one");
    device.offline = true;
    await expect(documents.open("main.py")).rejects.toThrow();
    const document = documents.find("main.py")!;
    expect(document.view.value).toBe("failed");
    device.offline = false;
    documents.connected();
    await settle();
    expect(document.view.value).toBe("text");
  });
});
