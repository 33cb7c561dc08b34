// @vitest-environment happy-dom
import type { Output, Program } from "further-link";
import { describe, expect, it } from "vitest";
import { explain, tone } from "../src/run/exit-status";
import { runnerFor } from "../src/run/launch";
import { OutputBuffer } from "../src/run/output-buffer";
import { splitWords } from "../src/run/split-arguments";
import { Transcript } from "../src/run/transcript";
import { chooseLanguage } from "../src/text";
import { bytes } from "../src/ui/bytes";
import { duration } from "../src/ui/duration";

describe("arguments", () => {
  it("are parted as a shell would", () => {
    expect(splitWords("")).toEqual([]);
    expect(splitWords("  a  b\tc ")).toEqual(["a", "b", "c"]);
    expect(splitWords(`"two words" 'it''s' "" a\\ b "q\\"q" '\\'`)).toEqual([
      "two words",
      "its",
      "",
      "a b",
      'q"q',
      "\\",
    ]);
    expect(splitWords("--name=ä€😀")).toEqual(["--name=ä€😀"]);
    expect(splitWords("a\\")).toEqual(["a\\"]);
  });

  it("need their quotation marks closed", () => {
    expect(splitWords('say "hello')).toBeNull();
    expect(splitWords("it's")).toBeNull();
  });
});

describe("end of a program", () => {
  const stopped = (code: number) => ({ kind: "stopped", code }) as const;

  it("is said in words", () => {
    chooseLanguage("en");
    expect(explain(stopped(0), "program", false)).toBe("Finished");
    expect(explain(stopped(1), "program", false)).toBe("Ended with status 1: an error");
    expect(explain(stopped(127), "program", false)).toContain("was not found");
    expect(explain(stopped(-15), "program", true)).toBe("Stopped");
    // It was somebody else.
    expect(explain(stopped(-15), "program", false)).toBe("Ended by signal 15");
    expect(explain(stopped(-9), "program", true)).toContain("Killed (signal 9)");
    expect(explain(stopped(-11), "program", false)).toContain("Crashed");
    expect(explain(stopped(1), "shell", false)).toBe("The shell has ended");
    expect(explain({ kind: "failed", message: "There is no file x.", cause: "device" }, "program", false)).toBe(
      "There is no file x.",
    );
    chooseLanguage("de");
    expect(explain(stopped(0), "program", false)).toBe("Fertig");
    chooseLanguage("en");
  });

  it("looks like what it is", () => {
    expect(tone(stopped(0), "program", false)).toBe("good");
    expect(tone(stopped(-15), "program", true)).toBe("plain");
    expect(tone(stopped(-15), "program", false)).toBe("bad");
    expect(tone({ kind: "lost" }, "program", false)).toBe("bad");
    expect(tone({ kind: "failed", message: "", cause: "no-connection" }, "program", false)).toBe("bad");
    expect(tone({ kind: "running" }, "program", false)).toBe("busy");
  });
});

describe("numbers for people", () => {
  it("tells times", () => {
    expect(duration(340, "en")).toBe("0.3 s");
    expect(duration(340, "de")).toBe("0,3 s");
    expect(duration(59_900, "en")).toBe("1 min");
    expect(duration(185_000, "en")).toBe("3 min 5 s");
    expect(duration(7_800_000, "en")).toBe("2 h 10 min");
    expect(duration(86_400_000 * 5 + 7000, "en")).toBe("5 d");
  });

  it("tells sizes", () => {
    expect(["0", "999", "1000", "1940000000", "512000000", "-5"].map((count) => bytes(Number(count), "en"))).toEqual([
      "0 B",
      "999 B",
      "1 kB",
      "1.9 GB",
      "512 MB",
      "0 B",
    ]);
  });
});

describe("runner of a file", () => {
  const runner = (name: string, extension: string) => ({ name, title: name, extension, installed: true });
  const all = [runner("python3", ".py"), runner("exec", ""), runner("c", ".c"), runner("test", ".test.py")];

  it("goes by the end of its name", () => {
    expect(runnerFor("a/main.py", all)?.name).toBe("python3");
    expect(runnerFor("main.test.py", all)?.name).toBe("test");
    expect(runnerFor("x.c", all)?.name).toBe("c");
    expect(runnerFor("folder.py/tool", all)?.name).toBe("exec");
    expect(runnerFor("x.py", [])).toBeNull();
  });
});

describe("transcript", () => {
  it("keeps all that fits, and says how much does not", () => {
    const transcript = new Transcript();
    for (let number = 0; number < 10_000; number += 1) transcript.add(`${number}\n`);
    const text = transcript.text();
    expect(text).toBe(Array.from({ length: 10_000 }, (_, number) => `${number}\n`).join(""));
    const much = "x".repeat(1024 * 1024);
    for (let count = 0; count < 40; count += 1) transcript.add(much);
    expect(transcript.gone + transcript.length).toBe(text.length + 40 * much.length);
    expect(transcript.text().length).toBe(transcript.length);
    expect(transcript.length).toBeLessThan(37 * 1024 * 1024);
    transcript.clear();
    expect([transcript.text(), transcript.gone]).toEqual(["", 0]);
  });
});

describe("output on its way to a view", () => {
  it("waits for the view, holds the program back meanwhile, and stays in order", async () => {
    let emit: (output: Output) => void | Promise<void> = () => {};
    const program = {
      on: (_event: string, listener: typeof emit) => {
        emit = listener;
        return () => {};
      },
    } as unknown as Program;
    const feed = new OutputBuffer(program);
    const output = (text: string): Output => ({ stream: "stdout", text, bytes: new TextEncoder().encode(text) });
    const consumed: string[] = [];
    const send = (text: string) => Promise.resolve(emit(output(text))).then(() => consumed.push(text));
    const first = send("1");
    const second = send("2");
    await Promise.resolve();
    expect(consumed).toEqual([]);

    const shown: string[] = [];
    const detach = feed.attach(({ text }) => {
      shown.push(text);
    });
    await Promise.all([first, second, send("3")]);
    expect(shown).toEqual(["1", "2", "3"]);
    expect(consumed).toEqual(["1", "2", "3"]);

    detach();
    const fourth = send("4");
    feed.attach(({ text }) => {
      shown.push(`again ${text}`);
    });
    await fourth;
    expect(shown.at(-1)).toBe("again 4");
  });
});
