/** The types of messages are those of `docs/asyncapi.yaml`. The compiler sees to the second half of this. */

import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ClientMessage, FeatureName, NovncOptions, ServerMessage } from "../src/messages.js";
import type * as document from "./asyncapi.generated.js";
import { generate, payloads } from "./asyncapi.js";

const FILE = new URL("asyncapi.generated.ts", import.meta.url);

test("the types made of the document are those that are checked against the library's", () => {
  const made = generate();
  if (process.env.FURTHER_LINK_GENERATE === "1") writeFileSync(FILE, made);
  expect(readFileSync(FILE, "utf8"), "docs/asyncapi.yaml has changed: npm run generate, then npm run check").toBe(made);
});

test("the document has messages both ways", () => {
  expect(payloads.client).toContain("RunStart");
  expect(payloads.server).toContain("StreamStopped");
});

/** Fails to compile if `Value` is anything but true. */
type Holds<Value extends true> = Value;
type Extends<A, B> = [A] extends [B] ? true : false;
type Same<A, B> = Extends<A, B> extends true ? Extends<B, A> : false;
/** The data of messages of one type. */
type DataOf<Message extends { type: string }, Type> = Message extends unknown
  ? Type extends Message["type"]
    ? Message extends { data?: infer Data }
      ? Data
      : never
    : never
  : never;
/** All keys of all members of a union. */
type KeysOf<Union> = Union extends unknown ? keyof Union : never;
/** Types of messages whose data have other keys than in the document. */
type OtherKeys<Ours extends { type: string }, Theirs extends { type: string }, Known extends string = never> = {
  [Type in Theirs["type"]]: Same<
    KeysOf<NonNullable<DataOf<Ours, Type>>>,
    Exclude<KeysOf<NonNullable<DataOf<Theirs, Type>>>, Known>
  > extends true
    ? never
    : Type;
}[Theirs["type"]];

export type Checks = [
  // There are no other messages, and none is missing.
  Holds<Same<ClientMessage["type"], document.ClientPayload["type"]>>,
  Holds<Same<ServerMessage["type"], document.ServerPayload["type"]>>,
  Holds<Same<FeatureName, document.Feature>>,
  Holds<Same<NovncOptions, document.NovncOptions>>,
  // What the library sends is what should be sent, with all keys that there are (`directoryName` is for older clients).
  Holds<Extends<Exclude<ClientMessage, { type: "widgetevent" }>, document.ClientPayload>>,
  Holds<Same<OtherKeys<ClientMessage, document.ClientPayload, "directoryName">, never>>,
  // What the device sends is what the library makes of it (`output` of `keylisten` is the older name of `key`, and widgets have keys by kind).
  Holds<Extends<Exclude<document.ServerPayload, { type: "pong" | "hello" }>, ServerMessage>>,
  Holds<Same<OtherKeys<ServerMessage, Exclude<document.ServerPayload, { type: "keylisten" | "widget" }>>, never>>,
];
