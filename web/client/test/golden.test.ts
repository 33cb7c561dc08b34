/** The samples of `tests/golden`, which the server's tests read too. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeFrame, inputEndFrame, inputFrame, outputAckFrame, type ServerFrame } from "../src/frames.js";
import { type ClientMessage, encode, type FeatureName, parse, type ServerMessage } from "../src/messages.js";
import { isClientMessage, repository } from "./asyncapi.js";

function golden<T>(file: string): readonly T[] {
  return JSON.parse(readFileSync(new URL(`tests/golden/${file}`, repository), "utf8"));
}

// biome-ignore lint/suspicious/noExplicitAny: the shapes are in tests/golden/README.md, and the tests are what checks them
type Command = any;

interface FromClient {
  readonly name: string;
  readonly message?: string;
  readonly command?: Command;
}

/** The library's message for what the server understands. */
function messageOf(command: Command): ClientMessage {
  const { kind, process } = command;
  switch (kind) {
    case "ping":
    case "stop":
      return kind === "ping" ? { type: kind } : { type: kind, process };
    case "hello":
      return { type: kind, data: { features: command.features as FeatureName[] } };
    case "start": {
      const { runner, code, path, display, terminal, size } = command;
      return {
        type: kind,
        process,
        data: {
          runner,
          ...(code === null ? {} : { code }),
          ...(path === null ? {} : { path }),
          ...(command.arguments === undefined ? {} : { arguments: command.arguments }),
          ...(terminal === undefined ? {} : { pty: terminal }),
          ...(size === undefined ? {} : { rows: size.rows, cols: size.columns }),
          ...(display === null ? {} : { novncOptions: novncOptions(display) }),
        },
      };
    }
    case "stdin":
      return { type: kind, process, data: { input: command.input } };
    case "resize":
      return { type: kind, process, data: { rows: command.rows, cols: command.columns } };
    case "key":
      return { type: "keyevent", process, data: { key: command.key, event: command.event } };
    case "figureEvent":
      return { type: "figureevent", process, data: JSON.parse(command.json) };
    case "widgetEvent":
      return { type: "widgetevent", process, data: JSON.parse(command.json) };
    default:
      throw new Error(`no message for ${kind}`);
  }
}

function novncOptions({ width, height }: { width: number | null; height: number | null }) {
  return { enabled: true, ...(width === null ? {} : { width }), ...(height === null ? {} : { height }) };
}

/**
 * Without what the server ignores: the id of the client, a `process` of null, `data` of a message
 * that has none.
 */
function essence(message: Record<string, unknown>): unknown {
  const { client: _, ...rest } = message;
  const { directoryName: __, ...data } = (rest.data ?? {}) as Record<string, unknown>;
  if (rest.process === null) delete rest.process;
  if (rest.data === null) delete rest.data;
  return rest.data === undefined ? rest : { ...rest, data };
}

/**
 * A client may send half a pair of surrogates, a display that is switched off, half a size, or an
 * empty path; this one never does.
 */
function isOurs(value: { readonly data?: Record<string, unknown> | null }): boolean {
  const { path, rows, cols, novncOptions } = value.data ?? {};
  if (/(?<!\\)\\ud[89a-f]/.test(JSON.stringify(value)) || path === "") return false;
  return (rows === undefined) === (cols === undefined) && !JSON.stringify(novncOptions ?? {}).includes("false");
}

describe("what a client sends", () => {
  const cases = golden<FromClient>("run/from-client.json");
  const written: Command[] = [];

  for (const { name, message, command } of cases) {
    if (command === undefined || message === undefined) continue;
    const value = JSON.parse(message);
    // The others are what the server takes as well, with what should not be sent.
    if (!isClientMessage(value) || !isOurs(value)) continue;
    written.push(command.kind);
    test(`${name}`, () => {
      expect(essence(JSON.parse(encode(messageOf(command))))).toEqual(essence(value));
    });
  }

  test("every kind is among them, and start in many ways", () => {
    const kinds = new Set(cases.flatMap(({ command }) => (command === undefined ? [] : [command.kind])));
    expect(new Set(written)).toEqual(kinds);
    expect(written.filter((kind) => kind === "start").length).toBeGreaterThan(6);
  });

  test("half a surrogate pair is replaced, whole ones are not", () => {
    const data = { input: "a\ud800b\udc00😀" };
    expect(JSON.parse(encode({ type: "stdin", process: "p", data })).data.input).toBe("a\ufffdb\ufffd😀");
  });
});

interface ToClient {
  readonly name: string;
  readonly process: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly event: any;
  readonly message: string | null;
}

