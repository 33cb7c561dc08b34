/**
 * Programs on a connection that works: order, output and its acknowledgement, input and its window.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Output, Program, ProgramState } from "../src/types.js";
import { FakeDevice, type FakeSocket, frame, inputLengths, soon } from "./fake.js";

const KIB = 1024;
const MIB = 1024 * KIB;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A program that runs as number 1, and what it has told. */
async function running(options: Partial<Parameters<ReturnType<FakeDevice["link"]>["start"]>[0]> = {}) {
  const device = new FakeDevice();
  const { link, socket } = await device.connected();
  const program = link.start({ runner: "python3", ...options });
  const states: ProgramState[] = [];
  program.on("state", (state) => states.push(state));
  socket.say({ type: "started", process: program.name, data: { number: 1 } });
  return { link, socket, program, states };
}

function stop(socket: FakeSocket, program: Program, exitCode = 0, output = 0): void {
  socket.say({ type: "stopped", process: program.name, data: { exitCode, output } });
}

/** A listener of output whose promises are settled by hand, and what it was given. */
function slow(program: Program) {
  const texts: string[] = [];
  const settle: (() => void)[] = [];
  const leave = program.on("output", ({ text }) => {
    texts.push(text);
    return new Promise<void>((resolve) => settle.push(resolve));
  });
  return { texts, settle, leave };
}

describe("start", () => {
  test("says what was asked for, and nothing else", async () => {
    const { socket } = await running({ code: "print()", path: "p" });
    expect(socket.of("start")).toEqual([
      { type: "start", process: "1", data: { runner: "python3", code: "print()", path: "p" } },
    ]);
  });

  test("says arguments, terminal and its size, display", async () => {
    const { socket } = await running({
      arguments: ["-x", ""],
      pty: true,
      size: { rows: 30.7, cols: Number.NaN },
      display: { width: 800 },
    });
    expect(socket.of("start")[0]?.data).toEqual({
      runner: "python3",
      arguments: ["-x", ""],
      pty: true,
      rows: 30,
      cols: 0,
      novncOptions: { enabled: true, width: 800 },
    });
    expect(socket.of("resize")).toEqual([]);
  });

  test("a size that came in the meantime is told as soon as the program runs", async () => {
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    const program = link.start({ runner: "shell", pty: true, size: { rows: 1, cols: 2 } });
    program.resize({ rows: 3, cols: 70_000 });
    expect(socket.of("resize")).toEqual([]);
    socket.say({ type: "started", process: "1", data: { number: 1 } });
    expect(socket.of("resize")).toEqual([{ type: "resize", process: "1", data: { rows: 3, cols: 65_535 } }]);
  });

  test("without a terminal no size is told", async () => {
    const { socket, program } = await running();
    program.resize({ rows: 1, cols: 1 });
    expect(socket.of("resize")).toEqual([]);
  });

  test.each([
    [{ message: "There is no file x." }, "There is no file x."],
    [{ message: "Bad message", detail: "There is no such runner." }, "There is no such runner."],
    [{ message: "Message Exception", detail: "No space left." }, "No space left."],
    [{ message: "Bad message" }, "Bad message"],
  ])("that fails says why: %j", async (data, message) => {
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    const program = link.start({ runner: "python3" });
    socket.say({ type: "error", process: "1", data });
    expect(program.state).toEqual({ kind: "failed", message, cause: "device" });
    expect(await program.ended).toBe(program.state);
    // Nothing more comes of it.
    socket.say({ type: "started", process: "1", data: { number: 1 } });
    program.write("x");
    program.stop();
    expect(program.state.kind).toBe("failed");
    expect(socket.sent.length).toBe(2);
  });

  test("a number that is free again may be used again", async () => {
    const { link, socket, program } = await running();
    stop(socket, program);
    const next = link.start({ runner: "python3" });
    socket.say({ type: "started", process: next.name, data: { number: 1 } });
    expect(next.state.kind).toBe("running");
  });

  test("names are not used twice", async () => {
    const { link, program } = await running();
    expect(link.start({ runner: "shell" }).name).not.toBe(program.name);
  });
});

