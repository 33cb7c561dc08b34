/**
 * The connection: how it comes about, is lost and comes back; older servers; starts without a
 * connection.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FurtherLink } from "../src/link.js";
import type { ConnectionState, ProgramState } from "../src/types.js";
import { FakeDevice, type FakeSocket, frame, type Manner, soon } from "./fake.js";

beforeEach(() => {
  vi.useFakeTimers();
  // Delays in full.
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function watch(link: FurtherLink): ConnectionState[] {
  const states: ConnectionState[] = [];
  link.on("state", (state) => states.push(state));
  return states;
}

const kinds = (states: readonly { kind: string }[]) => states.map(({ kind }) => kind);

describe("connecting", () => {
  test("asks for the binary stream and for what the application shows, and tells the version", async () => {
    const device = new FakeDevice();
    const link = device.link({ features: ["plot"], user: "ann b" });
    expect(link.state).toEqual({ kind: "closed" });
    expect(device.sockets.length).toBe(0);
    const states = watch(link);
    link.connect();
    link.connect();
    await soon();
    expect(states).toEqual([{ kind: "connecting" }, { kind: "connected", version: "0.1.0" }]);
    expect(device.sockets.length).toBe(1);
    const url = new URL(device.socket.url);
    expect(url.origin + url.pathname).toBe("ws://device:8028/run");
    expect(url.searchParams.get("user")).toBe("ann b");
    expect(url.searchParams.get("features")).toBe("plot,start");
    expect(url.searchParams.has("client")).toBe(true);
    expect(device.socket.protocols).toEqual(["further-link.3"]);
    expect(device.socket.binaryType).toBe("arraybuffer");
    expect(device.socket.sent).toEqual([{ type: "hello", data: { features: ["plot", "start"] } }]);
  });

  test.each([
    ["https://robot.local:8028", "wss://robot.local:8028/run"],
    ["http://[::1]:8028/", "ws://[::1]:8028/run"],
    ["https://example.org/devices/7?x#y", "wss://example.org/devices/7/run"],
  ])("to %s", (base, expected) => {
    const device = new FakeDevice();
    device.link({ base }).connect();
    expect(device.socket.url).toMatch(/^[^?]+\?client=\w*&features=start$/);
    expect(device.socket.url.split("?")[0]).toBe(expected);
  });

  test("where there is no WebSocket, no address, or another kind of address, that is said", () => {
    const device = new FakeDevice();
    vi.stubGlobal("WebSocket", undefined);
    const none = new FurtherLink({ base: "http://device" });
    expect(() => none.connect()).toThrow(/package ws/);
    expect(none.state.kind).toBe("closed");
    expect(() => new FurtherLink({ WebSocket: device.WebSocket }).connect()).toThrow(/option base/);
    expect(() => device.link({ base: "ftp://device" }).connect()).toThrow(/http/);
    expect(() => device.link({ base: "ftp://device" }).start({ runner: "shell" })).toThrow(/http/);
  });

  test.each(["silent", "open but mute"] as Manner[])("gives up after 10 s: %s", async (manner) => {
    const device = new FakeDevice(manner);
    const link = device.link();
    link.connect();
    await vi.advanceTimersByTimeAsync(9_999);
    expect(link.state.kind).toBe("connecting");
    await vi.advanceTimersByTimeAsync(1);
    expect(link.state).toEqual({ kind: "waiting", retryAt: Date.now() + 500, reason: "timeout" });
    expect(device.socket.closed).toBe(true);
  });
});

test("an address that the page may not use is as one where nobody is", async () => {
  const link = new FakeDevice("is forbidden").link();
  link.connect();
  await soon();
  expect(link.state).toHaveProperty("reason", "unreachable");
});

describe("coming back", () => {
  test("waits twice as long each time, 10 s at the most, and begins anew after a connection that lasted", async () => {
    const device = new FakeDevice("refuses");
    const link = device.link();
    const states = watch(link);
    link.connect();
    await vi.advanceTimersByTimeAsync(60_000);
    const delays = states.flatMap((state) => (state.kind === "connecting" ? [] : [state]));
    const tries = states.length;
    expect(kinds(states.slice(0, 4))).toEqual(["connecting", "waiting", "connecting", "waiting"]);
    expect(delays.every((state) => state.kind === "waiting" && state.reason === "unreachable")).toBe(true);
    expect(tries).toBeLessThan(24);

    device.manner = "stream";
    await vi.advanceTimersByTimeAsync(10_000);
    expect(link.state.kind).toBe("connected");
    // One that breaks at once is no reason to come back more often.
    device.socket.drop(1006);
    expect(link.state).toEqual({ kind: "waiting", retryAt: Date.now() + 10_000, reason: "lost" });
    await vi.advanceTimersByTimeAsync(10_000);
    await vi.advanceTimersByTimeAsync(10_000);
    device.socket.drop(1006);
    expect(link.state).toHaveProperty("retryAt", Date.now() + 500);
  });

  test("the delays are 0.5, 1, 2, 4, 8, 10, 10 s, or down to half of that", async () => {
    for (const [random, factor] of [
      [0, 1],
      [0.999999999, 0.5],
    ] as const) {
      vi.mocked(Math.random).mockReturnValue(random);
      const device = new FakeDevice("refuses");
      const link = device.link();
      const delays: number[] = [];
      link.on("state", (state) => {
        if (state.kind === "waiting") delays.push(Math.round(state.retryAt - Date.now()));
      });
      link.connect();
      await vi.advanceTimersByTimeAsync(30_000);
      expect(delays.slice(0, 7)).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000].map((delay) => delay * factor));
      link.close();
    }
  });

  test.each([
    [1001, "server-stopping"],
    [1006, "lost"],
    [1000, "lost"],
    [1008, "timeout"],
    [1009, "protocol"],
    [1002, "protocol"],
  ])("tells why: %d is %s", async (code, reason) => {
    const { link, socket } = await new FakeDevice().connected();
    socket.drop(code);
    expect(link.state).toHaveProperty("reason", reason);
  });

  test.each([
    [403, "refused"],
    [503, "full"],
    [200, "no-websocket"],
  ])("asks over HTTP why no connection came about: %d is %s", async (status, reason) => {
    const device = new FakeDevice("refuses");
    const asked: string[] = [];
    const link = device.link({
      fetch: async (url) => {
        asked.push(String(url));
        return new Response("", { status });
      },
    });
    link.connect();
    await soon();
    expect(asked).toEqual(["http://device:8028/status"]);
    expect(link.state).toHaveProperty("reason", reason);
    const { retryAt } = link.state as { retryAt: number };
    await vi.advanceTimersByTimeAsync(retryAt - Date.now() - 1);
    expect(device.sockets.length).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(device.sockets.length).toBe(4);
  });

  test("an answer that comes when it tries again already says nothing", async () => {
    const device = new FakeDevice("refuses");
    let answer: (response: Response) => void = () => {};
    const link = device.link({
      fetch: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    });
    link.connect();
    await soon();
    device.manner = "silent";
    await vi.advanceTimersByTimeAsync(500);
    expect(link.state.kind).toBe("connecting");
    answer(new Response("", { status: 403 }));
    await soon();
    expect(link.state.kind).toBe("connecting");
  });

  test("at once when it is told to, when the network is back, and when somebody looks at the page", async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: "hidden" });
    const network = new EventTarget();
    vi.stubGlobal("document", page);
    vi.stubGlobal("addEventListener", network.addEventListener.bind(network));
    vi.stubGlobal("removeEventListener", network.removeEventListener.bind(network));
    const device = new FakeDevice("refuses");
    const link = device.link();
    link.connect();
    await soon();
    let tries = device.sockets.length;
    const tried = async (act: () => void) => {
      act();
      await soon();
      const more = device.sockets.length > tries;
      tries = device.sockets.length;
      return more;
    };
    expect(await tried(() => link.retryNow())).toBe(true);
    expect(await tried(() => network.dispatchEvent(new Event("online")))).toBe(true);
    expect(await tried(() => page.dispatchEvent(new Event("visibilitychange")))).toBe(false);
    page.visibilityState = "visible";
    expect(await tried(() => page.dispatchEvent(new Event("visibilitychange")))).toBe(true);

    device.manner = "stream";
    link.retryNow();
    await soon();
    tries = device.sockets.length;
    // With a connection, it is asked whether it still is one.
    const { pings } = device;
    network.dispatchEvent(new Event("online"));
    expect(device.pings).toBe(pings + 1);
    expect(device.sockets.length).toBe(tries);

    const removed = vi.spyOn(page, "removeEventListener");
    link.close();
    expect(removed).toHaveBeenCalledTimes(1);
    expect(await tried(() => network.dispatchEvent(new Event("online")))).toBe(false);
    expect(await tried(() => page.dispatchEvent(new Event("visibilitychange")))).toBe(false);
    expect(await tried(() => link.retryNow())).toBe(false);
  });

  test("not after close", async () => {
    const { link, socket } = await new FakeDevice().connected();
    link.close();
    expect(socket.closed).toBe(true);
    expect(link.state).toEqual({ kind: "closed" });
    await vi.advanceTimersByTimeAsync(100_000);
    expect(link.state).toEqual({ kind: "closed" });
    expect(vi.getTimerCount()).toBe(0);
    link.connect();
    await soon();
    expect(link.state.kind).toBe("connected");
    link.close();
  });
});

describe("signs of life", () => {
  test("a device that says nothing for 10 s after a ping is gone", async () => {
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(link.state.kind).toBe("connected");
    expect(device.pings).toBe(8);
    socket.answersPings = false;
    await vi.advanceTimersByTimeAsync(19_999);
    expect(link.state.kind).toBe("connected");
    await vi.advanceTimersByTimeAsync(1);
    expect(link.state).toHaveProperty("reason", "timeout");
    expect(socket.closed).toBe(true);
  });

  test("to look at the page again and again does not keep a dead connection", async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
    vi.stubGlobal("document", page);
    vi.stubGlobal("addEventListener", () => {});
    vi.stubGlobal("removeEventListener", () => {});
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    await vi.advanceTimersByTimeAsync(5_000);
    socket.answersPings = false;
    const { pings } = device;
    for (let turn = 0; turn < 9; turn += 1) {
      page.dispatchEvent(new Event("visibilitychange"));
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(device.pings).toBe(pings + 1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(link.state).toHaveProperty("reason", "timeout");
    link.close();
  });

  test("anything that comes is a sign of life", async () => {
    const { link, socket } = await new FakeDevice().connected();
    socket.answersPings = false;
    for (let turn = 0; turn < 10; turn += 1) {
      await vi.advanceTimersByTimeAsync(9_000);
      socket.frame(frame.stdout(1, 0, "x"));
    }
    expect(link.state.kind).toBe("connected");
  });

  test("and so are bytes that go out", async () => {
    const { link, socket } = await new FakeDevice().connected();
    socket.answersPings = false;
    socket.bufferedAmount = 10_000_000;
    // The answer to the last ping counts once more.
    await vi.advanceTimersByTimeAsync(10_000);
    for (let turn = 0; turn < 5; turn += 1) {
      socket.bufferedAmount -= 1_000_000;
      await vi.advanceTimersByTimeAsync(10_000);
      expect(link.state.kind).toBe("connected");
    }
    await vi.advanceTimersByTimeAsync(10_000);
    expect(link.state.kind).toBe("waiting");
  });

  test("a computer that slept asks again before it gives up", async () => {
    const { link, socket } = await new FakeDevice().connected();
    await vi.advanceTimersByTimeAsync(5_000);
    socket.answersPings = false;
    await vi.advanceTimersByTimeAsync(5_000);
    // The clock goes on, timers do not.
    vi.setSystemTime(Date.now() + 3_600_000);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(link.state.kind).toBe("connected");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(link.state.kind).toBe("waiting");
  });
});

describe("programs and the connection", () => {
  test("are lost with it, each once, and others can be started at once", async () => {
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    const programs = [link.start({ runner: "a" }), link.start({ runner: "b" }), link.start({ runner: "c" })];
    const states: ProgramState[] = [];
    for (const program of programs) program.on("state", (state) => states.push(state));
    socket.say({ type: "started", process: "1", data: { number: 1 } });
    socket.say({ type: "started", process: "3", data: { number: 2 } });
    socket.say({ type: "stopped", process: "3", data: { exitCode: 0 } });
    socket.drop(1006);
    expect(states).toEqual([
      { kind: "running" },
      { kind: "running" },
      { kind: "stopped", code: 0 },
      { kind: "lost" },
      { kind: "lost" },
    ]);
    expect(await programs[0]!.ended).toEqual({ kind: "lost" });

    const next = link.start({ runner: "d" });
    await soon();
    expect(link.state.kind).toBe("connected");
    expect(device.socket.of("start").map((start) => start.process)).toEqual([next.name]);
    // What the last connection still says is for nobody.
    socket.say({ type: "started", process: next.name, data: { number: 1 } });
    expect(next.state.kind).toBe("starting");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(states.length).toBe(5);
    link.close();
    expect(next.state).toEqual({ kind: "lost" });
  });

  test("start connects, and waits for that", async () => {
    const device = new FakeDevice();
    const link = device.link();
    const program = link.start({ runner: "python3" });
    expect(link.state.kind).toBe("connecting");
    await soon();
    expect(device.socket.of("start").length).toBe(1);
    expect(program.state.kind).toBe("starting");
  });

  test("nothing is started long after it was asked for", async () => {
    const device = new FakeDevice("refuses");
    const link = device.link();
    const early = link.start({ runner: "python3" });
    await vi.advanceTimersByTimeAsync(9_000);
    expect(early.state.kind).toBe("starting");
    const late = link.start({ runner: "shell" });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(early.state).toHaveProperty("cause", "no-connection");
    device.manner = "stream";
    link.retryNow();
    await soon();
    expect(device.socket.of("start").map((start) => start.process)).toEqual([late.name]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(late.state.kind).toBe("starting");
  });

  test("what was stopped before there was a connection is never started", async () => {
    const device = new FakeDevice();
    const link = device.link();
    const program = link.start({ runner: "python3" });
    program.stop();
    expect(program.state).toHaveProperty("cause", "stopped-before");
    await soon();
    expect(device.socket.of("start")).toEqual([]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(program.state.kind).toBe("failed");
  });

  test("close fails what waits", () => {
    const link = new FakeDevice("silent").link();
    const program = link.start({ runner: "python3" });
    link.close();
    expect(program.state).toHaveProperty("cause", "no-connection");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("listeners may do as they like", async () => {
    const device = new FakeDevice();
    const link = device.link();
    const states = watch(link);
    link.on("state", (state) => {
      if (state.kind === "connected") link.close();
    });
    const program = link.start({ runner: "python3" });
    program.on("state", () => link.start({ runner: "again" }));
    await soon();
    expect(program.state).toHaveProperty("cause", "no-connection");
    expect(kinds(states).slice(0, 3)).toEqual(["connecting", "connected", "closed"]);
    link.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a listener may close the connection that has just come about, and ask for another one", async () => {
  const device = new FakeDevice();
  const link = device.link();
  const stop = link.on("state", (state) => {
    if (state.kind !== "connected") return;
    stop();
    link.close();
    link.start({ runner: "second" });
  });
  link.connect();
  await soon();
  expect(device.sockets.map((socket) => socket.of("start").length)).toEqual([0, 1]);
});

describe("older servers", () => {
  async function old(manner: Manner = "old") {
    const device = new FakeDevice(manner);
    const { link } = await device.connected();
    return { device, link, socket: device.socket };
  }
  const started = (socket: FakeSocket, name: string) => socket.say({ type: "started", process: name, data: null });

  test("are spoken to without the subprotocol, in text", async () => {
    const { device, link, socket } = await old();
    expect(device.sockets.map(({ protocols }) => protocols)).toEqual([["further-link.3"], []]);
    expect(link.state).toEqual({ kind: "connected", version: null });
    const program = link.start({ runner: "python3", code: "x", pty: false });
    expect(socket.of("start")[0]?.data).toEqual({ runner: "python3", code: "x" });
    const told: string[] = [];
    program.on("state", (state) => told.push(state.kind));
    program.on("output", ({ stream, text, bytes }) => void told.push(`${stream} ${text} ${bytes.length}`));
    program.on("video", (picture, dropped) => told.push(`${picture.type} ${picture.size} ${dropped}`));
    program.write("a");
    started(socket, program.name);
    socket.say({ type: "stdout", process: "1", data: { output: "ä" } });
    socket.say({ type: "video", process: "1", data: { output: "AAAA" } });
    socket.say({ type: "video", process: "1", data: { output: "AAA!" } });
    socket.frame(frame.stdout(1, 0, "no such thing here"));
    program.write("b");
    expect(program.end()).toBe(false);
    program.write("c");
    socket.say({ type: "stopped", process: "1", data: { exitCode: -15 } });
    expect(told).toEqual(["running", "stdout ä 2", "image/jpeg 3 0", "stopped"]);
    expect(socket.of("stdin").map(({ data }) => data)).toEqual([{ input: "a" }, { input: "b" }, { input: "c" }]);
  });

  test("a character of input may be cut between two writes; what is no text is told of", async () => {
    const { link, socket } = await old();
    const program = link.start({ runner: "python3" });
    const errors: unknown[] = [];
    program.on("error", (error) => errors.push(error));
    started(socket, program.name);
    program.write(Buffer.from("€").subarray(0, 1));
    program.write(Buffer.from("€").subarray(1));
    expect(socket.of("stdin").map(({ data }) => data)).toEqual([{ input: "€" }]);
    program.write(new Uint8Array([0xff, 0xfe]));
    expect(errors.length).toBe(1);
    program.write("on");
    expect(socket.of("stdin").length).toBe(2);
  });

  test("are not sent more input than the network takes", async () => {
    const { link, socket } = await old();
    const program = link.start({ runner: "python3" });
    started(socket, program.name);
    socket.bufferedAmount = 4 * 1024 * 1024 - 1;
    program.write("x");
    expect(() => program.write("xx")).toThrow(/wait already/);
    expect(socket.of("stdin").length).toBe(1);
    socket.bufferedAmount = 0;
    program.write("xx");
    expect(socket.of("stdin").length).toBe(2);
  });

  test("that ignore hello are known by their pong", async () => {
    const { link } = await old("ignores hello");
    expect(link.state).toEqual({ kind: "connected", version: null });
  });

  test.each(["old", "stream without start"] as Manner[])(
    "have a second connection for programs with a terminal: %s",
    async (manner) => {
      const { device, link, socket } = await old(manner);
      const plain = link.start({ runner: "python3" });
      const first = link.start({ runner: "shell", pty: true, size: { rows: 24, cols: 80 } });
      const second = link.start({ runner: "shell", pty: true });
      await soon();
      const terminals = device.socket;
      expect(terminals).not.toBe(socket);
      expect(new URL(terminals.url).searchParams.get("pty")).toBe("1");
      expect(new URL(socket.url).searchParams.has("pty")).toBe(false);
      expect(socket.of("start").map(({ process }) => process)).toEqual([plain.name]);
      expect(terminals.of("start").map(({ process }) => process)).toEqual([first.name, second.name]);
      expect(terminals.of("start")[0]?.data).toEqual({ runner: "shell" });
      const number = manner === "old" ? null : { number: 1 };
      terminals.say({ type: "started", process: first.name, data: number });
      expect(terminals.of("resize")).toEqual([{ type: "resize", process: first.name, data: { rows: 24, cols: 80 } }]);

      const count = device.sockets.length;
      link.start({ runner: "shell", pty: true });
      expect(terminals.of("start").length).toBe(3);
      expect(device.sockets.length).toBe(count);

      // It is lost by itself.
      terminals.drop(1006);
      expect(first.state).toEqual({ kind: "lost" });
      expect(plain.state.kind).toBe("starting");
      const third = link.start({ runner: "shell", pty: true });
      await soon();
      expect(device.socket.of("start").map(({ process }) => process)).toEqual([third.name]);
      // And with the other one.
      socket.drop(1006);
      expect(plain.state).toEqual({ kind: "lost" });
      expect(third.state).toEqual({ kind: "lost" });
      expect(device.socket.closed).toBe(true);
      link.close();
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test("that go away while the second connection is made fail the programs that wait for it", async () => {
    const { device, link, socket } = await old();
    device.manner = "silent";
    const program = link.start({ runner: "shell", pty: true });
    const stopped = link.start({ runner: "shell", pty: true });
    stopped.stop();
    socket.drop(1006);
    expect(program.state).toHaveProperty("cause", "no-connection");
    expect(stopped.state).toHaveProperty("cause", "stopped-before");
    link.close();
  });

  test("what was stopped before the second connection was there is not started", async () => {
    const { device, link } = await old();
    const program = link.start({ runner: "shell", pty: true });
    const other = link.start({ runner: "shell", pty: true });
    program.stop();
    await soon();
    expect(device.socket.of("start").map(({ process }) => process)).toEqual([other.name]);
  });

  test("take no arguments", async () => {
    const { link, socket } = await old();
    const program = link.start({ runner: "python3", path: "a.py", arguments: ["x"] });
    // As with every other end, a listener that is added now is told.
    expect(program.state.kind).toBe("starting");
    expect(await program.ended).toHaveProperty("cause", "no-arguments");
    expect(socket.of("start")).toEqual([]);
    link.start({ runner: "python3", path: "a.py", arguments: [] });
    expect(socket.of("start").length).toBe(1);
  });

  test("a young server that came up between the two tries is asked for the stream again, once", async () => {
    const device = new FakeDevice("json");
    const link = device.link();
    link.connect();
    await soon();
    // Something between takes the subprotocol away: then it is text.
    expect(device.sockets.map(({ protocols }) => protocols.length)).toEqual([1, 0, 1, 0]);
    expect(link.state).toEqual({ kind: "connected", version: "0.1.0" });
    device.socket.drop(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(device.sockets.length).toBe(8);
    link.close();
    link.connect();
    await soon();
    expect(device.sockets.length).toBe(12);
    expect(link.state.kind).toBe("connected");

    device.manner = "stream";
    device.socket.drop(1006);
    const program = link.start({ runner: "python3" });
    await soon();
    expect(device.socket.protocol).toBe("further-link.3");
    expect(device.socket.of("start").length).toBe(1);
    expect(program.state.kind).toBe("starting");
    link.close();
  });

  test("are not looked for where the stream was spoken before", async () => {
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    device.manner = "refuses";
    socket.drop(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(device.sockets.map(({ protocols }) => protocols.length)).toEqual([1, 1]);
    link.close();
  });
});
