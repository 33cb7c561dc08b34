/** `docs/asyncapi.yaml`: what it says about `/run`, as schemas and as types. */

import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

interface Message {
  readonly contentType?: string;
  readonly payload: { readonly $ref: string };
}

interface Operation {
  readonly action: "receive" | "send";
  readonly messages: readonly { readonly $ref: string }[];
  readonly reply?: { readonly messages: readonly { readonly $ref: string }[] };
}

interface Document {
  readonly channels: Readonly<
    Record<string, { readonly messages: Readonly<Record<string, { readonly $ref: string }>> }>
  >;
  readonly operations: Readonly<Record<string, Operation>>;
  /** Our extension: WebSocket close codes. */
  readonly "x-close-codes": readonly { readonly code: number; readonly name: string }[];
  readonly components: {
    readonly messages: Readonly<Record<string, Message>>;
    readonly schemas: Readonly<Record<string, Schema>>;
  };
}

export const repository = new URL("../../../", import.meta.url);
const document = parse(readFileSync(new URL("docs/asyncapi.yaml", repository), "utf8")) as Document;

/** The close codes that the server sends. */
export const closeCodes = document["x-close-codes"];

/** The channels that this library speaks. */
const CHANNELS = ["run", "runStream"];

const last = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/**
 * The names of the schemas of what a client sends, and of what it is sent, binary frames left out.
 */
export const payloads = (() => {
  const client = new Set<string>();
  const server = new Set<string>();
  for (const { action, messages, reply } of Object.values(document.operations)) {
    const sorted = [
      { to: action === "receive" ? client : server, messages },
      { to: server, messages: reply?.messages ?? [] },
    ];
    for (const { to, messages } of sorted) {
      for (const { $ref } of messages) {
        const [, , channel = "", , name = ""] = $ref.split("/");
        if (!CHANNELS.includes(channel)) continue;
        const message = document.components.messages[last(document.channels[channel]!.messages[name]!.$ref)]!;
        if (message.contentType === undefined) to.add(last(message.payload.$ref));
      }
    }
  }
  return { client: [...client].sort(), server: [...server].sort() };
})();

const ajv = new Ajv2020({ strict: false });
ajv.addSchema({ $id: "asyncapi", components: document.components });

/** Whether a value is as a schema of the document says. */
export function isValid(schema: string, value: unknown): boolean {
  const validate = ajv.getSchema(`asyncapi#/components/schemas/${schema}`);
  if (validate === undefined) throw new Error(`there is no schema ${schema}`);
  return validate(value) === true;
}

/** Whether it is one of the messages that a client should send. */
export function isClientMessage(value: unknown): boolean {
  return payloads.client.some((schema) => isValid(schema, value));
}

/** The schemas as TypeScript. */
export function generate(): string {
  const wanted = new Set([...payloads.client, ...payloads.server]);
  const types: string[] = [];
  for (const name of wanted) {
    // Grows while it is gone through: by what is referred to.
    types.push(`export type ${name} = ${typeOf(document.components.schemas[name]!, wanted)};\n`);
  }
  const union = (name: string, of: readonly string[]) => `export type ${name} =\n  | ${of.join("\n  | ")};\n`;
  return [
    "// Made of docs/asyncapi.yaml by `npm run generate`; a test fails when it is stale.\n",
    ...types.sort(),
    union("ClientPayload", payloads.client),
    union("ServerPayload", payloads.server),
  ].join("\n");
}

function typeOf(schema: Schema, wanted: Set<string>): string {
  if (schema.$ref !== undefined) {
    const name = last(schema.$ref);
    wanted.add(name);
    return name;
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map((one) => typeOf(one, wanted)))].join(" | ");
  if (schema.type === undefined && schema.allOf?.length === 1) return typeOf(schema.allOf[0]!, wanted);
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, wanted)).join(" | ");
  switch (schema.type) {
    case "string":
    case "boolean":
    case "number":
    case "null":
      return schema.type;
    case "integer":
      return "number";
    case "array":
      return `readonly (${typeOf(schema.items!, wanted)})[]`;
    case "object": {
      const keys = Object.entries(schema.properties ?? {}).map(([name, property]) => {
        const optional = schema.required?.includes(name) === true ? "" : "?";
        return `readonly ${name}${optional}: ${typeOf(property, wanted)}`;
      });
      return `{ ${keys.join("; ")} }`;
    }
    default:
      throw new Error(`no type for ${JSON.stringify(schema)}`);
  }
}
