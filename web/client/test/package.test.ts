/** The package as it is published. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repository } from "./asyncapi.js";

/** Milliseconds for npm and the compiler on a busy machine. */
const PATIENCE = 120_000;

const own = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

test("its version is the server's", () => {
  const workspace = readFileSync(new URL("Cargo.toml", repository), "utf8");
  const version = /^\[workspace\.package\][^[]*?^version = "([^"]+)"/m.exec(workspace)?.[1];
  expect(version).toBeDefined();
  expect(own.version).toBe(version);
});

test("it depends on nothing", () => {
  expect(own.dependencies).toBeUndefined();
  expect(own.peerDependencies).toBeUndefined();
});

describe("packed", () => {
  const folder = mkdtempSync(join(tmpdir(), "further-link-package-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = (command: string, ...words: string[]) =>
    execFileSync(command, words, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  let files: string[] = [];

  /** What the compiler has to say. */
  function compile(module: string, resolution: string, ...names: string[]): string {
    const options = [
      "--noEmit",
      "--strict",
      "--target",
      "ES2022",
      "--module",
      module,
      "--moduleResolution",
      resolution,
    ];
    const words = [...options, "--skipLibCheck", "--types", "node", ...names];
    const { stdout } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", ...words], {
      cwd: folder,
      encoding: "utf8",
    });
    return stdout;
  }

  beforeAll(() => {
    const client = fileURLToPath(new URL("..", import.meta.url));
    const packed = JSON.parse(run("npm", "pack", client, "--json", "--loglevel=error").replace(/^[^[]*/, ""));
    files = packed[0].files.map(({ path }: { path: string }) => path);
    writeFileSync(join(folder, "package.json"), '{"type":"module","private":true}');
    run("npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", `./${packed[0].filename}`);
    // From this workspace, as nothing is to be fetched.
    for (const name of ["typescript", "ws", "@types"]) {
      symlinkSync(fileURLToPath(new URL(`web/node_modules/${name}`, repository)), join(folder, "node_modules", name));
    }
  }, PATIENCE);

  test("it holds what is needed, and nothing else", () => {
    expect(files).toContain("README.md");
    expect(files).toContain("LICENSE");
    expect(files).toContain("dist/index.js");
    expect(files).toContain("dist/index.d.ts");
    expect(
      files.filter(
        (path) => !/^(dist\/(generated\/)?[a-z0-9-]+\.(js|d\.ts)|README\.md|LICENSE|package\.json)$/.test(path),
      ),
    ).toEqual([]);
  });

  test("Node.js imports it", () => {
    writeFileSync(
      join(folder, "use.js"),
      `import * as all from "further-link";
       const link = new all.FurtherLink({ base: "http://localhost:1" });
       console.log(Object.keys(all).sort().join(), link.state.kind, link.files.url("a b"));`,
    );
    expect(run(process.execPath, "use.js").trim()).toBe(
      "Backoff,CloseCode,FilesError,FurtherLink closed http://localhost:1/fs/a%20b",
    );
  });

  test(
    "the examples of its description fit it",
    () => {
      const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
      const blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!);
      expect(blocks.length).toBeGreaterThan(4);
      // The whole one stands for itself; the others belong together.
      const whole = blocks.findIndex((code) => code.includes('from "ws"'));
      const terminal =
        "declare const terminal: { rows: number; cols: number; write(bytes: Uint8Array, then: () => void): void;" +
        "onData(listener: (data: string) => void): void; onResize(listener: (size: { rows: number; cols: number }) => void): void };";
      writeFileSync(join(folder, "whole.ts"), blocks[whole]!);
      writeFileSync(join(folder, "parts.ts"), [...blocks.filter((_, index) => index !== whole), terminal].join("\n"));
      expect(compile("NodeNext", "NodeNext", "whole.ts", "parts.ts")).toBe("");
    },
    PATIENCE,
  );

  test.each(["NodeNext", "Bundler"])(
    "its types are found, with the resolution of %s",
    (resolution) => {
      writeFileSync(
        join(folder, "use.ts"),
        `import { FurtherLink, type Program, type ServerMessage } from "further-link";
         const link = new FurtherLink({ base: "http://localhost:8028", features: ["plot"] });
         const program: Program = link.start({ runner: "python3", code: "print()" });
         program.on("output", async ({ text }) => { text.length.toFixed(); });
         const type: ServerMessage["type"] = "stopped";
         // @ts-expect-error There is no such event.
         program.on("nothing", () => {});
         export { type };`,
      );
      const module = resolution === "Bundler" ? "ESNext" : "NodeNext";
      expect(compile(module, resolution, "use.ts")).toBe("");
    },
    PATIENCE,
  );
});
