/**
 * What a file's bytes are for the editor, and the bytes that it writes: what was not edited stays
 * as it was.
 */

import { Text } from "@codemirror/state";

/**
 * Bytes that a file may have to be opened in the editor. Programs are a thousandth of that; what is
 * larger are data.
 */
export const TEXT_MAX_BYTES = 16 * 1024 * 1024;

/** Bytes in which a NUL is looked for: what has one there is no text. */
const PROBE_BYTES = 8192;

/** How a text's lines end. In a `mixed` one only LF ends a line, and each CR stays where it is. */
type Ending = "\n" | "\r\n" | "mixed";

export interface Format {
  readonly ending: Ending;
  /** A byte order mark in front. */
  readonly mark: boolean;
}

export const plain: Format = { ending: "\n", mark: false };

export type Content =
  | { readonly kind: "text"; readonly raw: string }
  /** Text in another encoding, read as Windows-1252: good for looking at it, not for writing it. */
  | { readonly kind: "foreign"; readonly raw: string }
  | { readonly kind: "binary" }
  | { readonly kind: "large" };

const BYTE_ORDER_MARK = "\uFEFF";

/**
 * `raw` holds all characters of the file, with its byte order mark and its line ends: equal texts
 * are equal bytes.
 */
export function decode(bytes: Uint8Array): Content {
  if (bytes.length > TEXT_MAX_BYTES) return { kind: "large" };
  if (bytes.subarray(0, PROBE_BYTES).includes(0)) return { kind: "binary" };
  try {
    return { kind: "text", raw: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { kind: "foreign", raw: new TextDecoder("windows-1252").decode(bytes) };
  }
}

export function formatOf(raw: string): Format {
  const mark = raw.startsWith(BYTE_ORDER_MARK);
  if (!raw.includes("\r")) return { ending: "\n", mark };
  const onlyTogether = !/\r(?!\n)|(?:^|[^\r])\n/.test(raw);
  return { ending: onlyTogether ? "\r\n" : "mixed", mark };
}

export function toDocument(raw: string, format: Format): Text {
  const text = format.mark && raw.startsWith(BYTE_ORDER_MARK) ? raw.slice(1) : raw;
  return Text.of(text.split(format.ending === "\r\n" ? "\r\n" : "\n"));
}

export function toRaw(document: Text, format: Format): string {
  const text = document.sliceString(0, document.length, format.ending === "\r\n" ? "\r\n" : "\n");
  return format.mark ? BYTE_ORDER_MARK + text : text;
}

const IMAGE_EXTENSIONS = new Set([".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".ico", ".avif", ".svg"]);

/** Whether the browser shows a file of that name as a picture. */
export function isImage(name: string): boolean {
  const dot = name.lastIndexOf(".");
  return dot >= 0 && IMAGE_EXTENSIONS.has(name.slice(dot).toLowerCase());
}
