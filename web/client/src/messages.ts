/** The text messages of `/run` (`docs/protocol.md` sections 2, 6, 8, 10 and 11; `docs/asyncapi.yaml`), both ways.
 *
 * What comes from the device is checked here, once: whatever is not of its message's shape is no message. Keys that are
 * not known are passed over, as newer devices may send more. */

/** What a client may say that it shows or knows; `start` is that it sends the newer keys of `start`. */
export type FeatureName = "figure" | "plot" | "widget" | "start";

export interface PingMessage {
  readonly type: "ping";
}

export interface HelloMessage {
  readonly type: "hello";
  readonly data: { readonly features: readonly FeatureName[] };
}

/** A display for the program's windows, in pixels. */
export interface NovncOptions {
  readonly enabled: boolean;
  readonly width?: number;
  readonly height?: number;
}

export interface StartMessage {
  readonly type: "start";
  readonly process: string;
  readonly data: {
    readonly runner: string;
    readonly code?: string;
    readonly path?: string;
    /** These four only for devices that list the feature `start`. */
    readonly arguments?: readonly string[];
    readonly pty?: boolean;
    readonly rows?: number;
    readonly cols?: number;
    readonly novncOptions?: NovncOptions;
  };
}

export interface StdinMessage {
  readonly type: "stdin";
  readonly process: string;
  readonly data: { readonly input: string };
}

export interface ResizeMessage {
  readonly type: "resize";
  readonly process: string;
  readonly data: { readonly rows: number; readonly cols: number };
}

export interface KeyeventMessage {
  readonly type: "keyevent";
  readonly process: string;
  readonly data: { readonly key: string; readonly event: "keydown" | "keyup" };
}

export interface FigureeventMessage {
  readonly type: "figureevent";
  readonly process: string;
  readonly data: { readonly id: string; readonly event: "close" };
}

export interface WidgeteventMessage {
  readonly type: "widgetevent";
  readonly process: string;
  readonly data: { readonly id: string; readonly event: string; readonly value?: unknown };
}

export interface StopMessage {
  readonly type: "stop";
  readonly process: string;
}

/** What a client says. */
export type ClientMessage =
  | PingMessage
  | HelloMessage
  | StartMessage
  | StdinMessage
  | ResizeMessage
  | KeyeventMessage
  | FigureeventMessage
  | WidgeteventMessage
  | StopMessage;

export interface PongMessage {
  readonly type: "pong";
}

export interface HelloAnswer {
  readonly type: "hello";
  readonly data: { readonly version: string; readonly features: readonly string[] };
}

export interface StartedMessage {
  readonly type: "started";
  readonly process: string;
  /** Only with `further-link.3`: the program's number in binary frames, from 1 to 2³² − 1. */
  readonly data: { readonly number: number } | null;
}

export interface OutputMessage {
  readonly type: "stdout" | "stderr";
  readonly process: string;
  readonly data: { readonly output: string };
}

export interface StoppedMessage {
  readonly type: "stopped";
  readonly process: string;
  /** `output`, only with `further-link.3`: how many bytes the program has put out in all. */
  readonly data: { readonly exitCode: number; readonly output?: number };
}

export interface ErrorMessage {
  readonly type: "error";
  /** Null if what was wrong named none. */
  readonly process: string | null;
  readonly data: { readonly message: string; readonly detail?: string };
}

export interface KeylistenMessage {
  readonly type: "keylisten";
  readonly process: string;
  readonly data: { readonly key: string };
}

export interface VideoMessage {
  readonly type: "video";
  readonly process: string;
  /** A JPEG file in base64. */
  readonly data: { readonly output: string };
}

export interface FigureMessage {
  readonly type: "figure";
  readonly process: string;
  readonly data: {
    readonly id: string;
    readonly figure: number;
    readonly title: string;
    readonly format: "png" | "svg";
    readonly width: number;
    readonly height: number;
    readonly closed: boolean;
    /** The file in base64; null if it is closed. */
    readonly image: string | null;
  };
}

export interface PlotMessage {
  readonly type: "plot";
  readonly process: string;
  readonly data: {
    readonly name: string;
    readonly series: readonly {
      readonly name: string;
      readonly x: readonly number[];
      readonly y: readonly (number | null)[];
    }[];
    readonly clear?: boolean;
    readonly window?: number;
  };
}

export interface WidgetMessage {
  readonly type: "widget";
  readonly process: string;
  /** Further keys by kind. */
  readonly data: { readonly id: string; readonly kind: string; readonly removed?: boolean } & Readonly<
    Record<string, unknown>
  >;
}

export interface NovncMessage {
  readonly type: "novnc";
  readonly process: string;
  readonly data: { readonly port: number; readonly path: string };
}

