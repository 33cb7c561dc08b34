/** IO channels (`docs/protocol.md` sections 6 and 11): what a program exchanges with its client
 * alongside its standard streams. A channel is one row in {@link CHANNELS}: the type of its
 * messages, how one is checked, and which event of a program it becomes. Everything else in this
 * library goes by the table. */

import { decodeBase64 } from "./base64.js";
import type { RunFigure, RunKeylisten, RunPlot, RunSound, RunWidget } from "./generated/messages.js";
import type { ProgramEvents } from "./types.js";

/** `data` of a message, unchecked. */
export type Data = Readonly<Record<string, unknown>>;

type Emit = <K extends keyof ProgramEvents>(event: K, ...values: Parameters<ProgramEvents[K]>) => void;

export interface Channel<Checked> {
  /** Checks the `data` of a message; null for what is not of its shape. Keys that are not known are
   * dropped, as newer devices may send more. */
  readonly parse: (data: Data) => Checked | null;
  /** Tells the program's listeners. */
  readonly emit: (data: Checked, emit: Emit) => void;
}

const channel = <Checked>(row: Channel<Checked>): Channel<Checked> => row;

/** All channels, by the `type` of their messages. */
export const CHANNELS = {
  keylisten: channel<Pick<RunKeylisten["data"], "key">>({
    parse: (data) => {
      // Servers before this one know `output` alone.
      const key = data.key ?? data.output;
      return typeof key === "string" && key !== "" ? { key } : null;
    },
    emit: ({ key }, emit) => emit("keylisten", key),
  }),
  video: channel<{ readonly output: string }>({
    parse: ({ output }) => (typeof output === "string" ? { output } : null),
    emit: ({ output }, emit) => {
      const bytes = decodeBase64(output);
      if (bytes !== null) emit("video", new Blob([bytes], { type: "image/jpeg" }), 0);
    },
  }),
  figure: channel<RunFigure["data"]>({
    parse: ({ id, figure, title, format, width, height, closed, image }) => {
      if (typeof id !== "string" || typeof title !== "string" || typeof closed !== "boolean") return null;
      if (!isNumber(figure) || !isNumber(width) || !isNumber(height)) return null;
      if (format !== "png" && format !== "svg") return null;
      if (image !== null && typeof image !== "string") return null;
      if (closed !== (image === null)) return null;
      return { id, figure, title, format, width, height, closed, image };
    },
    emit: ({ image, ...figure }, emit) => {
      const bytes = image === null ? null : decodeBase64(image);
      if (bytes === null && !figure.closed) return;
      const type = figure.format === "png" ? "image/png" : "image/svg+xml";
      emit("figure", { ...figure, image: bytes === null ? null : new Blob([bytes], { type }) });
    },
  }),
  plot: channel<RunPlot["data"]>({
    parse: ({ name, series, clear, window }) => {
      if (typeof name !== "string" || !isList(series, isSeries)) return null;
      return {
        name,
        series: series.map(({ name, x, y }) => ({ name, x, y: y.map(finite) })),
        ...(typeof clear === "boolean" ? { clear } : {}),
        ...(isInteger(window, 1, Number.MAX_SAFE_INTEGER) ? { window } : {}),
      };
    },
    emit: ({ name, series, clear, window }, emit) =>
      emit("plot", { name, series, clear: clear === true, window: window ?? null }),
  }),
  widget: channel<RunWidget["data"] & Data>({
    parse: (data) => {
      const { id, kind } = data;
      if (typeof id !== "string") return null;
      // What says that it is gone need not say what it was.
      if (typeof kind !== "string" && data.removed !== true) return null;
      return { ...data, id, kind: typeof kind === "string" ? kind : "" };
    },
    emit: ({ id, kind, removed, ...data }, emit) => emit("widget", { id, kind, removed: removed === true, data }),
  }),
  sound: channel<RunSound["data"]>({
    parse: ({ volume, frequency, duration, audio }) => {
      if (!isNumber(volume)) return null;
      if (typeof audio === "string") return { volume, frequency: null, duration: null, audio };
      if (!isNumber(frequency) || !isNumber(duration)) return null;
      return { volume, frequency, duration, audio: null };
    },
    emit: ({ volume, frequency, duration, audio }, emit) => {
      if (audio !== null) {
        const bytes = decodeBase64(audio);
        if (bytes !== null) emit("sound", { kind: "wav", volume, bytes });
      } else if (frequency !== null && duration !== null) {
        emit("sound", { kind: "tone", volume, frequency, duration });
      }
    },
  }),
};

/** The `type` of a channel's messages. */
export type ChannelName = keyof typeof CHANNELS;

type CheckedData<Name extends ChannelName> = (typeof CHANNELS)[Name] extends Channel<infer Checked> ? Checked : never;

/** A message of a channel. */
export type ChannelMessage = {
  [Name in ChannelName]: { readonly type: Name; readonly process: string; readonly data: CheckedData<Name> };
}[ChannelName];

/** Returns whether messages of this `type` are a channel's. */
export function isChannel(type: unknown): type is ChannelName {
  return typeof type === "string" && Object.hasOwn(CHANNELS, type);
}

/** Checks a message of a channel; null for what is none. */
export function parseChannelMessage(type: ChannelName, process: string, data: Data): ChannelMessage | null {
  const checked = CHANNELS[type].parse(data);
  return checked === null ? null : ({ type, process, data: checked } as ChannelMessage);
}

/** Tells a program's listeners of a message of a channel. */
export function emitChannelMessage({ type, data }: ChannelMessage, emit: Emit): void {
  (CHANNELS[type] as Channel<unknown>).emit(data, emit);
}

export function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

export function isInteger(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

export function isList<T>(value: unknown, is: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(is);
}

/** JSON can write numbers that are none in here: a gap. */
function finite(value: number | null): number | null {
  return Number.isFinite(value) ? value : null;
}

function isSeries(value: unknown): value is RunPlot["data"]["series"][number] {
  if (typeof value !== "object" || value === null) return false;
  const { name, x, y } = value as Data;
  return (
    typeof name === "string" &&
    isList(x, isNumber) &&
    x.every(Number.isFinite) &&
    isList(y, (item): item is number | null => item === null || isNumber(item)) &&
    x.length === y.length
  );
}
