/**
 * The types of messages are made of `docs/asyncapi.yaml`. The compiler checks what the library adds
 * to them.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type * as document from "../src/generated/messages.js";
import { CloseCode } from "../src/index.js";
import type { ClientMessage, ServerMessage } from "../src/messages.js";
import { closeCodes, generate, payloads } from "./asyncapi.js";

const FILE = new URL("../src/generated/messages.ts", import.meta.url);

test("generated types are those of the document", () => {
  const made = generate();
  if (process.env.FURTHER_LINK_GENERATE === "1") writeFileSync(FILE, made);
  expect(readFileSync(FILE, "utf8"), "docs/asyncapi.yaml has changed: npm run generate, then npm run check").toBe(made);
});

test("document has messages both ways", () => {
  expect(payloads.client).toContain("RunStart");
  expect(payloads.server).toContain("StreamStopped");
});

test("close codes are those of the document", () => {
  const ours = Object.entries(CloseCode).map(([name, code]) => ({ name: name.toLowerCase(), code }));
  const theirs = closeCodes.map(({ name, code }) => ({ name: name.replace(/\s/g, "").toLowerCase(), code }));
  expect(ours).toEqual(theirs);
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
  // What the device sends is what the library makes of it (`output` of `keylisten` is the older
  // name of `key`, and widgets have keys by kind).
  Holds<Extends<Exclude<document.ServerPayload, { type: "pong" | "hello" | "widget" }>, ServerMessage>>,
  Holds<Same<OtherKeys<ServerMessage, Exclude<document.ServerPayload, { type: "keylisten" | "widget" }>>, never>>,
];
