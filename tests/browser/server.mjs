// The real server, started as a user would start it, and stopped without anything left behind.

import { spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const REPOSITORY_DIR = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const TARGET_DIR = resolve(REPOSITORY_DIR, process.env.CARGO_TARGET_DIR ?? "target");
const SERVER_BINARY = process.env.FURTHER_LINK_BINARY ?? join(TARGET_DIR, "debug/further-link");

/** Python packages for programs that draw: pictures, figures. */
const VENV_DIR = process.env.FURTHER_LINK_TEST_VENV ?? join(TARGET_DIR, "venv");

/** Milliseconds; a debug build on a busy small machine needs some of it. */
const START_TIMEOUT_MS = 20_000;
/**
 * Milliseconds; the server gives its programs 2 s of grace, and needs less than that for itself.
 */
const STOP_TIMEOUT_MS = 10_000;

/** The text of an example or of a program for tests: `examples/keys.py`. */
export function program(path) {
  return readFileSync(join(REPOSITORY_DIR, path), "utf8");
}

export class Server {
  /**
   * `files` are in the work folder from the beginning: their text by path. Port 0 lets the system
   * choose. The first address that it names is the one that is used.
   */
  static async start({ files = {}, settings = {}, command = ["serve", "--port", "0"] } = {}) {
    const server = new Server(settings);
    for (const name of ["home", "work"]) mkdirSync(join(server.#folder, name), { recursive: true });
    // A server started as root gives its rights up, and has to get in here all the same.
    chmodSync(server.#folder, 0o755);
    for (const [path, text] of Object.entries(files)) server.write(path, text);
    await server.#start(command);
    return server;
  }

  #folder = mkdtempSync(join(tmpdir(), "further-link-test-"));
  #settings;
  #process;
  #exited;
  #log = "";
  port = 0;

  constructor(settings) {
    this.#settings = settings;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What the server has said, the newest. */
  get log() {
    return this.#log;
  }

  /** Where a file of the work folder is. */
  path(name) {
    return join(this.#folder, "work", name);
  }

  write(name, text) {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  read(name) {
    return readFileSync(this.path(name), "utf8");
  }

  has(name) {
    return existsSync(this.path(name));
  }

  /** Copies a file or a folder of the project into the work folder. */
  copy(from, to) {
    cpSync(join(REPOSITORY_DIR, from), this.path(to), { recursive: true });
  }

  /**
   * Shells that read none of what this machine's user has set: that may take long, and ask for
   * anything.
   */
  #config() {
    const path = join(this.#folder, "further-link.toml");
    writeFileSync(path, '[[runner]]\nname = "shell"\ntitle = "Shell"\ncommand = ["bash", "--norc"]\n');
    return path;
  }

  async #start(command) {
    this.#log = "";
    this.#process = spawn(SERVER_BINARY, [...command, "--config", this.#config()], {
      cwd: this.#folder,
      // Nothing of the environment of whoever runs the tests: no settings, no proxies.
      env: {
        PATH: process.env.PATH,
        LANG: "C.UTF-8",
        HOME: join(this.#folder, "home"),
        FURTHER_LINK_WORK_DIR: join(this.#folder, "work"),
        FURTHER_LINK_SKIP_BLUETOOTH: "1",
        ...(existsSync(join(VENV_DIR, "bin/python3")) ? { FURTHER_VENV: VENV_DIR } : {}),
        ...this.#settings,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    // What cannot be started at all never ends.
    this.#exited = new Promise((done) => this.#process.once("exit", done).once("error", done));
    try {
      this.port = await this.#readPort();
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  #readPort() {
    return new Promise((found, failed) => {
      const fail = (why) => failed(new Error(`the server ${why}\n${SERVER_BINARY}\n${this.#log}`));
      const timer = setTimeout(() => fail(`named no address within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
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

  /** As in a power cut: the files stay. */
  async cut() {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  /** After `cut` or `halt`: the same device is there again, at the same address. */
  again() {
    return this.#start(["serve", "--port", String(this.port)]);
  }

  /** As on Ctrl+C. A server that does not end is an error. */
  async halt() {
    this.#process.kill("SIGINT");
    let timer;
    const late = new Promise((done) => {
      timer = setTimeout(() => done("late"), STOP_TIMEOUT_MS);
    });
    const outcome = await Promise.race([this.#exited, late]);
    clearTimeout(timer);
    await this.cut();
    if (outcome === "late") throw new Error(`the server did not stop within ${STOP_TIMEOUT_MS} ms\n${this.#log}`);
  }

  /** The end of it, and of its files. */
  async kill() {
    await this.cut();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async stop() {
    try {
      await this.halt();
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}
