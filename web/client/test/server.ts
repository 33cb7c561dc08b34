/** The real server, for tests. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { FurtherLink, type LinkOptions } from "../src/link.js";
import type { WebSocketConstructor } from "../src/session.js";

/** Milliseconds in which anything has to happen: far more than a busy machine needs. */
export const DEADLINE = 20_000;

export const BINARY = process.env.FURTHER_LINK_BINARY;

/** Work, state and temp folders are in a folder of its own. */
export class TestServer {
  port = 0;
  readonly folder = mkdtempSync(join(tmpdir(), "further-link-client-"));
  #child: ChildProcess | null = null;
  readonly #links: FurtherLink[] = [];

  /** Starts it; for the second time on the same port. */
  async start(): Promise<void> {
    const others = Object.entries(process.env).filter(([name]) => !/^(FURTHER|XDG_|NOTIFY_SOCKET)/.test(name));
    const child = spawn(
      BINARY!,
      ["serve", "--port", String(this.port), "--set", `state.dir=${JSON.stringify(join(this.folder, "state"))}`],
      {
        env: {
          ...Object.fromEntries(others),
          HOME: this.folder,
          FURTHER_LINK_WORK_DIR: join(this.folder, "work"),
          FURTHER_LINK_NOSSL: "1",
        },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    this.#child = child;
    let log = "";
    const lines = createInterface({ input: child.stderr! });
    await new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => {
        log += `${line}\n`;
        const port = /open http\S*:(\d+)/.exec(line)?.[1];
        if (port === undefined) return;
        this.port = Number(port);
        resolve();
      });
      child.on("exit", () => reject(new Error(`the server has ended: ${log}`)));
      child.on("error", reject);
    });
  }

  /** Asks it to end, and waits for that. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }

  link(options: LinkOptions = {}): FurtherLink {
    const link = new FurtherLink({
      base: `http://127.0.0.1:${this.port}`,
      WebSocket: WebSocket as unknown as WebSocketConstructor,
      ...options,
    });
    this.#links.push(link);
    return link;
  }

  /** Ends it, and removes all. */
  async dispose(): Promise<void> {
    for (const link of this.#links) link.close();
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
