// @vitest-environment happy-dom
import type { Output, Program, ProgramState, StartOptions } from "further-link";
import { beforeEach, describe, expect, it, vi } from "vitest";

type Listeners = { [event: string]: ((value: never) => unknown)[] };

/** A program of a device that does what the test says. */
class FakeProgram {
  readonly listeners: Listeners = {};
  readonly name = "1";
  stops = 0;
  state: ProgramState = { kind: "running" };
  settle: (state: ProgramState) => void = () => {};
  readonly ended = new Promise<ProgramState>((resolve) => {
    this.settle = resolve;
  });

  constructor(readonly options: StartOptions) {}

  on(event: string, listener: (value: never) => unknown): () => void {
    this.listeners[event] = [...(this.listeners[event] ?? []), listener];
    return () => {};
  }

  stop(): void {
    this.stops += 1;
  }

  async end(state: ProgramState = { kind: "stopped", code: 0 }): Promise<void> {
    this.state = state;
    for (const listener of this.listeners.state ?? []) listener(state as never);
    this.settle(state);
    await new Promise((resolve) => setTimeout(resolve));
  }
}

const device = vi.hoisted(() => ({
  started: [] as unknown[],
  saving: Promise.resolve() as Promise<unknown>,
  runners: () => Promise.resolve([] as unknown[]),
}));

vi.mock("../src/link", async () => {
  const { signal } = await import("@preact/signals");
  return {
    connection: signal({ kind: "connected", version: null }),
    runners: signal([]),
    link: {
      start: (options: StartOptions) => {
        const program = new FakeProgram(options);
        device.started.push(program);
        return program;
      },
      runners: () => device.runners(),
    },
  };
});

vi.mock("../src/files/workspace", async () => {
  const { signal } = await import("@preact/signals");
  return { activePath: signal("robot.py"), saveAll: () => device.saving };
});

const { close, runs, start, stop } = await import("../src/run/runs");
const { runActive, runAgain } = await import("../src/run/launch");
const { runners } = await import("../src/link");

const started = device.started as FakeProgram[];
const PYTHON = { name: "python3", title: "Python", extension: ".py", installed: true };
const turn = () => new Promise((resolve) => setTimeout(resolve));
const output = (text: string): Output => ({ stream: "stdout", text, bytes: new TextEncoder().encode(text) });

beforeEach(() => {
  for (const run of runs.value) close(run);
  for (const program of started.splice(0)) void program.end();
  device.saving = Promise.resolve();
  device.runners = () => Promise.resolve([PYTHON]);
  runners.value = [PYTHON];
});

describe("tab that is closed", () => {
  it("takes what its program still puts out, so that the device can tell its end", async () => {
    const run = start({ title: "a", kind: "program", runner: "python3", path: "a.py" });
    const emit = started[0]!.listeners.output![0] as (output: Output) => void | Promise<void>;
    // No view was there yet.
    const before = emit(output("1"));
    close(run);
    await before;
    // And none comes any more: what is taken at once needs no promise.
    expect(emit(output("2"))).toBeUndefined();
    const late: string[] = [];
    run.output.attach(({ text }) => {
      late.push(text);
    });
    emit(output("3"));
    expect(late).toEqual([]);
  });

  it("has a program that is waited for before the file is started again", async () => {
    await runActive();
    close(runs.value[0]!);
    expect(started[0]!.stops).toBe(1);
    const next = runActive();
    await turn();
    expect(started.length).toBe(1);
    await started[0]!.end();
    await next;
    expect(started.length).toBe(2);
  });
});

describe("running again", () => {
  it("is done once for two quick presses, in the same tab", async () => {
    for (const kind of ["program", "shell"] as const) {
      const options = kind === "shell" ? { runner: "shell", pty: true } : { runner: "python3", path: "b.py" };
      const run = start({ title: "b", kind, ...options });
      const index = runs.value.indexOf(run);
      await started.at(-1)!.end();
      const count = started.length;
      const tabs = runs.value.length;
      await Promise.all([runAgain(run), runAgain(run)]);
      await runAgain(run);
      expect(started.length).toBe(count + 1);
      expect(runs.value.length).toBe(tabs);
      expect(runs.value[index]!.program).toBe(started.at(-1));
    }
  });

  it("saves first, and does not run an old text", async () => {
    const run = start({ title: "c", kind: "program", runner: "python3", path: "c.py" });
    await started[0]!.end();
    let arrived = () => {};
    device.saving = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const again = runAgain(run);
    await turn();
    expect(started.length).toBe(1);
    arrived();
    await again;
    expect(started.length).toBe(2);

    await started[1]!.end();
    device.saving = Promise.reject(new Error("full"));
    await runAgain(runs.value[0]!);
    expect(started.length).toBe(2);
  });

  it("is not done for a tab that was closed meanwhile", async () => {
    const run = start({ title: "d", kind: "program", runner: "python3", path: "d.py" });
    await started[0]!.end();
    const again = runAgain(run);
    close(run);
    await again;
    expect(started.length).toBe(1);
  });
});

describe("runner", () => {
  it("is waited for when the page has not heard of any yet", async () => {
    runners.value = [];
    await runActive();
    expect(started[0]!.options.runner).toBe("python3");
  });

  it("of a Python program is known without asking, for devices that cannot be asked", async () => {
    runners.value = [];
    device.runners = () => Promise.reject(new Error("404"));
    await runActive();
    expect(started[0]!.options.runner).toBe("python3");
  });
});

it("stops a program once", async () => {
  const run = start({ title: "e", kind: "program", runner: "python3", path: "e.py" });
  stop(run);
  await started[0]!.end();
  stop(run);
  expect(started[0]!.stops).toBe(1);
  expect((run.program as Program).state.kind).toBe("stopped");
});