/** What the library has to make of an event. */
function parsed({ process, event }: ToClient, stream: boolean): ServerMessage {
  const name = process as string;
  switch (event.kind) {
    case "pong":
      return { type: "pong" };
    case "hello":
      return { type: "hello", data: { version: event.version, features: event.features } };
    case "started":
      return { type: "started", process: name, data: stream ? { number: event.number } : null };
    case "output":
      return { type: event.stream, process: name, data: { output: event.text } };
    case "stopped": {
      const data = stream ? { exitCode: event.exitCode, output: event.output } : { exitCode: event.exitCode };
      return { type: "stopped", process: name, data };
    }
    case "error": {
      const { message, detail } = event;
      return { type: "error", process, data: detail === null ? { message } : { message, detail } };
    }
    case "keyListen":
      return { type: "keylisten", process: name, data: { key: event.key } };
    case "video":
      return { type: "video", process: name, data: { output: event.jpeg } };
    case "figure": {
      const { kind: _, number, ...data } = event;
      return { type: "figure", process: name, data: { ...data, figure: number } };
    }
    case "sound": {
      const { volume, frequency = null, duration = null, audio = null } = event;
      return { type: "sound", process: name, data: { volume, frequency, duration, audio } };
    }
    case "plot":
    case "widget":
      return {
        type: event.kind,
        process: name,
        data: event.kind === "plot" ? plotOf(event.json) : JSON.parse(event.json),
      };
    case "novnc":
      return { type: "novnc", process: name, data: { port: event.port, path: event.path } };
    default:
      throw new Error(`no message for ${event.kind}`);
  }
}

/** Further keys of a plot are passed over. */
function plotOf(json: string) {
  const { more: _, ...data } = JSON.parse(json);
  return data;
}

for (const dialect of ["run", "further-link.3"]) {
  describe(`what the server sends, ${dialect}`, () => {
    const cases = golden<ToClient>(`${dialect}/to-client.json`).filter(({ message }) => message !== null);

    test.each(cases)("$name", (sample) => {
      expect(parse(sample.message!)).toEqual(parsed(sample, dialect === "further-link.3"));
    });

    test.each(cases)("$name, with other keys, and in another order", (sample) => {
      const { type, data, client, process } = JSON.parse(sample.message!);
      const shuffled = JSON.stringify({ process, more: [1], data, client, type }, null, 1);
      expect(parse(shuffled)).toEqual(parsed(sample, dialect === "further-link.3"));
    });

    test.each(cases)("$name, mutilated, never throws and is never of a wrong shape", ({ message }) => {
      for (const broken of mutilations(JSON.parse(message!))) {
        const result = parse(JSON.stringify(broken));
        expect(result === null || typeof result.type === "string").toBe(true);
      }
      for (let length = 0; length < message!.length; length += 1) expect(parse(message!.slice(0, length))).toBeNull();
    });
  });
}

/** The value with each of its parts replaced by something else, or taken away. */
function* mutilations(value: unknown): Generator<unknown> {
  for (const other of [null, true, -1, 1.5, 1e300, "", "x", [], [null], {}]) yield other;
  if (typeof value !== "object" || value === null) return;
  for (const key of Object.keys(value)) {
    const rest = { ...(value as Record<string, unknown>) };
    delete rest[key];
    yield rest;
    for (const part of mutilations((value as Record<string, unknown>)[key])) yield { ...value, [key]: part };
  }
}

describe("messages that make no sense", () => {
  test.each([
    [
      "a plot whose series are not of one length",
      { type: "plot", data: { name: "n", series: [{ name: "", x: [1], y: [] }] } },
    ],
    ["a plot of text", { type: "plot", data: { name: "n", series: [{ name: "", x: ["1"], y: [1] }] } }],
    ["a figure that is there without an image", { type: "figure", data: figure({ image: null }) }],
    ["a figure of another format", { type: "figure", data: figure({ format: "html" }) }],
    ["an end without a status", { type: "stopped", data: {} }],
    ["an end with a fraction", { type: "stopped", data: { exitCode: 0.5 } }],
    ["output without text", { type: "stdout", data: { output: 1 } }],
    ["a key that is none", { type: "keylisten", data: { output: "", key: "" } }],
    ["a widget without an id", { type: "widget", data: { kind: "button" } }],
    ["a window at no port", { type: "novnc", data: { port: 0, path: "/" } }],
    ["a window elsewhere", { type: "novnc", data: { port: 1, path: "http://example.org" } }],
    ["a type that nobody knows", { type: "__proto__", data: {} }],
  ])("%s", (_, message) => {
    expect(parse(JSON.stringify({ ...message, process: "p" }))).toBeNull();
  });

  test("a value beyond all numbers is a gap in a plot, and a place beyond them is none", () => {
    const plot = (x: string, y: string) =>
      parse(`{"type":"plot","process":"p","data":{"name":"n","series":[{"name":"","x":[${x}],"y":[${y}]}]}}`);
    expect(plot("1", "1e999")).toHaveProperty("data.series", [{ name: "", x: [1], y: [null] }]);
    expect(plot("-1e999", "1")).toBeNull();
  });

  test("whatever belongs to a program names it", () => {
    expect(parse('{"type":"stopped","data":{"exitCode":0},"process":null}')).toBeNull();
  });

  test("a number of a program that is none is none", () => {
    for (const number of [0, -1, 1.5, 2 ** 32, "1"]) {
      expect(parse(JSON.stringify({ type: "started", process: "p", data: { number } }))).toHaveProperty("data", null);
    }
  });
});

