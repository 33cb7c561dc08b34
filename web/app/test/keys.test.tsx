// @vitest-environment happy-dom

import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeysPanel } from "../src/channels/KeysPanel";
import { KEY_NAME_MAX_CHARS, Keys, WANTED_KEYS_MAX } from "../src/channels/keys";

/** What a program sees: it must never be told twice that a key went down, or up. */
class Robot {
  readonly down = new Set<string>();
  readonly told: string[] = [];

  readonly send = (key: string, event: "keydown" | "keyup") => {
    expect(this.down.has(key), `${event} of ${key} after ${this.told.join(" ")}`).toBe(event === "keyup");
    if (event === "keydown") this.down.add(key);
    else this.down.delete(key);
    this.told.push(`${key}:${event}`);
  };
}

/** The same numbers for every run (mulberry32). */
function numbers(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function wanting(...names: string[]) {
  const robot = new Robot();
  const keys = new Keys(robot.send);
  for (const name of names) keys.want(name);
  return { robot, keys };
}

describe("keys that a program wants", () => {
  it("are down from the first that holds them to the last", () => {
    const { robot, keys } = wanting("a");
    keys.press("a", "pointer:1");
    keys.press("a", "key:KeyA");
    keys.press("a", "key:KeyA");
    keys.release("pointer:1");
    expect(robot.told).toEqual(["a:keydown"]);
    keys.release("key:KeyA");
    expect(robot.told).toEqual(["a:keydown", "a:keyup"]);
  });

  it("go up when what held them holds another", () => {
    const { robot, keys } = wanting("a", "A");
    keys.press("a", "key:KeyA");
    keys.press("A", "key:KeyA");
    keys.release("key:KeyA");
    expect(robot.told).toEqual(["a:keydown", "a:keyup", "A:keydown", "A:keyup"]);
  });

  it("never stay down, in whatever order things happen", () => {
    const names = ["ArrowUp", "a", "A", " "];
    for (let seed = 0; seed < 300; seed += 1) {
      const next = numbers(seed);
      const { robot, keys } = wanting(...names);
      const holders = ["pointer:1", "pointer:2", "key:KeyA", "key:ArrowUp", "tap:a"];
      for (let step = 0; step < 60; step += 1) {
        const holder = holders[next(holders.length)]!;
        const what = next(10);
        if (what < 5) keys.press(names[next(names.length)]!, holder);
        else if (what < 9) keys.release(holder);
        else keys.releaseAll("key:");
        expect([...keys.down].sort()).toEqual([...robot.down].sort());
      }
      for (const holder of holders) keys.release(holder);
      expect(robot.down.size, `seed ${seed}`).toBe(0);
    }
  });

  it("are no more than fit, and none that was not asked for", () => {
    const { robot, keys } = wanting("a");
    for (let count = 0; count < 2 * WANTED_KEYS_MAX; count += 1) keys.want(`F${count}`);
    keys.want("x".repeat(KEY_NAME_MAX_CHARS + 1));
    keys.want("");
    expect(keys.wanted.length).toBe(WANTED_KEYS_MAX);
    keys.press("b", "pointer:1");
    keys.press(`F${2 * WANTED_KEYS_MAX - 1}`, "pointer:1");
    expect(robot.told).toEqual([]);
  });

  it("are the letter's, with and without Shift", () => {
    const { keys } = wanting("w", "ArrowUp");
    expect(keys.nameOf("W")).toBe("w");
    expect(keys.nameOf("arrowup")).toBeNull();
    keys.want("W");
    expect(keys.nameOf("W")).toBe("W");
  });

  it("are told to nobody once the program is over", () => {
    const { robot, keys } = wanting("a");
    keys.press("a", "pointer:1");
    keys.end();
    keys.release("pointer:1");
    keys.press("a", "pointer:2");
    expect(robot.told).toEqual(["a:keydown"]);
    expect(keys.down.size).toBe(0);
  });
});

describe("panel of keys", () => {
  let root: HTMLElement;
  let robot: Robot;
  let keys: Keys;

  beforeEach(async () => {
    root = document.createElement("div");
    document.body.append(root);
    ({ robot, keys } = wanting("ArrowUp", "ArrowLeft", "w"));
    await act(() => render(<KeysPanel keys={keys} />, root));
  });
  afterEach(() => {
    render(null, root);
    root.remove();
  });

  const button = (name: string) => root.querySelector<HTMLElement>(`[data-key="${name}"]`)!;
  const pad = () => root.querySelector<HTMLElement>(".channels-keys")!;
  const pointer = (type: string, target: HTMLElement, pointerId = 1) =>
    target.dispatchEvent(new PointerEvent(type, { pointerId, button: 0, bubbles: true, cancelable: true }));
  const key = (type: string, name: string, init: KeyboardEventInit = {}) => {
    const event = new KeyboardEvent(type, { key: name, code: name, bubbles: true, cancelable: true, ...init });
    pad().dispatchEvent(event);
    return event;
  };

  it("holds a key for each finger", () => {
    pointer("pointerdown", button("ArrowUp"), 1);
    pointer("pointerdown", button("ArrowLeft"), 2);
    expect([...robot.down]).toEqual(["ArrowUp", "ArrowLeft"]);
    pointer("pointerup", button("ArrowUp"), 1);
    expect([...robot.down]).toEqual(["ArrowLeft"]);
    pointer("pointercancel", button("ArrowLeft"), 2);
    expect(robot.down.size).toBe(0);
  });

  it.each(["pointerup", "pointercancel", "pointerleave", "lostpointercapture"])("lets go at %s", (end) => {
    pointer("pointerdown", button("w"));
    pointer(end, button("w"));
    expect(robot.told).toEqual(["w:keydown", "w:keyup"]);
  });

  it.each(["blur", "pagehide"])("lets go when the window has %s", (end) => {
    pointer("pointerdown", button("w"));
    key("keydown", "ArrowUp");
    window.dispatchEvent(new Event(end));
    expect(robot.down.size).toBe(0);
  });

  it("lets go when it is taken away", async () => {
    pointer("pointerdown", button("w"));
    await act(() => render(null, root));
    expect(robot.down.size).toBe(0);
  });

  it("takes keys of the keyboard while it has the focus, without repeats", () => {
    pad().focus();
    key("keydown", "ArrowUp");
    expect(key("keydown", "ArrowUp", { repeat: true }).defaultPrevented).toBe(true);
    expect(robot.told).toEqual(["ArrowUp:keydown"]);
    pad().blur();
    key("keydown", "ArrowUp", { repeat: true });
    expect(robot.told).toEqual(["ArrowUp:keydown", "ArrowUp:keyup"]);
  });

  it("leaves other keys and shortcuts to the browser", () => {
    expect(key("keydown", "Tab").defaultPrevented).toBe(false);
    expect(key("keydown", "w", { ctrlKey: true }).defaultPrevented).toBe(false);
    expect(robot.told).toEqual([]);
  });

  it("is left by Escape, and by Shift and Escape if the program wants Escape", async () => {
    pad().focus();
    key("keydown", "w");
    key("keydown", "Escape");
    expect(robot.told).toEqual(["w:keydown", "w:keyup"]);
    expect(pad().contains(document.activeElement)).toBe(false);
    await act(() => keys.want("Escape"));
    pad().focus();
    key("keydown", "Escape");
    expect(robot.down.has("Escape")).toBe(true);
    expect(document.activeElement).toBe(pad());
    key("keyup", "Escape");
    key("keydown", "Escape", { shiftKey: true });
    expect(robot.down.size).toBe(0);
    expect(document.activeElement).not.toBe(pad());
  });
});
