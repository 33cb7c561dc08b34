import { describe, expect, it } from "vitest";
import { references } from "../src/editor/tracebacks";
import { relativeTo } from "../src/files/paths";

/** As `path:line:column`, and what is marked in the line. */
function found(line: string): string[] {
  return references(line).map(({ path, line: number, column, start, end }) => {
    const place = column === undefined ? `${path}:${number}` : `${path}:${number}:${column}`;
    return `${place} «${line.slice(start, end)}»`;
  });
}

describe("references", () => {
  // What the interpreters and compilers have really written.
  const samples: readonly [line: string, ...expected: string[]][] = [
    ['  File "/tmp/proj/game.py", line 3, in <module>', '/tmp/proj/game.py:3 «File "/tmp/proj/game.py", line 3»'],
    ['  File "/tmp/my proj/syn.py", line 1', '/tmp/my proj/syn.py:1 «File "/tmp/my proj/syn.py", line 1»'],
    ["/tmp/proj/game.js:2", "/tmp/proj/game.js:2 «/tmp/proj/game.js:2»"],
    ["    at f (/tmp/proj/game.js:2:8)", "/tmp/proj/game.js:2:8 «/tmp/proj/game.js:2:8»"],
    ["    at f (/tmp/my proj/game.js:2:8)", "/tmp/my proj/game.js:2:8 «/tmp/my proj/game.js:2:8»"],
    ["    at Module._compile (node:internal/modules/cjs/loader:1521:14)"],
    ["file:///tmp/proj/game.mjs:2", "/tmp/proj/game.mjs:2 «file:///tmp/proj/game.mjs:2»"],
    ["    at file:///tmp/my%20proj/game.mjs:2:7", "/tmp/my proj/game.mjs:2:7 «file:///tmp/my%20proj/game.mjs:2:7»"],
    ["game.c:2:10: error: ‘y’ undeclared (first use in this function)", "game.c:2:10 «game.c:2:10»"],
    [" --> /tmp/proj/game.rs:2:18", "/tmp/proj/game.rs:2:18 «/tmp/proj/game.rs:2:18»"],
    ["thread 'main' panicked at src/main.rs:4:5:", "src/main.rs:4:5 «src/main.rs:4:5»"],
    ["./game.sh: line 2: nosuchcommand: command not found", "./game.sh:2 «./game.sh: line 2»"],
    ["./game.sh: 4: Syntax error: end of file unexpected", "./game.sh:4 «./game.sh: 4»"],
    ["no at game.pl line 2.", "game.pl:2 «game.pl line 2»"],
    ['(did you forget to declare "my $y"?) at strict.pl line 2.', "strict.pl:2 «strict.pl line 2»"],
    ["game.rb:1:in `<main>': undefined local variable (NameError)", "game.rb:1 «game.rb:1»"],
    ["\tat Game.main(Game.java:3)", "Game.java:3 «Game.java:3»"],
    ["\t/tmp/proj/game.go:5 +0x1d", "/tmp/proj/game.go:5 «/tmp/proj/game.go:5»"],
    ["lua: game.lua:1: attempt to call a nil value", "game.lua:1 «game.lua:1»"],
    [
      "PHP Parse error: syntax error in /tmp/proj/game.php on line 3",
      "/tmp/proj/game.php:3 «/tmp/proj/game.php on line 3»",
    ],
    ["PHP Fatal error:  Uncaught Error in /tmp/proj/game.php:3", "/tmp/proj/game.php:3 «/tmp/proj/game.php:3»"],
    ["#0 /tmp/proj/game.php(7): f()", "/tmp/proj/game.php:7 «/tmp/proj/game.php(7)»"],
    ["It is 10:30, and 3:5 in the game."],
    ["Score: 12: good"],
    ["see https://example.org/main.py:3"],
    ["main.py:0"],
    [""],
  ];
  for (const [line, ...expected] of samples) {
    it(line.trim() || "nothing", () => expect(found(line)).toEqual(expected));
  }

  it("does not take long with hostile lines", () => {
    const lines = [
      "at ".repeat(200_000),
      " in a".repeat(200_000),
      "(/".repeat(200_000),
      "a.py:".repeat(200_000),
      `File "${"x".repeat(1_000_000)}`,
      'File "'.repeat(200_000),
      `${"/a".repeat(500_000)}: 1:`,
      "file:///".repeat(100_000),
      `at ${"a ".repeat(500_000)} line 5`,
      "1".repeat(1_000_000),
    ];
    const before = performance.now();
    for (const line of lines) references(line);
    expect(performance.now() - before).toBeLessThan(500);
  });

  it("looks at the beginning of a line only", () => {
    expect(references(`${" ".repeat(1900)}a.py:1`)).toHaveLength(1);
    expect(references(`${" ".repeat(2000)}a.py:1`)).toEqual([]);
  });

  it("names no more places than people read", () => {
    expect(references("a.py:1 ".repeat(100)).length).toBeLessThanOrEqual(8);
  });
});

describe("paths", () => {
  const root = "/home/ann/further";
  it("are those of the work folder, or none", () => {
    expect(relativeTo(root, "/home/ann/further/a/main.py", "")).toBe("a/main.py");
    expect(relativeTo(root, "/home/ann/further/a/../main.py", "")).toBe("main.py");
    expect(relativeTo(root, "/home/ann/further/../secret.py", "")).toBeNull();
    expect(relativeTo(root, "/home/ann/further", "")).toBeNull();
    expect(relativeTo(root, "/home/ann/further2/main.py", "")).toBeNull();
    expect(relativeTo(root, "/usr/lib/python3/random.py", "")).toBeNull();
    expect(relativeTo(null, "/home/ann/further/main.py", "")).toBeNull();
    expect(relativeTo(root, "./main.py", "game")).toBe("game/main.py");
    expect(relativeTo(root, "../main.py", "game")).toBe("main.py");
    expect(relativeTo(root, "../../main.py", "game")).toBeNull();
  });
});
