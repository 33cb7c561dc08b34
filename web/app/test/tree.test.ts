import type { FileChange } from "further-link";
import { describe, expect, it } from "vitest";
import { isWithin, join, nameOf, parentOf } from "../src/files/names";
import { Tree } from "../src/files/tree";
import { Device } from "./device";

/** Numbers that look random and are the same in every run (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const shown = (tree: Tree): string[] => tree.rows.value.map(({ path, directory }) => (directory ? `${path}/` : path));

/** What the tree has to show: everything that is in folders that are open. */
function expected(device: Device, tree: Tree): string[] {
  const open = (path: string) => path === "" || (tree.isExpanded(path) && device.folders.has(path));
  const seen = (path: string) => {
    for (let folder = parentOf(path); ; folder = parentOf(folder)) {
      if (!open(folder)) return false;
      if (folder === "") return true;
    }
  };
  return [
    ...[...device.folders].filter((path) => path !== "" && seen(path)).map((path) => `${path}/`),
    ...[...device.stored.keys()].filter(seen),
  ].sort();
}

/**
 * Requests are looked at by the device at once, and their answers arrive when the test says so;
 * changes arrive in order.
 */
class Network {
  readonly device = new Device();
  readonly tree = new Tree(this.device);
  #answers: (() => void)[] = [];
  #changes: FileChange[] = [];

