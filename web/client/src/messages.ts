/**
 * The text messages of `/run` (`docs/protocol.md` sections 2, 6, 8, 10 and 11), both ways. Their
 * types are made of `docs/asyncapi.yaml` (`generated/messages.ts`, `npm run generate`).
 *
 * What comes from the device is checked here, once: what is not of its message's shape is no
 * message. Keys that are not known are dropped, as newer devices may send more. */

import { type ChannelMessage, type Data, isChannel, isInteger, isList, parseChannelMessage } from "./channels.js";
import type * as generated from "./generated/messages.js";

/** What a client may ask for; `start` says that it sends the newer keys of `start`. */
export type FeatureName = generated.Feature;
export type NovncOptions = generated.NovncOptions;

/**
 * What a client sends. Events of a channel may be of a kind that the document does not know yet.
 */
export type ClientMessage = Exclude<generated.ClientPayload, generated.RunWidgetevent> | WidgeteventMessage;
export type StartMessage = generated.RunStart;
export type FigureMessage = Extract<ChannelMessage, { type: "figure" }>;

/** Programs may make widgets of other kinds than the document's, with other events. */
export interface WidgeteventMessage extends Omit<generated.RunWidgetevent, "data"> {
  readonly data: { readonly id: string; readonly event: string; readonly value?: unknown };
}

/** A message of the device without the id that the client gave itself. */
type Received<Message> = Message extends unknown ? Omit<Message, "client"> : never;

export type StartedMessage = Received<generated.RunStarted | generated.StreamStarted>;
export type StoppedMessage = Received<generated.RunStopped | generated.StreamStopped>;

/** A newer device may know more features than the document. */
export interface HelloAnswer {
  readonly type: "hello";
  readonly data: { readonly version: string; readonly features: readonly string[] };
}

export interface ErrorMessage {
  readonly type: "error";
  /** Null if what was wrong named none. */
  readonly process: string | null;
  /** The message is a sentence, or one of the constants of the document. */
  readonly data: { readonly message: string; readonly detail?: string };
}

/** What the device sends. */
export type ServerMessage =
  | { readonly type: "pong" }
  | HelloAnswer
  | StartedMessage
  | Received<generated.RunStdout | generated.RunStderr>
  | StoppedMessage
  | ErrorMessage
  | ChannelMessage
  | Received<generated.RunNovnc>;

/** Halves of surrogate pairs become U+FFFD: the device would count the whole string as missing. */
export function encode(message: ClientMessage): string {
  return JSON.stringify(message, (_, value: unknown) =>
    typeof value === "string" ? value.replace(/\p{Surrogate}/gu, "\ufffd") : value,
  );
}

/** Reads a text message; returns null for what is none, or is not known. Never throws. */
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

function hello({ version, features }: Data): HelloAnswer | null {
  if (typeof version !== "string" || !isList(features, isText)) return null;
  return { type: "hello", data: { version, features } };
}

function error(process: string | null, { message, detail }: Data): ErrorMessage | null {
  if (typeof message !== "string") return null;
  return { type: "error", process, data: typeof detail === "string" ? { message, detail } : { message } };
}

function ofProgram(type: unknown, process: string, data: Data): ServerMessage | null {
  if (isChannel(type)) return parseChannelMessage(type, process, data);
  switch (type) {
    case "started":
      if (isInteger(data.number, 1, 0xffff_ffff)) return { type, process, data: { number: data.number } };
      return { type, process, data: null };
    case "stdout":
    case "stderr":
      return typeof data.output === "string" ? { type, process, data: { output: data.output } } : null;
    case "stopped":
      return stopped(process, data);
    case "novnc":
      return novnc(process, data);
    default:
      return null;
  }
}

function stopped(process: string, { exitCode, output }: Data): StoppedMessage | null {
  if (!isInteger(exitCode, -0x8000_0000, 0x7fff_ffff)) return null;
  const data = isInteger(output, 0, Number.MAX_SAFE_INTEGER) ? { exitCode, output } : { exitCode };
  return { type: "stopped", process, data };
}

function novnc(process: string, { port, path }: Data): ServerMessage | null {
  if (!isInteger(port, 1, 0xffff) || typeof path !== "string" || !path.startsWith("/")) return null;
  return { type: "novnc", process, data: { port, path } };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
