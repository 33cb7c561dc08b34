/** The files below the work folder, over HTTP (`docs/protocol.md` section 12). */

import type { Address } from "./address.js";
import { FilesError } from "./errors.js";
import { answerFailure, unreachable } from "./http.js";
import { isObject } from "./messages.js";
import type { FileChange, FileEntry, Files, FolderList } from "./types.js";
import { watchFolder } from "./watch.js";

/**
 * Bytes of a file that is read into memory: more than any text that somebody edits, and little
 * enough for a phone.
 */
const READ_LIMIT = 100_000_000;

type ReadOptions = NonNullable<Parameters<Files["read"]>[1]>;
type WriteOptions = NonNullable<Parameters<Files["write"]>[2]>;

/** What has come of a request. */
interface Answer {
  readonly status: number;
  readonly etag: string | null;
  readonly text: () => Promise<string>;
}

export class FilesClient implements Files {
  readonly #address: Address;

  constructor(address: Address) {
    this.#address = address;
  }

  async list(folder: string): Promise<FolderList> {
    const response = await this.#ask("GET", folderAddress(folder));
    const list: unknown = await body(() => response.json());
    if (!isObject(list) || !Array.isArray(list.files)) throw new FilesError(0, "The device's list of files is none.");
    return {
      entries: list.files.map(entryOf).filter((entry) => entry !== null),
      writable: list.writable === true,
      truncated: list.truncated === true,
      free: numberOf(list.free) * numberOf(list.block_size),
      root: typeof list.path === "string" ? list.path : null,
    };
  }

  async read(path: string, options: ReadOptions = {}): Promise<{ bytes: Uint8Array; etag: string | null }> {
    const { limit = READ_LIMIT, signal } = options;
    const response = await this.#ask("GET", fileAddress(path), {}, signal);
    return { bytes: await body(() => bytesOf(response, limit)), etag: response.headers.get("ETag") };
  }

  url(path: string, options: { readonly archive?: boolean } = {}): string {
    if (options.archive === true) return this.#address.url(folderAddress(path), { archive: "zip" }).href;
    return this.#address.url(fileAddress(path)).href;
  }

  async write(
    path: string,
    content: string | Blob | Uint8Array,
    options: WriteOptions = {},
  ): Promise<{ etag: string | null; created: boolean }> {
    const { ifMatch, parents, modified, onProgress, signal } = options;
    const url = this.#address.url(fileAddress(path), parents === true ? { parents: "1" } : {});
    const headers: Record<string, string> = { "Content-Type": "application/octet-stream" };
    if (typeof ifMatch === "string") headers["If-Match"] = ifMatch;
    if (ifMatch === null) headers["If-None-Match"] = "*";
    if (modified !== undefined) headers["X-Timestamp"] = String(Math.trunc(modified));
    const payload = content instanceof Uint8Array ? (content as Uint8Array<ArrayBuffer>) : content;
    // `fetch` does not tell how much it has sent.
    const withProgress = onProgress !== undefined && typeof XMLHttpRequest === "function";
    const answer = withProgress
      ? await send(url, headers, payload, onProgress, signal)
      : await this.#send(url, { method: "PUT", headers, body: payload, ...(signal === undefined ? {} : { signal }) });
    if (answer.status !== 201 && answer.status !== 204) throw await failure(answer);
    return { etag: answer.etag, created: answer.status === 201 };
  }

  async makeFolder(path: string): Promise<void> {
    await this.#ask("PUT", folderAddress(path));
  }

  async remove(path: string): Promise<void> {
    await this.#ask("DELETE", fileAddress(path));
  }

  async move(from: string, to: string, options: { readonly overwrite?: boolean } = {}): Promise<void> {
    const headers: Record<string, string> = { "X-Destination": `/${fileAddress(to)}` };
    if (options.overwrite === true) headers["X-Overwrite"] = "true";
    await this.#ask("MOVE", fileAddress(from), headers);
  }

  watch(folder: string, listener: (change: FileChange) => void): () => void {
    return watchFolder(this.#address, folderAddress(folder), listener);
  }

  async #ask(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const init = { method, headers, ...(signal === undefined ? {} : { signal }) };
    const response = await this.#fetch(this.#address.url(path), init);
    if (!response.ok) throw await failure(answerOf(response));
    return response;
  }

  async #send(url: URL, init: RequestInit): Promise<Answer> {
    return answerOf(await this.#fetch(url, init));
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await this.#address.fetch(url, init);
    } catch (error) {
      throw unreachable(error);
    }
  }
}

/**
 * The path of a file or folder in an address. Throws what the device would not take, or the browser
 * would rewrite.
 */
function fileAddress(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  // Browsers resolve these, also when they are encoded, and ask for another file.
  if (parts.includes(".") || parts.includes("..")) throw new FilesError(403, "A path may not have . or .. in it.");
  try {
    return ["fs", ...parts.map(encodeURIComponent)].join("/") + (parts.length === 0 ? "/" : "");
  } catch {
    throw new FilesError(400, "This name has a character that is only half there.");
  }
}

export function folderAddress(path: string): string {
  const address = fileAddress(path);
  return address.endsWith("/") ? address : `${address}/`;
}

function answerOf(response: Response): Answer {
  return { status: response.status, etag: response.headers.get("ETag"), text: () => response.text() };
}

async function failure(answer: Answer): Promise<FilesError> {
  return answerFailure(answer.status, await answer.text().catch(() => ""), answer.etag);
}

async function body<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw unreachable(error);
  }
}

/**
 * Reads no further than the limit: what the head says of the length is not asked, as it may be
 * missing.
 */
async function bytesOf(response: Response, limit: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array();
  const reader = response.body.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
    if (length > limit) {
      void reader.cancel().catch(() => {});
      throw new FilesError(413, `This file has more than ${limit} bytes, too many to be shown.`);
    }
  }
  const bytes = new Uint8Array(length);
  let filled = 0;
  for (const piece of pieces) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}

function send(
  url: URL,
  headers: Record<string, string>,
  payload: string | Blob | Uint8Array<ArrayBuffer>,
  onProgress: (sent: number, total: number) => void,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const aborted = () => new DOMException("The upload was given up.", "AbortError");
    if (signal?.aborted) {
      reject(aborted());
      return;
    }
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal?.addEventListener("abort", abort);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded, total);
    request.onload = () =>
      resolve({
        status: request.status,
        etag: request.getResponseHeader("ETag"),
        text: async () => request.responseText,
      });
    request.onerror = () => reject(new FilesError(0, "The device does not answer."));
    request.onabort = () => reject(aborted());
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.send(payload);
  });
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function entryOf(value: unknown): FileEntry | null {
  if (!isObject(value) || typeof value.name !== "string") return null;
  return {
    name: value.name,
    directory: value.directory === true,
    size: numberOf(value.file_size),
    modified: numberOf(value.modified_ns) / 1e6,
    etag: typeof value.etag === "string" ? value.etag : null,
    link: typeof value.link === "string" ? value.link : null,
    unreadable: value.special === true || value.broken === true,
  };
}