  constructor() {
    this.device.hold = () => new Promise((resolve) => this.#answers.push(resolve));
  }

  happens(change: FileChange): void {
    this.#changes.push(change);
  }

  async step(choice: () => number): Promise<void> {
    const which = Math.floor(choice() * (this.#answers.length + 1));
    if (which < this.#answers.length) this.#answers.splice(which, 1)[0]!();
    else {
      const change = this.#changes.shift();
      if (change !== undefined) this.tree.changed(change);
    }
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }

  async rest(): Promise<void> {
    while (this.#changes.length > 0 || this.#answers.length > 0) {
      for (const change of this.#changes.splice(0)) this.tree.changed(change);
      for (const answer of this.#answers.splice(0)) answer();
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    }
  }
}

describe("tree", () => {
  it("shows what is there in the order that people expect", async () => {
    const device = new Device();
    for (const name of ["part10.py", "part2.py", "Zebra.py", "alpha.py", ".hidden"]) device.put(name, "");
    device.folders.add("src");
    const tree = new Tree(device);
    await tree.list("");
    expect(shown(tree)).toEqual(["src/", "alpha.py", "part2.py", "part10.py", "Zebra.py"]);
    tree.hiddenShown.value = true;
    expect(shown(tree)).toContain(".hidden");
    expect(tree.rows.value[1]).toMatchObject({ level: 1, position: 2, siblings: 6 });
    expect(tree.root.value).toBe("/home/ann/further");
  });

  it("puts changes on top of a list that they have overtaken", async () => {
    const device = new Device();
    device.put("old.py", "");
    let arrive = () => {};
    device.hold = () =>
      new Promise((resolve) => {
        arrive = resolve;
      });
    const tree = new Tree(device);
    const listed = tree.list("");
    await Promise.resolve();
    // The list says what was there before.
    tree.changed({ kind: "deleted", path: "old.py", directory: false });
    tree.changed({ kind: "created", path: "new.py", directory: false, etag: null });
    arrive();
    await listed;
    expect(shown(tree)).toEqual(["new.py"]);
  });

  it("keeps folders open that are renamed, whoever does it, and in whichever order it becomes known", async () => {
    for (const order of ["event first", "list first"]) {
      const device = new Device();
      for (const folder of ["a", "a/b"]) device.folders.add(folder);
      device.put("a/b/x.py", "");
      const tree = new Tree(device);
      await tree.list("");
      await tree.expand("a");
      await tree.expand("a/b");
      tree.willMove("a", "c");
      device.rename("a", "c");
      const event: FileChange = { kind: "moved", from: "a", path: "c", directory: true, etag: null };
      if (order === "event first") tree.changed(event);
      await tree.list("");
      if (order === "list first") tree.changed(event);
      await tree.refresh();
      expect(shown(tree)).toEqual(["c/", "c/b/", "c/b/x.py"]);
    }
  });

  it("forgets a folder that is gone", async () => {
    const device = new Device();
    device.folders.add("a");
    device.put("a/x.py", "");
    const tree = new Tree(device);
    await tree.list("");
    await tree.expand("a");
    device.folders.delete("a");
    device.stored.clear();
    tree.changed({ kind: "deleted", path: "a", directory: true });
    expect(shown(tree)).toEqual([]);
    expect(tree.isExpanded("a")).toBe(false);
    expect(tree.empty.value).toBe(true);
  });

  it("is as the device after any changes, in whatever order they are told", async () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const next = random(seed);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
      const network = new Network();
      const { device, tree } = network;
      const names = ["a", "b", "c"];
      void tree.list("");
      for (let step = 0; step < 60; step += 1) {
        const folder = pick([...device.folders]);
        const path = join(folder, pick(names));
        const there = device.stored.has(path) || device.folders.has(path);
        switch (Math.floor(next() * 8)) {
          case 0:
            if (there) break;
            device.put(path, "");
            network.happens({ kind: "created", path, directory: false, etag: null });
            break;
          case 1:
            if (there || path.length > 7) break;
            device.folders.add(path);
            network.happens({ kind: "created", path, directory: true, etag: null });
            break;
          case 2: {
            if (!there) break;
            const directory = device.folders.has(path);
            for (const other of [...device.stored.keys()]) if (isWithin(other, path)) device.stored.delete(other);
            for (const other of [...device.folders]) if (isWithin(other, path)) device.folders.delete(other);
            network.happens({ kind: "deleted", path, directory });
            break;
          }
          case 3: {
            const to = join(pick([...device.folders]), pick(names));
            const taken = device.stored.has(to) || device.folders.has(to);
            if (!there || taken || isWithin(to, path) || to.length > 9) break;
            const directory = device.folders.has(path);
            if (next() < 0.5) tree.willMove(path, to);
            device.rename(path, to);
            network.happens({ kind: "moved", from: path, path: to, directory, etag: null });
            break;
          }
          case 4: {
            const row = pick(tree.rows.value.filter(({ directory }) => directory));
            if (row !== undefined) void tree.expand(row.path);
            break;
          }
          case 5: {
            const row = pick(tree.rows.value.filter(({ directory }) => directory));
            if (row !== undefined && next() < 0.3) tree.collapse(row.path);
            break;
          }
          case 6:
            if (next() < 0.1) network.happens({ kind: "overflow" });
            break;
          default:
            if (next() < 0.2) void tree.list(folder);
        }
        if (next() < 0.6) await network.step(next);
      }
      await network.rest();
      expect(shown(tree).sort(), `seed ${seed}`).toEqual(expected(device, tree));
    }
  });

  it("is quick with a large folder", async () => {
    const device = new Device();
    for (let number = 0; number < 20_000; number += 1) device.put(`file${number}.txt`, "");
    const tree = new Tree(device);
    await tree.list("");
    const before = performance.now();
    expect(tree.rows.value).toHaveLength(20_000);
    for (let number = 0; number < 10; number += 1) {
      tree.changed({ kind: "created", path: `new${number}`, directory: false, etag: null });
      expect(tree.rows.value).toHaveLength(20_001 + number);
    }
    expect(performance.now() - before).toBeLessThan(3000);
    expect(nameOf(tree.rows.value.at(-1)!.path)).toBe("new9");
  });

  it("tells of open folders that are too large to be listed whole", async () => {
    const device = new Device();
    device.folders.add("data");
    const list = device.list.bind(device);
    device.list = async (folder) => ({ ...(await list(folder)), truncated: folder === "data" });
    const tree = new Tree(device);
    await tree.list("");
    expect(tree.truncated.value).toEqual([]);
    await tree.expand("data");
    expect(tree.truncated.value).toEqual(["data"]);
    tree.collapse("data");
    expect(tree.truncated.value).toEqual([]);
  });
});