describe("output", () => {
  test("comes between started and stopped, each of its bytes once", async () => {
    const { socket, program, states } = await running();
    const told: string[] = [];
    program.on("state", ({ kind }) => told.push(kind));
    program.on("output", ({ stream, text }) => void told.push(`${stream} ${text}`));
    socket.frame(frame.stdout(1, 0, "one"));
    socket.frame(frame.stderr(1, 3, "two"));
    // Told again, in part: what is known already is left out.
    socket.frame(frame.stdout(1, 3, "two"));
    socket.frame(frame.stdout(1, 5, "o!"));
    stop(socket, program, 3, 7);
    socket.frame(frame.stdout(1, 7, "late"));
    expect(told).toEqual(["stdout one", "stderr two", "stdout !", "stopped"]);
    expect(states).toEqual([{ kind: "running" }, { kind: "stopped", code: 3 }]);
    expect(await program.ended).toEqual({ kind: "stopped", code: 3 });
  });

  test("a character that is cut is whole in the second piece, for each stream by itself", async () => {
    const { socket, program } = await running();
    const outputs: Output[] = [];
    program.on("output", (output) => void outputs.push(output));
    const euro = Buffer.from("€");
    socket.frame(frame.stdout(1, 0, euro.subarray(0, 2)));
    socket.frame(frame.stderr(1, 2, euro.subarray(0, 1)));
    socket.frame(frame.stdout(1, 3, euro.subarray(2)));
    socket.frame(frame.stderr(1, 4, euro.subarray(1)));
    expect(outputs.map(({ stream, text }) => [stream, text])).toEqual([
      ["stdout", ""],
      ["stderr", ""],
      ["stdout", "€"],
      ["stderr", "€"],
    ]);
    expect(Buffer.concat(outputs.filter((one) => one.stream === "stdout").map((one) => one.bytes))).toEqual(euro);
  });

  test("half a character at the end is told before stopped, and a byte order mark is kept", async () => {
    const { socket, program } = await running();
    const told: string[] = [];
    program.on("output", ({ text }) => void told.push(text));
    program.on("state", ({ kind }) => told.push(kind));
    socket.frame(frame.stdout(1, 0, Buffer.from([0xef, 0xbb, 0xbf, 0x41, 0xe2, 0x82])));
    stop(socket, program);
    expect(told).toEqual(["\ufeffA", "\ufffd", "stopped"]);
  });

  test("is acknowledged once 16 KiB were consumed, not before", async () => {
    const { socket } = await running();
    socket.frame(frame.stdout(1, 0, "x".repeat(16 * KIB - 1)));
    expect(socket.frames).toEqual([]);
    socket.frame(frame.stdout(1, 16 * KIB - 1, "x"));
    expect(socket.frames).toEqual([frame.outputAck(1, 16 * KIB)]);
    socket.frame(frame.stdout(1, 16 * KIB, "x".repeat(16 * KIB)));
    expect(socket.frames).toEqual([frame.outputAck(1, 16 * KIB), frame.outputAck(1, 32 * KIB)]);
  });

  test("is consumed when all listeners have finished, in order", async () => {
    const { socket, program } = await running();
    const first = slow(program);
    const second = slow(program);
    const piece = "x".repeat(16 * KIB);
    for (const index of [0, 1, 2]) socket.frame(frame.stdout(1, index * 16 * KIB, piece));
    first.settle.forEach((settle) => {
      settle();
    });
    await soon();
    expect(socket.frames).toEqual([]);
    // The second piece is finished with before the first.
    second.settle[1]!();
    await soon();
    expect(socket.frames).toEqual([]);
    second.settle[0]!();
    await soon();
    expect(socket.frames).toEqual([frame.outputAck(1, 32 * KIB)]);
    second.settle[2]!();
    await soon();
    expect(socket.frames.at(-1)).toBe(frame.outputAck(1, 48 * KIB));
  });

  test("stopped is told when the last output was consumed", async () => {
    const { socket, program, states } = await running();
    const { settle } = slow(program);
    socket.frame(frame.stdout(1, 0, "x".repeat(16 * KIB)));
    stop(socket, program, 1);
    await soon();
    expect(states).toEqual([{ kind: "running" }]);
    settle[0]!();
    await soon();
    expect(states.at(-1)).toEqual({ kind: "stopped", code: 1 });
    // The device wants to know no more.
    expect(socket.frames).toEqual([]);
  });

  test("a connection that is lost in between takes nothing away of that", async () => {
    const { socket, program, states } = await running();
    const { settle } = slow(program);
    socket.frame(frame.stdout(1, 0, "last words"));
    stop(socket, program, 1);
    socket.drop(1006);
    settle[0]!();
    await soon();
    expect(states.at(-1)).toEqual({ kind: "stopped", code: 1 });
  });

  test("a listener that leaves has finished", async () => {
    const { socket, program, states } = await running();
    const { leave, settle } = slow(program);
    socket.frame(frame.stdout(1, 0, "x".repeat(16 * KIB)));
    stop(socket, program);
    leave();
    expect(states.at(-1)?.kind).toBe("stopped");
    settle[0]!();
    await soon();
    expect(states.length).toBe(2);
  });

  test("what one that has left still finishes is nothing to the others", async () => {
    const { socket, program } = await running();
    const first = slow(program);
    const second = slow(program);
    socket.frame(frame.stdout(1, 0, "x".repeat(16 * KIB)));
    first.leave();
    first.settle[0]!();
    await soon();
    expect(socket.frames).toEqual([]);
    second.settle[0]!();
    await soon();
    expect(socket.frames.length).toBe(1);
  });

  test("listeners may leave while they are told, and send others away", async () => {
    const { socket, program } = await running();
    const told: string[] = [];
    const leave = program.on("output", () => {
      told.push("first");
      leave();
      leaveThird();
      return new Promise(() => {});
    });
    program.on("output", () => void told.push("second"));
    const leaveThird = program.on("output", () => void told.push("third"));
    socket.frame(frame.stdout(1, 0, "x".repeat(16 * KIB)));
    expect(told).toEqual(["first", "second"]);
    expect(socket.frames.length).toBe(1);
  });

  test("a listener that fails is told of, and harms nobody", async () => {
    const errors: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => errors.push(error));
    const { socket, program } = await running();
    const texts: string[] = [];
    program.on("output", () => {
      throw "thrown";
    });
    program.on("output", () => Promise.reject("rejected"));
    program.on("output", ({ text }) => void texts.push(text));
    socket.frame(frame.stdout(1, 0, "x".repeat(16 * KIB)));
    await soon();
    expect(errors).toEqual(["thrown", "rejected"]);
    expect(texts.length).toBe(1);
    expect(socket.frames).toEqual([frame.outputAck(1, 16 * KIB)]);
  });

  test("of a hundred thousand small pieces that are consumed late, all are consumed", async () => {
    const { socket, program } = await running();
    const { settle } = slow(program);
    const count = 100_000;
    for (let index = 0; index < count; index += 1) socket.frame(frame.stdout(1, index, "x"));
    for (const one of settle) one();
    await soon();
    stop(socket, program);
    const acks = socket.frames;
    expect(acks.length).toBe(Math.floor(count / (16 * KIB)));
    expect(program.state.kind).toBe("stopped");
  });
});