function figure(change: Record<string, unknown>) {
  const whole = { id: "f", figure: 1, title: "", format: "png", width: 1, height: 1, closed: false, image: "AAAA" };
  return { ...whole, ...change };
}

interface Frame {
  readonly name: string;
  readonly from: "client" | "server";
  readonly frameHex: string;
  readonly head?: { readonly kind: string; readonly number: number; readonly offset: string };
  readonly bytesHex?: string;
}

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("binary frames", () => {
  const cases = golden<Frame>("further-link.3/frames.json");
  const representable = ({ head }: Frame) => head === undefined || Number.isSafeInteger(Number(head.offset));

  test.each(cases.filter((frame) => frame.from === "client" && frame.head && representable(frame)))(
    "$name",
    ({ frameHex, head, bytesHex }) => {
      const { kind, number, offset } = head!;
      const made =
        kind === "input"
          ? inputFrame(number, Number(offset), bytesOf(bytesHex!))
          : (kind === "inputEnd" ? inputEndFrame : outputAckFrame)(number, Number(offset));
      expect(hexOf(made)).toBe(frameHex);
    },
  );

  test.each(cases.filter((frame) => frame.from === "server" && frame.head && representable(frame)))(
    "$name",
    ({ frameHex, head, bytesHex }) => {
      const { kind, number, offset } = head!;
      const frame = decodeFrame(bytesOf(frameHex).buffer);
      const stream = kind === "stdout" || kind === "stderr" ? { stream: kind } : {};
      const bytes = kind === "inputAck" ? {} : { bytes: bytesOf(bytesHex!) };
      const expected = {
        kind: "stream" in stream ? "output" : kind,
        ...stream,
        number,
        offset: Number(offset),
        ...bytes,
      };
      expect(frame).toEqual(expected as ServerFrame);
    },
  );

  test.each(cases.filter((frame) => (frame.from === "server") === (frame.head === undefined)))(
    "no frame of the server's: $name",
    ({ frameHex }) => {
      expect(decodeFrame(bytesOf(frameHex).buffer)).toBeNull();
    },
  );

  test("what counts beyond 2^53 is no frame", () => {
    const beyond = cases.filter((frame) => frame.from === "server" && !representable(frame));
    for (const { frameHex } of beyond) expect(decodeFrame(bytesOf(frameHex).buffer)).toBeNull();
    expect(decodeFrame(bytesOf("01000000000000010020000000000000").buffer)).toBeNull();
    expect(decodeFrame(bytesOf("0100000000000001001fffffffffffff").buffer)).toHaveProperty("offset", 2 ** 53 - 1);
  });

  test("there is no program 0", () => {
    expect(decodeFrame(bytesOf("01000000000000000000000000000000").buffer)).toBeNull();
    expect(decodeFrame(bytesOf("01000000000000010000000000000000").buffer)).not.toBeNull();
  });

  test("every frame, cut anywhere and with every byte of its head changed, is read without harm", () => {
    for (const { frameHex, from } of cases) {
      const whole = bytesOf(frameHex);
      for (let length = 0; length < Math.min(whole.length, 17); length += 1) {
        const frame = decodeFrame(whole.slice(0, length).buffer);
        if (length < 16 || from === "client") expect(frame?.kind === "output" && frame.bytes.length === 0).toBe(false);
        if (length < 16) expect(frame).toBeNull();
      }
      for (let at = 0; at < Math.min(16, whole.length); at += 1) {
        for (const value of [1, 2, 3, 0x7f, 0x80, 0xff]) {
          const changed = whole.slice();
          changed[at] = value;
          const frame = decodeFrame(changed.buffer);
          if (frame !== null) expect(frame.number > 0 && Number.isSafeInteger(frame.offset)).toBe(true);
        }
      }
    }
  });
});
