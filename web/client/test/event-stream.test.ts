/** Streams of events: what they say, in whatever pieces, and how they come back. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { addressOf } from "../src/address.js";
import { watchDevice } from "../src/device.js";
import { EventParser } from "../src/event-stream.js";
import { FurtherLink } from "../src/link.js";
import type { Device, FileChange } from "../src/types.js";
import { soon } from "./fake.js";

/** The far ends of the requests that were made. */
class Streams {
  readonly asked: { url: URL; signal: AbortSignal; tell: (text: string) => void; end: () => void }[] = [];
  answer: () => { status?: number; type?: string } = () => ({});

  readonly fetch = (async (url: URL, init: RequestInit) => {
    const { status = 200, type = "text/event-stream" } = this.answer();
    if (status === 0) throw new TypeError("nobody there");
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (made) => {
        controller = made;
      },
    });
    const encoder = new TextEncoder();
    this.asked.push({
      url,
      signal: init.signal!,
      // What is said after the end is said to nobody.
      tell: (text) => {
        if (!init.signal!.aborted) controller.enqueue(encoder.encode(text));
      },
      end: () => controller.close(),
    });
    return new Response(body, { status, headers: { "Content-Type": type } });
  }) as unknown as typeof fetch;

  get last() {
    return this.asked.at(-1)!;
  }
}

function parsed(...pieces: string[]): [string, string][] {
  const events: [string, string][] = [];
  const parser = new EventParser((name, data) => events.push([name, data]));
  for (const piece of pieces) parser.push(piece);
  return events;
}

describe("events", () => {
  const TEXT =
    'retry: 2000\n\n:\n\nevent: change\ndata: {"path":"ä"}\n\nevent: overflow\ndata: {}\n\ndata:one\ndata: two\nid: 7\n\n';
  const EVENTS = [
    ["change", '{"path":"ä"}'],
    ["overflow", "{}"],
    ["message", "one\ntwo"],
  ];

  test("with each kind of line end, and cut anywhere", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      const text = TEXT.replaceAll("\n", end);
      for (let at = 0; at <= text.length; at += 1) {
        // The last carriage return may be half of a line end.
        expect(parsed(text.slice(0, at), text.slice(at), ":")).toEqual(EVENTS);
      }
      expect(parsed(...text, ":")).toEqual(EVENTS);
    }
  });

  test("without data are none, and what is not ended is not told", () => {
    expect(parsed("event: change\n\n", "data: x\n", "nonsense\n", "data")).toEqual([]);
    expect(parsed("data\n\n")).toEqual([["message", ""]]);
  });

  test("that never end are given up", () => {
    const endless = (piece: string) => () => parsed(...Array<string>(100).fill(piece));
    expect(endless("x".repeat(20_000))).toThrow();
    expect(endless(`data: ${"x".repeat(20_000)}\n`)).toThrow();
    expect(endless(`data: ${"x".repeat(20_000)}\n\n`)).not.toThrow();
  });
});