describe("input", () => {
  test("waits until the program runs, and goes as bytes with offsets", async () => {
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    const program = link.start({ runner: "python3" });
    program.write("Ann\n");
    program.write(new Uint8Array([0xff]));
    expect(socket.frames).toEqual([]);
    expect(program.waiting).toBe(5);
    socket.say({ type: "started", process: "1", data: { number: 7 } });
    program.write("ä");
    expect(socket.frames).toEqual([frame.input(7, 0, "Ann\n").concat("ff"), frame.input(7, 5, "ä")]);
    expect(program.waiting).toBe(0);
  });

  test("is never more than 1 MiB beyond what was taken, and all of it goes in order", async () => {
    const { socket, program } = await running();
    const all = Buffer.alloc(3 * MIB);
    for (let index = 0; index < all.length; index += 4) all.writeUInt32BE(index, index);
    let drained = 0;
    program.on("drain", () => {
      drained += 1;
    });
    program.write(all.subarray(0, 3 * MIB - 5));
    program.write(all.subarray(3 * MIB - 5));
    const sent = () => inputLengths(socket.frames).reduce((sum, length) => sum + length, 0);
    expect(sent()).toBe(MIB);
    expect(program.waiting).toBe(2 * MIB);
    socket.frame(frame.inputAck(1, 64 * KIB));
    expect(sent()).toBe(MIB + 64 * KIB);
    // Less than before, and more than was sent: neither counts.
    socket.frame(frame.inputAck(1, 1));
    socket.frame(frame.inputAck(1, 50 * MIB));
    expect(sent()).toBe(MIB + 64 * KIB);
    for (let taken = 128 * KIB; taken <= 3 * MIB; taken += 64 * KIB) {
      expect(sent() - taken).toBeLessThanOrEqual(MIB);
      socket.frame(frame.inputAck(1, taken));
    }
    expect(drained).toBe(1);
    // An ack that came late takes nothing back.
    socket.frame(frame.inputAck(1, 1));
    program.write("x");
    expect(program.waiting).toBe(0);
    socket.sent.pop();
    expect(Math.max(...inputLengths(socket.frames))).toBeLessThanOrEqual(64 * KIB);
    let offset = 0;
    for (const hex of socket.frames) {
      expect(Number.parseInt(hex.slice(16, 32), 16)).toBe(offset);
      offset += hex.length / 2 - 16;
    }
    expect(Buffer.from(socket.frames.map((hex) => hex.slice(32)).join(""), "hex").equals(all)).toBe(true);
  });

  test("small pieces that wait go together", async () => {
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    const program = link.start({ runner: "python3" });
    for (let index = 0; index < 20_000; index += 1) program.write("01234567".slice(0, 1 + (index % 8)));
    socket.say({ type: "started", process: "1", data: { number: 1 } });
    expect(inputLengths(socket.frames)).toEqual([64 * KIB, 90_000 - 64 * KIB]);
    expect(Buffer.from(socket.frames.map((hex) => hex.slice(32)).join(""), "hex").toString()).toBe(
      "001012012301234012345012345601234567".repeat(2_500),
    );
  });

  test("of which more than 4 MiB would wait is refused whole", async () => {
    const { socket, program } = await running();
    program.write(new Uint8Array(MIB));
    program.write(new Uint8Array(4 * MIB));
    expect(program.waiting).toBe(4 * MIB);
    expect(() => program.write("x")).toThrow(/4194304 bytes wait/);
    socket.frame(frame.inputAck(1, 64 * KIB));
    program.write("x".repeat(64 * KIB));
    expect(program.waiting).toBe(4 * MIB);
  });

  test("is what it was when it was written", async () => {
    const device = new FakeDevice();
    const { link, socket } = await device.connected();
    const program = link.start({ runner: "python3" });
    const bytes = new TextEncoder().encode("before");
    program.write(bytes);
    bytes.fill(0);
    socket.say({ type: "started", process: "1", data: { number: 1 } });
    expect(socket.frames).toEqual([frame.input(1, 0, "before")]);
  });

  test("ends once, behind all that was written", async () => {
    const { socket, program } = await running();
    program.write(new Uint8Array(MIB + 1));
    expect(program.end()).toBe(true);
    expect(program.end()).toBe(true);
    expect(() => program.write("x")).toThrow(/has ended/);
    expect(socket.frames.at(-1)?.startsWith("00000000")).toBe(true);
    socket.frame(frame.inputAck(1, 64 * KIB));
    expect(socket.frames.slice(-2).map((hex) => hex.slice(0, 8))).toEqual(["00000000", "02000000"]);
    expect(program.end()).toBe(true);
    expect(socket.frames.at(-1)).toBe(frame.inputEnd(1, MIB + 1));
    expect(socket.frames.filter((hex) => hex.startsWith("02")).length).toBe(1);
  });

  test("of a terminal has no end", async () => {
    const { socket, program } = await running({ pty: true });
    expect(program.end()).toBe(false);
    expect(socket.frames).toEqual([]);
  });

  test("for a program that is over is dropped", async () => {
    const { socket, program } = await running();
    program.write(new Uint8Array(2 * MIB));
    const { length } = socket.frames;
    stop(socket, program);
    expect(program.waiting).toBe(0);
    program.write("x");
    expect(program.end()).toBe(false);
    socket.frame(frame.inputAck(1, MIB));
    expect(socket.frames.length).toBe(length);
  });
});

