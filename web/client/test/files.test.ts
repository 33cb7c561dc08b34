/**
 * What is asked for with files, and what becomes of answers. The real server's are in
 * `live.test.ts`.
 */

import { afterEach, describe, expect, test, vi } from "vitest";
import { FilesError } from "../src/errors.js";
import { FurtherLink } from "../src/link.js";

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
}

function device(answer: () => Response | Promise<Response>) {
  const asked: Asked[] = [];
  const link = new FurtherLink({
    base: "http://device/sub/",
    fetch: async (url, init = {}) => {
      asked.push({ method: init.method ?? "GET", url: String(url), headers: { ...(init.headers as object) } });
      return answer();
    },
  });
  return { link, files: link.files, asked };
}

afterEach(() => vi.unstubAllGlobals());

test("addresses", () => {
  const { files } = device(() => new Response());
  expect(files.url("a b/ä#.txt")).toBe("http://device/sub/fs/a%20b/%C3%A4%23.txt");
  expect(files.url("//a///b/")).toBe("http://device/sub/fs/a/b");
  expect(files.url("")).toBe("http://device/sub/fs/");
  expect(files.url("a", { archive: true })).toBe("http://device/sub/fs/a/?archive=zip");
});

test("what the browser would take for another path is not asked for", async () => {
  const { files, asked } = device(() => new Response());
  for (const path of [".", "..", "a/./b", "a/../b", "/../"]) {
    await expect(files.remove(path)).rejects.toMatchObject({ name: "FilesError", status: 403 });
    await expect(files.move("a", path)).rejects.toMatchObject({ status: 403 });
    expect(() => files.watch(path, () => {})).toThrow(FilesError);
  }
  expect(asked).toEqual([]);
});

test("conditions, times and places are told as the server wants them", async () => {
  const { files, asked } = device(() => new Response(null, { status: 204, headers: { ETag: '"2"' } }));
  await files.write("a", "x", { ifMatch: '"1"', parents: true, modified: 1.9 });
  await files.write("a", "x", { ifMatch: null });
  await files.write("a", "x");
  await files.makeFolder("f");
  await files.remove("f");
  await files.move("a", "ü/b c", { overwrite: true });
  await files.move("a", "b");
  const type = { "Content-Type": "application/octet-stream" };
  expect(asked).toEqual([
    {
      method: "PUT",
      url: "http://device/sub/fs/a?parents=1",
      headers: { ...type, "If-Match": '"1"', "X-Timestamp": "1" },
    },
    { method: "PUT", url: "http://device/sub/fs/a", headers: { ...type, "If-None-Match": "*" } },
    { method: "PUT", url: "http://device/sub/fs/a", headers: type },
    { method: "PUT", url: "http://device/sub/fs/f/", headers: {} },
    { method: "DELETE", url: "http://device/sub/fs/f", headers: {} },
    {
      method: "MOVE",
      url: "http://device/sub/fs/a",
      headers: { "X-Destination": "/fs/%C3%BC/b%20c", "X-Overwrite": "true" },
    },
    { method: "MOVE", url: "http://device/sub/fs/a", headers: { "X-Destination": "/fs/b" } },
  ]);
});

test.each([
  ["404: Not Found\nThere is no file a.\n", "There is no file a."],
  ["404: Not Found\n", "Not Found"],
  ["404: Not Found", "Not Found"],
  ["", "Status 404"],
  ["x".repeat(5000), "x".repeat(1000)],
])("errors are sentences: %j", async (body, message) => {
  const { files } = device(() => new Response(body, { status: 404, headers: { ETag: '"1"' } }));
  const error = await files.read("a").catch((error) => error);
  expect(error).toBeInstanceOf(FilesError);
  expect(error).toMatchObject({ status: 404, message, etag: '"1"' });
});

test("a device that does not answer has status 0; what was given up is told as that", async () => {
  const { link, files } = device(() => Promise.reject(new TypeError("Failed to fetch")));
  for (const promise of [
    files.list(""),
    files.read("a"),
    files.write("a", ""),
    files.remove("a"),
    link.runners(),
    link.device(),
  ]) {
    await expect(promise).rejects.toMatchObject({ name: "FilesError", status: 0 });
  }
  const given = device(() => Promise.reject(new DOMException("", "AbortError")));
  await expect(given.files.read("a")).rejects.toHaveProperty("name", "AbortError");
});

test.each(["no json", "null", "[]", "{}", '{"files":1}', '{"runners":{}}'])(
  "an answer that makes no sense: %s",
  async (text) => {
    const { link, files } = device(() => new Response(text));
    await expect(files.list("")).rejects.toMatchObject({ name: "FilesError", status: 0 });
    await expect(link.runners()).rejects.toMatchObject({ name: "FilesError", status: 0 });
    await expect(link.device()).rejects.toMatchObject({ name: "FilesError", status: 0 });
  },
);