describe("streams", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(0);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  function watched(streams: Streams) {
    const link = new FurtherLink({ base: "http://device", user: "ann", fetch: streams.fetch });
    const changes: FileChange[] = [];
    const stop = link.files.watch("a folder/", (change) => changes.push(change));
    return { changes, stop };
  }

  test("tell what changes, and nothing that makes no sense", async () => {
    const streams = new Streams();
    const { changes, stop } = watched(streams);
    await soon();
    expect(streams.last.url.href).toBe("http://device/fs/a%20folder/?user=ann&watch=");
    const say = (event: string, data: unknown) =>
      streams.last.tell(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    say("change", { path: "a", kind: "created", directory: false, etag: '"1"' });
    say("change", { path: "b", kind: "moved", directory: true, from: "a" });
    say("change", { path: "b", kind: "deleted", directory: false });
    for (const data of [null, 1, [], {}, { path: "b" }, { path: 1, kind: "created" }, { path: "b", kind: "moved" }]) {
      say("change", data);
    }
    say("change", { path: "b", kind: "exploded" });
    say("other", { path: "b", kind: "created" });
    streams.last.tell("event: change\ndata: {no json\n\n");
    say("overflow", { folders: 4096 });
    await soon();
    expect(changes).toEqual([
      { kind: "overflow" },
      { kind: "created", path: "a", directory: false, etag: '"1"' },
      { kind: "moved", path: "b", from: "a", directory: true, etag: null },
      { kind: "deleted", path: "b", directory: false },
      { kind: "overflow" },
    ]);
    stop();
    say("change", { path: "c", kind: "created" });
    await soon();
    expect(changes.length).toBe(5);
    expect(streams.last.signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("come back after 1, 2, 4 … 30 s, and say that something may have been missed", async () => {
    const streams = new Streams();
    const { changes, stop } = watched(streams);
    await soon();
    const status = [0, 503, 500, 429, 408, 0, 0];
    streams.answer = () => ({ status: status.shift() ?? 200 });
    streams.last.end();
    for (const delay of [1, 2, 4, 8, 16, 30, 30, 30]) {
      await soon();
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(delay * 1000 - 1);
      expect(changes.length).toBe(1);
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(changes).toEqual([{ kind: "overflow" }, { kind: "overflow" }]);
    // It works, so the pauses are short again.
    streams.last.end();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(changes.length).toBe(3);
    stop();
  });

  test("that fall silent are lost", async () => {
    const streams = new Streams();
    const { changes, stop } = watched(streams);
    await soon();
    for (let turn = 0; turn < 5; turn += 1) {
      await vi.advanceTimersByTimeAsync(44_000);
      streams.last.tell(":\n\n");
      await soon();
    }
    expect(streams.asked.length).toBe(1);
    await vi.advanceTimersByTimeAsync(46_000);
    expect(streams.asked.length).toBe(2);
    expect(streams.asked[0]!.signal.aborted).toBe(true);
    expect(changes.length).toBe(2);
    stop();
  });

  test("end when the folder is gone, or was never there", async () => {
    const streams = new Streams();
    const { changes } = watched(streams);
    await soon();
    streams.last.tell("event: gone\ndata: {}\n\nevent: overflow\ndata: {}\n\n");
    await vi.advanceTimersByTimeAsync(100_000);
    expect(changes).toEqual([{ kind: "overflow" }, { kind: "gone" }]);
    expect(streams.asked.length).toBe(1);

    for (const answer of [{ status: 404 }, { status: 403 }, { type: "text/html" }]) {
      streams.answer = () => answer;
      const other = watched(streams);
      await vi.advanceTimersByTimeAsync(100_000);
      expect(other.changes).toEqual([{ kind: "gone" }]);
    }
    expect(streams.asked.length).toBe(4);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a listener that fails is told of, and the stream goes on", async () => {
    const errors: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => errors.push(error));
    const streams = new Streams();
    const link = new FurtherLink({ base: "http://device", fetch: streams.fetch });
    const stop = link.files.watch("", ({ kind }) => {
      throw kind;
    });
    await soon();
    streams.last.tell('event: change\ndata: {"path":"a","kind":"created"}\n\n');
    await soon();
    expect(errors).toEqual(["overflow", "created"]);
    expect(streams.asked.length).toBe(1);
    stop();
  });

  test("rest while nobody looks at the page, for longer than a moment", async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
    const network = new EventTarget();
    vi.stubGlobal("document", page);
    vi.stubGlobal("addEventListener", network.addEventListener.bind(network));
    vi.stubGlobal("removeEventListener", network.removeEventListener.bind(network));
    const look = async (visible: boolean) => {
      page.visibilityState = visible ? "visible" : "hidden";
      page.dispatchEvent(new Event("visibilitychange"));
      await soon();
    };
    const streams = new Streams();
    const { changes, stop } = watched(streams);
    await soon();
    await look(false);
    await vi.advanceTimersByTimeAsync(29_000);
    await look(true);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(streams.asked.map(({ signal }) => signal.aborted)).toEqual([false]);

    streams.last.tell(":\n\n");
    await look(false);
    await vi.advanceTimersByTimeAsync(200_000);
    expect(streams.asked.map(({ signal }) => signal.aborted)).toEqual([true]);
    expect(vi.getTimerCount()).toBe(0);
    await look(true);
    expect(streams.asked.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    expect(changes.length).toBe(2);

    // One that waits for its next try tries at once when the network is back.
    let tries = 0;
    streams.answer = () => {
      tries += 1;
      return { status: 0 };
    };
    streams.last.end();
    await vi.advanceTimersByTimeAsync(3_500);
    expect(tries).toBe(2);
    streams.answer = () => ({});
    network.dispatchEvent(new Event("online"));
    await soon();
    expect(changes.length).toBe(3);
    stop();
    await look(false);
    await look(true);
    expect(streams.asked.length).toBe(3);
  });

  test("tell how the device is; a server that does not know is told of once", async () => {
    const streams = new Streams();
    const address = addressOf({ base: "http://device", fetch: streams.fetch });
    const devices: (Device | null)[] = [];
    const stop = watchDevice(address, (device) => devices.push(device));
    await soon();
    const say = (data: unknown) => streams.last.tell(`event: device\ndata: ${JSON.stringify(data)}\n\n`);
    const whole = {
      name: "robot",
      model: "Raspberry Pi 4",
      version: "0.1.0",
      system: "Debian",
      architecture: "aarch64",
      uptime: 1,
      cpu: { count: 4, load: 0.5 },
      memory: { total: 2, available: 1 },
      disk: { total: 4, free: 3 },
      temperature: 50.5,
      battery: { level: 0.25, charging: true },
      programs: 2,
    };
    say({ ...whole, throttled: false });
    say({ name: "robot", version: "0.1.0", memory: { total: 1 }, battery: null, cpu: "none" });
    for (const nonsense of [null, [], 1, {}, { name: "robot" }]) say(nonsense);
    await soon();
    expect(devices).toEqual([
      whole,
      {
        name: "robot",
        model: null,
        version: "0.1.0",
        system: null,
        architecture: null,
        uptime: null,
        cpu: { count: 1, load: null },
        memory: null,
        disk: null,
        temperature: null,
        battery: null,
        programs: 0,
      },
    ]);
    stop();

    streams.answer = () => ({ status: 404 });
    watchDevice(address, (device) => devices.push(device));
    await vi.advanceTimersByTimeAsync(100_000);
    expect(devices.slice(2)).toEqual([null]);
  });
});
