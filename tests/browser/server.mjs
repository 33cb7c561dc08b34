// The real server, started as a user would start it, and stopped without anything left behind.

import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const BINARY = process.env.FURTHER_LINK_BINARY ?? join(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "debug/further-link");

/** Milliseconds; a debug build on a busy small machine needs some of it. */
const START_DEADLINE = 20_000;
/** Milliseconds; the server gives its programs 2 s of grace, and needs less than that for itself. */
const STOP_DEADLINE = 10_000;

export class Server {
  /** Port 0 lets the system choose. */
  static async start(port = 0) {
    const server = new Server();
    await server.#start(port);
    return server;
  }

  #folder = mkdtempSync(join(tmpdir(), "further-link-test-"));
  #process;
  #exited;
  #log = "";
  port = 0;

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async #start(port) {
    // A server started as root gives its rights up, and has to get in here all the same.
    chmodSync(this.#folder, 0o755);
    for (const name of ["home", "work"]) mkdirSync(join(this.#folder, name), { recursive: true });
    this.#process = spawn(BINARY, ["serve", "--port", String(port)], {
      cwd: this.#folder,
      // Nothing of the environment of whoever runs the tests: no settings, no proxies.
      env: {
        PATH: process.env.PATH,
        LANG: "C.UTF-8",
        HOME: join(this.#folder, "home"),
        FURTHER_LINK_WORK_DIR: join(this.#folder, "work"),
        FURTHER_LINK_SKIP_BLUETOOTH: "1",
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#exited = new Promise((done) => this.#process.once("exit", done));
    try {
      this.port = await this.#readPort();
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  #readPort() {
    return new Promise((found, failed) => {
      const fail = (why) => failed(new Error(`the server ${why}\n${BINARY}\n${this.#log}`));
      const timer = setTimeout(() => fail(`named no address within ${START_DEADLINE} ms`), START_DEADLINE);
      this.#process.once("error", (error) => fail(`could not be started: ${error.message}`));
      this.#process.once("exit", (status, signal) => fail(`ended with ${signal ?? status} instead of starting`));
      this.#process.stderr.setEncoding("utf8").on("data", (text) => {
        // Read to the end, or else a server that logs much would wait for us.
        this.#log = (this.#log + text).slice(-20_000);
        const match = /https?:\/\/127\.0\.0\.1:(\d+)\b.*\n/.exec(this.#log);
        if (match === null) return;
        clearTimeout(timer);
        found(Number(match[1]));
      });
    });
  }

  /** As in a power cut. */
  async kill() {
    this.#process.kill("SIGKILL");
    await this.#exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** As on Ctrl+C. A server that does not end is an error. */
  async stop() {
    this.#process.kill("SIGINT");
    let timer;
    const late = new Promise((done) => {
      timer = setTimeout(() => done("late"), STOP_DEADLINE);
    });
    const outcome = await Promise.race([this.#exited, late]);
    clearTimeout(timer);
    await this.kill();
    if (outcome === "late") throw new Error(`the server did not stop within ${STOP_DEADLINE} ms\n${this.#log}`);
  }
}