test("a file that is too large is not read any further", async () => {
  let taken = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => {
        taken += 1000;
        controller.enqueue(new Uint8Array(1000));
        if (taken === 10_000) controller.close();
      },
    });
  const { files } = device(() => new Response(endless(), { headers: { ETag: '"1"' } }));
  expect(await files.read("a", { limit: 10_000 })).toEqual({ bytes: new Uint8Array(10_000), etag: '"1"' });
  taken = 0;
  await expect(files.read("a", { limit: 4_999 })).rejects.toMatchObject({ name: "FilesError", status: 413 });
  expect(taken).toBeLessThan(10_000);
  const { files: none } = device(() => new Response(null));
  expect((await none.read("a")).bytes.length).toBe(0);
});

test("a file that comes half is told of as a device that does not answer", async () => {
  const half = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(new Uint8Array(1));
      controller.error(new TypeError("network error"));
    },
  });
  const { files } = device(() => new Response(half));
  await expect(files.read("a")).rejects.toMatchObject({ name: "FilesError", status: 0 });
});

test("lists", async () => {
  const list = {
    free: 10,
    block_size: 4096,
    writable: true,
    truncated: true,
    files: [
      { name: "a", directory: false, file_size: 3, modified_ns: 1_700_000_000_123_000_000, etag: '"1"' },
      { name: "l", directory: true, file_size: 0, modified_ns: 0, link: "../x" },
      { name: "s", special: true },
      { name: "b", broken: true, link: "nowhere" },
      { name: 1 },
      null,
    ],
  };
  const { files } = device(() => new Response(JSON.stringify(list)));
  const none = { directory: false, size: 0, modified: 0, etag: null, link: null };
  expect(await files.list("")).toEqual({
    entries: [
      { name: "a", directory: false, size: 3, modified: 1_700_000_000_123, etag: '"1"', link: null, unreadable: false },
      { ...none, name: "l", directory: true, link: "../x", unreadable: false },
      { ...none, name: "s", unreadable: true },
      { ...none, name: "b", link: "nowhere", unreadable: true },
    ],
    writable: true,
    truncated: true,
    free: 40_960,
    root: null,
  });
});

/** The XMLHttpRequest of a browser, moved by tests. */
class FakeRequest {
  static last: FakeRequest;
  readonly upload: { onprogress?: (event: { loaded: number; total: number }) => void } = {};
  readonly said: unknown[] = [];
  status = 0;
  responseText = "";
  etag: string | null = null;
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  onloadend?: () => void;
  constructor() {
    FakeRequest.last = this;
  }
  open(method: string, url: URL): void {
    this.said.push(method, String(url));
  }
  setRequestHeader(name: string, value: string): void {
    this.said.push(`${name}: ${value}`);
  }
  send(body: unknown): void {
    this.said.push(body);
  }
  abort(): void {
    this.onabort?.();
    this.onloadend?.();
  }
  getResponseHeader(): string | null {
    return this.etag;
  }
  answer(status: number, text: string, etag: string | null): void {
    Object.assign(this, { status, responseText: text, etag });
    this.onload?.();
    this.onloadend?.();
  }
}

describe("in a browser, with progress", () => {
  function writing(options: object = {}) {
    vi.stubGlobal("XMLHttpRequest", FakeRequest);
    const { files, asked } = device(() => new Response());
    const progress: [number, number][] = [];
    const onProgress = (sent: number, total: number) => progress.push([sent, total]);
    const promise = files.write("a b", "content", { onProgress, ifMatch: '"1"', ...options });
    return { promise, progress, request: FakeRequest.last, asked };
  }

  test("it is told how much was sent", async () => {
    const { promise, progress, request, asked } = writing();
    expect(request.said).toEqual([
      "PUT",
      "http://device/sub/fs/a%20b",
      "Content-Type: application/octet-stream",
      'If-Match: "1"',
      "content",
    ]);
    request.upload.onprogress?.({ loaded: 3, total: 7 });
    request.upload.onprogress?.({ loaded: 7, total: 7 });
    request.answer(201, "", '"2"');
    expect(await promise).toEqual({ etag: '"2"', created: true });
    expect(progress).toEqual([
      [3, 7],
      [7, 7],
    ]);
    expect(asked).toEqual([]);
  });

  test("errors are as without", async () => {
    const refused = writing();
    refused.request.answer(412, "412: Precondition Failed\nIt has changed.\n", '"3"');
    await expect(refused.promise).rejects.toMatchObject({ status: 412, message: "It has changed.", etag: '"3"' });
    const lost = writing();
    lost.request.onerror?.();
    await expect(lost.promise).rejects.toMatchObject({ name: "FilesError", status: 0 });
  });

  test("it can be given up, before and in between", async () => {
    const abort = new AbortController();
    const { promise } = writing({ signal: abort.signal });
    abort.abort();
    await expect(promise).rejects.toHaveProperty("name", "AbortError");
    await expect(writing({ signal: abort.signal }).promise).rejects.toHaveProperty("name", "AbortError");
  });
});
