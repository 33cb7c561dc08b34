import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Debounce, Throttle } from "../src/ui/debounce";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("debounce runs once after the last call", () => {
  const action = vi.fn();
  const debounce = new Debounce(action, 100);
  debounce.schedule();
  vi.advanceTimersByTime(99);
  debounce.schedule();
  vi.advanceTimersByTime(99);
  expect(action).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(action).toHaveBeenCalledTimes(1);
});

it("throttle runs once per interval however often it is called", () => {
  const action = vi.fn();
  const throttle = new Throttle(action, 100);
  for (let ms = 0; ms < 300; ms += 10) {
    throttle.schedule();
    vi.advanceTimersByTime(10);
  }
  expect(action).toHaveBeenCalledTimes(3);
});

it("debounce and throttle do nothing after they are cancelled", () => {
  const action = vi.fn();
  const timers = [new Debounce(action, 100), new Throttle(action, 100)];
  for (const timer of timers) timer.schedule();
  for (const timer of timers) timer.cancel();
  vi.advanceTimersByTime(1000);
  expect(action).not.toHaveBeenCalled();
  for (const timer of timers) timer.schedule();
  vi.advanceTimersByTime(100);
  expect(action).toHaveBeenCalledTimes(2);
});
