// @vitest-environment happy-dom
import type { ConnectionState, ProgramState } from "further-link";
import { expect, it, vi } from "vitest";

vi.mock("../src/link", async () => {
  const { signal } = await import("@preact/signals");
  return {
    connection: signal({ kind: "connecting" }),
    runners: signal([]),
    link: { runners: async () => [], watchDevice: () => {}, connect: () => {} },
  };
});
vi.mock("../src/run/runs", async () => {
  const { signal } = await import("@preact/signals");
  return { runs: signal([]) };
});

const { signal } = await import("@preact/signals");
const { connection } = await import("../src/link");
const { runs } = await import("../src/run/runs");
const { notices } = await import("../src/ui/notices");
const { everConnected, follow, interrupted } = await import("../src/status/status");
const { chooseLanguage } = await import("../src/text");

it("blames the loss of a connection for the programs that were lost with it, and for no others", () => {
  chooseLanguage("en");
  const become = (state: ConnectionState) => {
    connection.value = state;
  };
  const newest = () => notices.value.at(-1)?.text ?? "";
  const waiting = { kind: "waiting", retryAt: 0, reason: "lost" } as const;
  const connected = { kind: "connected", version: null } as const;
  const state = signal<ProgramState>({ kind: "running" });
  follow();
  become({ ...waiting, reason: "unreachable" });
  expect([everConnected.value, interrupted.value]).toEqual([false, false]);
  become(connected);
  expect([everConnected.value, newest()]).toEqual([true, "Connected again."]);

  runs.value = [{ state }] as unknown as typeof runs.value;
  state.value = { kind: "lost" };
  become(waiting);
  expect(interrupted.value).toBe(true);
  become({ kind: "connecting" });
  expect(interrupted.value).toBe(true);
  become(connected);
  expect(newest()).toContain("have been stopped");
  expect(interrupted.value).toBe(false);

  // Its tab is still there when the connection is lost the next time.
  become(waiting);
  expect(interrupted.value).toBe(false);
  become(connected);
  expect(newest()).toBe("Connected again.");
});
