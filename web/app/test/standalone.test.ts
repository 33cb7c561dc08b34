// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HttpLink, type LinkState } from "../src/terminal/standalone-link";

/** A terminal server's HTTP dialect, as far as one session needs it. */
class Server {
  readonly asked: string[] = [];
  readonly keys: string[] = [];
  sessions = new Set<string>();
  shells = 0;
  reachable = true;
  /** What waits for output. */
  #waiting: ((answer: Response) => void)[] = [];
  #failing: (() => void)[] = [];

  readonly fetch = async (address: string | URL | Request, init?: RequestInit): Promise<Response> => {
    if (!this.reachable) throw new TypeError("no network");
    const query = new URLSearchParams(String(address).slice(2));
    this.asked.push(`${init?.method ?? "GET"} ${query.has("console") ? "console" : [...query.keys()].at(-1)}`);
    if (query.has("sessions")) return Response.json([...this.sessions].map((sid) => ({ sid })));
    const id = query.get("session")!;
    if (!this.sessions.has(id)) {
      this.sessions.add(id);
      this.shells += 1;
    }
    if (init?.method === "POST") {
      this.keys.push(String(init.body));
      return new Response("");
    }
    if (!query.has("console")) return Response.json({ text: "" });
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      this.#failing.push(() => reject(new TypeError("the connection broke")));
    });
  };

  says(text: string, ended = false): void {
    for (const resolve of this.#waiting.splice(0)) resolve(Response.json(ended ? { text, ended } : { text }));
    this.#failing = [];
  }

  breaks(): void {
    for (const fail of this.#failing.splice(0)) fail();
    this.#waiting = [];
  }
}

describe("terminal by requests", () => {
  let server: Server;
  let states: LinkState[];
  let output: string;
  let link: HttpLink;

  beforeEach(async () => {
    vi.useFakeTimers();
    server = new Server();
    vi.stubGlobal("fetch", server.fetch);
    states = [];
    output = "";
    link = new HttpLink(
      { rows: 24, cols: 80 },
      {
        state: (state) => states.push(state),
        output: (text) => {
          output += text;
        },
      },
    );
    await vi.advanceTimersByTimeAsync(0);
  });
  afterEach(() => {
    link.close();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("sends its size first and then asks for output, all of one session", async () => {
    server.says("$ ");
    await vi.advanceTimersByTimeAsync(0);
    expect(server.asked).toEqual(["GET size", "GET console", "GET console"]);
    expect([states, output, server.sessions.size]).toEqual([["connected"], "$ ", 1]);
  });

  it("sends keys in their order, one request at a time", async () => {
    link.write("a");
    link.write("b");
    link.write("c");
    link.resize({ rows: 10, cols: 20 });
    await vi.advanceTimersByTimeAsync(0);
    expect(server.keys).toEqual(['{"text":"a"}', '{"text":"bc","size":"10x20"}']);
  });

  it("tells of the end, and asks no more", async () => {
    server.says("bye", true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([states, output]).toEqual([["connected", "ended"], "bye"]);
    expect(server.asked.length).toBe(2);
  });

  it("goes on after a short break", async () => {
    server.reachable = false;
    server.breaks();
    await vi.advanceTimersByTimeAsync(5_000);
    server.reachable = true;
    await vi.advanceTimersByTimeAsync(1_000);
    server.says("still here");
    await vi.advanceTimersByTimeAsync(0);
    expect([states, output, server.shells]).toEqual([["connected"], "still here", 1]);
  });

  it("does not go on in another shell when the server was started anew", async () => {
    server.sessions = new Set();
    server.breaks();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([states.at(-1), server.shells]).toEqual(["lost-http", 1]);
  });

  it("gives up after a while", async () => {
    server.reachable = false;
    server.breaks();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(states.at(-1)).toBe("lost-http");
  });

  it("ends when keys may have been lost, and does not send them twice", async () => {
    server.reachable = false;
    link.write("rm x\n");
    await vi.advanceTimersByTimeAsync(60_000);
    expect([states.at(-1), server.keys]).toEqual(["lost-http", []]);
  });

  it("takes a bounded amount of input", () => {
    expect(() => {
      for (let count = 0; count < 20; count += 1) link.write("x".repeat(100_000));
    }).toThrow(RangeError);
  });
});