describe("channels", () => {
  test("pictures come with how many were left out", async () => {
    const { socket, program } = await running();
    const pictures: [number, string, string][] = [];
    program.on("video", async (picture, dropped) => {
      pictures.push([dropped, picture.type, await picture.text()]);
    });
    socket.frame(frame.video(1, 0, "a"));
    socket.frame(frame.video(1, 3, "b"));
    socket.frame(frame.video(1, 4, "c"));
    vi.useRealTimers();
    await vi.waitFor(() => expect(pictures.length).toBe(3));
    expect(pictures).toEqual([
      [0, "image/jpeg", "a"],
      [2, "image/jpeg", "b"],
      [0, "image/jpeg", "c"],
    ]);
  });

  test("figures, plots, widgets, keys, windows and errors", async () => {
    const { socket, program } = await running();
    const told: unknown[] = [];
    for (const event of ["figure", "plot", "widget", "keylisten", "window", "error"] as const) {
      program.on(event, (data: unknown) => told.push([event, data]));
    }
    const figure = { id: "f", figure: 1, title: "", format: "svg", width: 1, height: 2, closed: false, image: "AAAA" };
    const say = (type: string, data: unknown) => socket.say({ type, process: program.name, data });
    say("figure", figure);
    say("figure", { ...figure, image: "no base64!" });
    say("figure", { ...figure, closed: true, image: null });
    say("plot", { name: "n", series: [{ name: "s", x: [1], y: [null] }] });
    say("widget", { id: "w", kind: "slider", label: "Speed", value: 1 });
    say("widget", { id: "w", kind: "slider", removed: true });
    say("keylisten", { output: "a" });
    say("novnc", { port: 61080, path: "/vnc.html" });
    say("error", { message: "Bad message", detail: "why" });
    expect(told).toEqual([
      ["figure", { ...figure, image: new Blob([new Uint8Array(3)], { type: "image/svg+xml" }) }],
      ["figure", { ...figure, closed: true, image: null }],
      ["plot", { name: "n", series: [{ name: "s", x: [1], y: [null] }], clear: false, window: null }],
      ["widget", { id: "w", kind: "slider", removed: false, data: { label: "Speed", value: 1 } }],
      ["widget", { id: "w", kind: "slider", removed: true, data: {} }],
      ["keylisten", "a"],
      ["window", { port: 61080, path: "/vnc.html" }],
      ["error", { message: "Bad message", detail: "why" }],
    ]);
    expect(program.state.kind).toBe("running");
  });

  test("what the person does is told while the program runs, and only then", async () => {
    const { socket, program } = await running();
    const act = () => {
      program.key(" ", "keydown");
      program.closeFigure("f");
      program.widget("w", "press");
      program.widget("w", "change", false);
      program.stop();
    };
    act();
    expect(socket.sent.slice(2)).toEqual([
      { type: "keyevent", process: "1", data: { key: " ", event: "keydown" } },
      { type: "figureevent", process: "1", data: { id: "f", event: "close" } },
      { type: "widgetevent", process: "1", data: { id: "w", event: "press" } },
      { type: "widgetevent", process: "1", data: { id: "w", event: "change", value: false } },
      { type: "stop", process: "1" },
    ]);
    stop(socket, program);
    act();
    expect(socket.sent.length).toBe(7);
  });
});

