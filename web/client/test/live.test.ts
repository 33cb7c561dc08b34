/** The library and the real server. */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { FilesError } from "../src/errors.js";
import type { FurtherLink } from "../src/link.js";
import type { WebSocketConstructor } from "../src/session.js";
import type { Device, FileChange, Program } from "../src/types.js";
import { BINARY, DEADLINE, TestServer } from "./server.js";

if (BINARY === undefined) console.warn("Skipped: set FURTHER_LINK_BINARY to the server to test the library with it.");

const until = (check: () => void) => vi.waitFor(check, { timeout: DEADLINE, interval: 10 });

/** All that a program puts out. */
function collect(program: Program): { stdout: () => string; stderr: () => string } {
  const texts = { stdout: "", stderr: "" };
  program.on("output", ({ stream, text }) => {
    texts[stream] += text;
  });
  return { stdout: () => texts.stdout, stderr: () => texts.stderr };
}

describe.skipIf(BINARY === undefined)("with the real server", { timeout: 3 * DEADLINE }, () => {
  const server = new TestServer();
  let link: FurtherLink;

  beforeAll(async () => {
    await server.start();
    link = server.link({ features: ["figure", "plot", "widget"] });
  }, DEADLINE);
  afterAll(() => server.dispose(), DEADLINE);

  test("20 MB of output come whole and in order, and the program waits for a slow consumer", async () => {
    const size = 20_000_000;
    const program = link.start({
      runner: "python3",
      code: `
import hashlib, random, sys
data = random.Random(1).randbytes(${size})
sys.stdout.buffer.write(data)
print(hashlib.sha256(data).hexdigest(), file=sys.stderr)
`,
    });
    const stdout = createHash("sha256");
    let stderr = "";
    let received = 0;
    let pending = 0;
    let most = 0;
    program.on("output", async ({ stream, bytes, text }) => {
      if (stream === "stderr") stderr += text;
      else {
        stdout.update(bytes);
        received += bytes.length;
      }
      pending += bytes.length;
      most = Math.max(most, pending);
      await new Promise((resolve) => setTimeout(resolve, 2));
      pending -= bytes.length;
    });
    expect(await program.ended).toEqual({ kind: "stopped", code: 0 });
    expect(pending).toBe(0);
    expect(received).toBe(size);
    expect(stdout.digest("hex")).toBe(stderr.trim());
    expect(most).toBeGreaterThan(16 * 1024);
    expect(most).toBeLessThanOrEqual(256 * 1024);
  });

  test("3 MB of input come back from cat, to the byte", async () => {
    const input = randomBytes(3_000_000);
    const program = link.start({ runner: "exec", path: "/bin/cat" });
    const output: Uint8Array[] = [];
    program.on("output", ({ bytes }) => void output.push(bytes));
    program.write(input);
    expect(program.end()).toBe(true);
    expect(await program.ended).toEqual({ kind: "stopped", code: 0 });
    expect(Buffer.concat(output).equals(input)).toBe(true);
  });

  test("a program that does not read is sent no more than it may be, and nothing is refused", async () => {
    const program = link.start({
      runner: "python3",
      code: "import time\ninput()\nprint('on', flush=True)\ntime.sleep(1000)",
    });
    const errors: unknown[] = [];
    program.on("error", (error) => errors.push(error));
    const { stdout } = collect(program);
    program.write("first\n");
    program.write(new Uint8Array(3_000_000));
    await until(() => expect(stdout()).toBe("on\n"));
    expect(program.waiting).toBeGreaterThan(1_500_000);
    program.stop();
    expect((await program.ended).kind).toBe("stopped");
    expect(errors).toEqual([]);
  });

  test("programs are told what they get, and stopped", async () => {
    const program = link.start({
      runner: "python3",
      code: "import os, sys, time\nprint(sys.argv[1:], os.get_terminal_size())\ntime.sleep(1000)",
      arguments: ["--speed", "two words", ""],
      pty: true,
      size: { rows: 33, cols: 77 },
    });
    const { stdout } = collect(program);
    await until(() => expect(stdout()).toBe("['--speed', 'two words', ''] os.terminal_size(columns=77, lines=33)\r\n"));
    program.stop();
    expect(await program.ended).toEqual({ kind: "stopped", code: -15 });
  });

  test("Ctrl-C reaches a flood", async () => {
    const program = link.start({ runner: "exec", path: "/usr/bin/yes", pty: true });
    let received = 0;
    program.on("output", ({ bytes }) => {
      received += bytes.length;
    });
    await until(() => expect(received).toBeGreaterThan(1_000_000));
    program.write("\x03");
    expect(await program.ended).toEqual({ kind: "stopped", code: -2 });
  });

  test("a start that fails says why", async () => {
    const program = link.start({ runner: "python3", path: "no such file.py" });
    expect(await program.ended).toEqual({
      kind: "failed",
      message: `There is no file ${join(server.folder, "work", "no such file.py")}.`,
      cause: "device",
    });
    expect(await link.start({ runner: "nosuch" }).ended).toHaveProperty("message", expect.stringMatching(/runner/));
  });

  test("what a program shows arrives, and it is told what the person does", async () => {
    const program = link.start({
      runner: "python3",
      code: `
import signal
from further_link import Button, KeyboardButton, plot, send_image
plot("Temperature", 0, inside=20.5)
send_image(b"\\xff\\xd8\\xff a picture \\xff\\xd9")
KeyboardButton("ArrowUp").when_pressed = lambda: print("up", flush=True)
Button("Go").when_pressed = lambda: print("go", flush=True)
print("ready", flush=True)
signal.pause()
`,
    });
    const { stdout, stderr } = collect(program);
    const told: unknown[] = [];
    program.on("plot", (plot) => told.push(plot.name, plot.series));
    program.on("video", async (picture) => told.push(await picture.text()));
    program.on("keylisten", (key) => told.push(key));
    let button = "";
    program.on("widget", ({ id, kind, data }) => {
      button = id;
      told.push(kind, data);
    });
    await until(() => expect([stderr() + stdout(), button]).toEqual(["ready\n", expect.stringMatching(/./)]));
    program.key("ArrowUp", "keydown");
    program.widget(button, "press");
    await until(() => expect((stderr() + stdout()).trim().split("\n").sort()).toEqual(["go", "ready", "up"]));
    expect(told).toEqual(
      expect.arrayContaining([
        "Temperature",
        [{ name: "inside", x: [0], y: [20.5] }],
        "ArrowUp",
        "button",
        { label: "Go" },
      ]),
    );
    expect(told).toContainEqual(expect.stringContaining(" a picture "));
    program.stop();
    await program.ended;
  });

  test("a server that gives text is understood, too", async () => {
    class WithoutSubprotocol extends WebSocket {
      constructor(url: string, _protocols: string[]) {
        super(url);
      }
    }
    const text = server.link({ WebSocket: WithoutSubprotocol as unknown as WebSocketConstructor });
    const program = text.start({ runner: "python3", code: "name = input()\nprint('Hällo', name)", pty: false });
    const { stdout } = collect(program);
    program.write("Ann\n");
    expect(await program.ended).toEqual({ kind: "stopped", code: 0 });
    expect(stdout()).toBe("Hällo Ann\n");
    text.close();
  });

  test("runners, the device and uploads", async () => {
    const runners = await link.runners();
    expect(runners.find(({ name }) => name === "python3")).toMatchObject({ extension: ".py", installed: true });

    const devices: (Device | null)[] = [];
    const stop = link.watchDevice((device) => devices.push(device));
    const asked = await link.device().catch((error) => error);
    await until(() => expect(devices.length).toBeGreaterThan(0));
    stop();
    if (asked instanceof FilesError) {
      expect([asked.status, devices]).toEqual([404, [null]]);
    } else {
      expect(asked.version).toBe((link.state as { version?: string }).version);
      expect(devices[0]).toMatchObject({ name: asked.name, version: asked.version });
    }

    expect(await link.upload({ name: "project", files: { "a/__proto__": { text: "ä" } } })).toEqual({
      fetchedUrls: true,
    });
    expect(readFileSync(join(server.folder, "work/project/a/__proto__"), "utf8")).toBe("ä");
    await expect(link.upload({ name: "../out", files: {} })).rejects.toMatchObject({ status: 500, name: "FilesError" });
  });

  test.each([
    "plain.txt",
    ".hidden",
    "%41 100%.txt",
    "a#b?c=d&e.txt",
    "Grüße, 世界 😀.txt",
    "a+b;c:d@e!$'()*,=~.txt",
    '"quoted" \\ back.txt',
    "line\nfeed.txt",
    " spaces ",
    "...",
    "a..b",
    "%2e%2e",
  ])("files may be called %j", async (name) => {
    const path = `names/${name}`;
    const content = `I am ${name}`;
    const { etag, created } = await link.files.write(path, content, { parents: true });
    expect(created).toBe(true);
    expect(readFileSync(join(server.folder, "work/names", name), "utf8")).toBe(content);
    const { entries } = await link.files.list("names");
    expect(entries).toEqual([
      expect.objectContaining({ name, directory: false, size: Buffer.byteLength(content), etag, unreadable: false }),
    ]);
    expect(Math.abs(entries[0]!.modified - Date.now())).toBeLessThan(60_000);
    const read = await link.files.read(path);
    expect([Buffer.from(read.bytes).toString(), read.etag]).toEqual([content, etag]);
    expect(await (await fetch(link.files.url(path))).text()).toBe(content);
    await link.files.move(path, `names/moved ${name}`);
    await link.files.remove(`names/moved ${name}`);
    expect((await link.files.list("/names/")).entries).toEqual([]);
  });

  test("the work folder, folders and archives", async () => {
    await link.files.makeFolder("folder/");
    await link.files.write("folder/inner.bin", new Uint8Array([0, 255]));
    const list = await link.files.list("");
    expect(list).toMatchObject({ writable: true, truncated: false, root: join(server.folder, "work") });
    expect(list.free).toBeGreaterThan(0);
    expect(list.entries.find(({ name }) => name === "folder")).toMatchObject({ directory: true, etag: null });
    const archive = await fetch(link.files.url("folder", { archive: true }));
    expect(archive.headers.get("content-type")).toBe("application/zip");
    await link.files.remove("folder");
    await expect(link.files.list("folder")).rejects.toMatchObject({ status: 404 });
  });

  test("what must not be asked for is not asked for", async () => {
    const names = ["..", "../x", "a/../../x", "./x", "a/."];
    for (const name of names) {
      await expect(link.files.read(name)).rejects.toMatchObject({ status: 403 });
      expect(() => link.files.url(name)).toThrow(FilesError);
    }
    await expect(link.files.read("a\ud800")).rejects.toMatchObject({ status: 400 });
    await expect(link.files.remove("")).rejects.toMatchObject({ status: 403 });
  });

  test("a file that has changed is not overwritten unseen", async () => {
    const first = await link.files.write("condition.txt", "1", { ifMatch: null });
    const refused = await link.files.write("condition.txt", "2", { ifMatch: null }).catch((error) => error);
    expect(refused).toMatchObject({ name: "FilesError", status: 412, etag: first.etag });
    expect(refused.message).not.toMatch(/412/);
    const second = await link.files.write("condition.txt", new Blob(["2"]), {
      ifMatch: first.etag,
      modified: 1e12 + 0.7,
    });
    expect(second).toMatchObject({ created: false });
    await expect(link.files.write("condition.txt", "3", { ifMatch: first.etag })).rejects.toMatchObject({
      status: 412,
      etag: second.etag,
    });
    const { entries } = await link.files.list("");
    expect(entries.find(({ name }) => name === "condition.txt")?.modified).toBe(1e12);
    await expect(link.files.move("condition.txt", "condition.txt2")).resolves.toBeUndefined();
    await link.files.write("condition.txt", "4");
    await expect(link.files.move("condition.txt", "condition.txt2")).rejects.toMatchObject({ status: 412 });
    await link.files.move("condition.txt", "condition.txt2", { overwrite: true });
  });

  test("an upload can be given up", async () => {
    const abort = new AbortController();
    abort.abort();
    await expect(link.files.write("given-up", "x", { signal: abort.signal })).rejects.toHaveProperty(
      "name",
      "AbortError",
    );
  });

  test("what changes is told, also after the server was away; programs are lost with it, and others start", async () => {
    await link.files.makeFolder("watched");
    const changes: FileChange[] = [];
    const stop = link.files.watch("watched", (change) => changes.push(change));
    const gone: FileChange[] = [];
    link.files.watch("watched/nothing", (change) => gone.push(change));
    await until(() => expect(gone).toEqual([{ kind: "gone" }]));

    // It has begun: from now on everything is told.
    await until(() => expect(changes).toEqual([{ kind: "overflow" }]));
    writeFileSync(join(server.folder, "work/watched/file 1%"), "");
    await until(() => expect(changes.length).toBe(2));
    expect(changes[1]).toMatchObject({ kind: "created", directory: false, path: "watched/file 1%" });
    await link.files.move("watched/file 1%", "watched/moved");
    await until(() => expect(changes.length).toBe(3));
    expect(changes[2]).toMatchObject({ kind: "moved", from: "watched/file 1%", path: "watched/moved" });

    const program = link.start({ runner: "python3", code: "import time\ntime.sleep(1000)" });
    await until(() => expect(program.state.kind).toBe("running"));
    const states: string[] = [];
    program.on("state", ({ kind }) => states.push(kind));
    const reasons: string[] = [];
    link.on("state", (state) => {
      if (state.kind === "waiting") reasons.push(state.reason);
    });
    await server.stop();
    await until(() => expect(states).toEqual(["lost"]));
    expect(reasons[0]).toBe("server-stopping");
    const next = link.start({ runner: "python3", code: "print('again')" });
    const { stdout } = collect(next);
    await server.start();
    expect(await next.ended).toEqual({ kind: "stopped", code: 0 });
    expect(stdout()).toBe("again\n");
    expect(states).toEqual(["lost"]);

    await until(() => expect(changes.at(-1)).toEqual({ kind: "overflow" }));
    writeFileSync(join(server.folder, "work/watched/later"), "");
    await until(() => expect(changes).toContainEqual(expect.objectContaining({ path: "watched/later" })));
    await link.files.remove("watched");
    await until(() => expect(changes.at(-1)).toEqual({ kind: "gone" }));
    stop();
  });
});