/** What the device says. */
export type ServerMessage =
  | PongMessage
  | HelloAnswer
  | StartedMessage
  | OutputMessage
  | StoppedMessage
  | ErrorMessage
  | KeylistenMessage
  | VideoMessage
  | FigureMessage
  | PlotMessage
  | WidgetMessage
  | NovncMessage;

/** Halves of surrogate pairs become U+FFFD: the device would count the whole string as missing. */
export function encode(message: ClientMessage): string {
  return JSON.stringify(message, (_, value: unknown) =>
    typeof value === "string" ? value.replace(/\p{Surrogate}/gu, "\ufffd") : value,
  );
}

/** Reads a text message; null for what is none, or is not known. Never throws. */
export function parse(text: string): ServerMessage | null {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(message)) return null;
  const process = typeof message.process === "string" ? message.process : null;
  const data = isObject(message.data) ? message.data : {};
  if (message.type === "pong") return { type: "pong" };
  if (message.type === "hello") return hello(data);
  if (message.type === "error") return error(process, data);
  return process === null ? null : ofProgram(message.type, process, data);
}

type Data = Readonly<Record<string, unknown>>;

function hello({ version, features }: Data): HelloAnswer | null {
  if (typeof version !== "string" || !isList(features, isText)) return null;
  return { type: "hello", data: { version, features } };
}

function error(process: string | null, { message, detail }: Data): ErrorMessage | null {
  if (typeof message !== "string") return null;
  return { type: "error", process, data: typeof detail === "string" ? { message, detail } : { message } };
}

function ofProgram(type: unknown, process: string, data: Data): ServerMessage | null {
  switch (type) {
    case "started":
      return { type, process, data: isCount(data.number, 1, 0xffff_ffff) ? { number: data.number } : null };
    case "stdout":
    case "stderr":
    case "video":
      return typeof data.output === "string" ? { type, process, data: { output: data.output } } : null;
    case "stopped":
      return stopped(process, data);
    case "keylisten":
      return keylisten(process, data);
    case "figure":
      return figure(process, data);
    case "plot":
      return plot(process, data);
    case "widget":
      return widget(process, data);
    case "novnc":
      return novnc(process, data);
    default:
      return null;
  }
}

function stopped(process: string, { exitCode, output }: Data): StoppedMessage | null {
  if (!isCount(exitCode, -0x8000_0000, 0x7fff_ffff)) return null;
  const data = isCount(output, 0, Number.MAX_SAFE_INTEGER) ? { exitCode, output } : { exitCode };
  return { type: "stopped", process, data };
}

function keylisten(process: string, data: Data): KeylistenMessage | null {
  // Servers before this one know `output` alone.
  const key = data.key ?? data.output;
  return typeof key === "string" && key !== "" ? { type: "keylisten", process, data: { key } } : null;
}

function figure(process: string, data: Data): FigureMessage | null {
  const { id, figure, title, format, width, height, closed, image } = data;
  if (typeof id !== "string" || typeof title !== "string" || typeof closed !== "boolean") return null;
  if (!isNumber(figure) || !isNumber(width) || !isNumber(height)) return null;
  if (format !== "png" && format !== "svg") return null;
  if (image !== null && typeof image !== "string") return null;
  if (closed !== (image === null)) return null;
  return { type: "figure", process, data: { id, figure, title, format, width, height, closed, image } };
}

function plot(process: string, { name, series, clear, window }: Data): PlotMessage | null {
  if (typeof name !== "string" || !isList(series, isSeries)) return null;
  return {
    type: "plot",
    process,
    data: {
      name,
      series: series.map(({ name, x, y }) => ({ name, x, y: y.map(finite) })),
      ...(typeof clear === "boolean" ? { clear } : {}),
      ...(isCount(window, 1, Number.MAX_SAFE_INTEGER) ? { window } : {}),
    },
  };
}

function widget(process: string, data: Data): WidgetMessage | null {
  const { id, kind } = data;
  if (typeof id !== "string") return null;
  // What says that it is gone need not say what it was.
  if (typeof kind !== "string" && data.removed !== true) return null;
  return { type: "widget", process, data: { ...data, id, kind: typeof kind === "string" ? kind : "" } };
}

function novnc(process: string, { port, path }: Data): NovncMessage | null {
  if (!isCount(port, 1, 0xffff) || typeof path !== "string" || !path.startsWith("/")) return null;
  return { type: "novnc", process, data: { port, path } };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

function isCount(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isList<T>(value: unknown, is: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(is);
}

/** JSON can write numbers that are none in here: a gap. */
function finite(value: number | null): number | null {
  return Number.isFinite(value) ? value : null;
}

function isSeries(value: unknown): value is PlotMessage["data"]["series"][number] {
  if (!isObject(value) || typeof value.name !== "string") return false;
  const { x, y } = value;
  return (
    isList(x, isNumber) &&
    x.every(Number.isFinite) &&
    isList(y, (item): item is number | null => item === null || isNumber(item)) &&
    x.length === y.length
  );
}