test("what makes no sense, or is for nobody, changes nothing", async () => {
  const { link, socket, program, states } = await running();
  const other = link.start({ runner: "shell" });
  const outputs: string[] = [];
  program.on("output", ({ text }) => void outputs.push(text));
  other.on("output", ({ text }) => void outputs.push(`other ${text}`));
  const hostile = [
    "",
    "null",
    "[]",
    "{",
    '"stopped"',
    "{}",
    '{"type":"stopped","process":"9","data":{"exitCode":0}}',
    '{"type":"stopped","process":"1","data":null}',
    '{"type":"stdout","process":"2","data":{"output":"x"}}',
    '{"type":"stopped","process":"2","data":{"exitCode":0}}',
    '{"type":"started","process":"2","data":null}',
    '{"type":"started","process":"2","data":{"number":1}}',
    '{"type":"started","process":"1","data":{"number":5}}',
    '{"type":"started","process":"__proto__","data":{"number":6}}',
    '{"type":"hello","data":{}}',
    '{"type":"error","process":null,"data":{"message":"Bad message"}}',
    `{"type":"pong","data":${"[".repeat(100_000)}`,
  ];
  for (const message of hostile) socket.say(message);
  const frames = [
    "",
    "00",
    "ff".repeat(16),
    frame.stdout(9, 0, "x"),
    frame.stdout(0, 0, "x"),
    frame.inputAck(1, 5),
    `${frame.inputAck(1, 0)}00`,
  ];
  for (const hex of frames) socket.frame(hex);
  expect(outputs).toEqual([]);
  expect(states).toEqual([{ kind: "running" }]);
  expect(other.state.kind).toBe("starting");
  expect(link.state.kind).toBe("connected");
  socket.frame(frame.stdout(1, 0, "still there"));
  expect(outputs).toEqual(["still there"]);
});
