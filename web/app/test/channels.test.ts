// @vitest-environment happy-dom

import type { Program, ProgramEvents, ProgramState } from "further-link";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Channels } from "../src/channels/channels";
import { FIGURES_SHOWN_MAX } from "../src/channels/figures";
import { CURVES_PER_PLOT_MAX, PLOTS_SHOWN_MAX, PlotData, POINTS_PER_CURVE_MAX } from "../src/channels/plots";
import { Video } from "../src/channels/video";
import { addressOf } from "../src/channels/WindowPanel";
import { WIDGETS_SHOWN_MAX } from "../src/channels/widgets";

/** A program that says what a test makes it say. */
class FakeProgram {
  readonly listeners = new Map<string, ((...values: never[]) => void)[]>();
  readonly key = vi.fn();
  readonly widget = vi.fn();
  readonly closeFigure = vi.fn();

  on<K extends keyof ProgramEvents>(event: K, listener: ProgramEvents[K]): () => void {
    const all = this.listeners.get(event) ?? [];
    all.push(listener as never);
    this.listeners.set(event, all);
    return () => all.splice(all.indexOf(listener as never), 1);
  }

  says<K extends keyof ProgramEvents>(event: K, ...values: Parameters<ProgramEvents[K]>): void {
    for (const listener of this.listeners.get(event) ?? []) (listener as (...all: unknown[]) => void)(...values);
  }
}

const STOPPED: ProgramState = { kind: "stopped", code: 0 };
const image = () => new Blob(["x"]);
const figure = (id: string, closed = false) => ({
  id,
  figure: 1,
  title: "",
  format: "svg" as const,
  width: 10,
  height: 10,
  closed,
  image: closed ? null : image(),
});

describe("channels of a program", () => {
  let program: FakeProgram;
  let channels: Channels;

  beforeEach(() => {
    program = new FakeProgram();
    channels = new Channels(program as unknown as Program);
  });

  it("are shown in the order in which they were used first, and none that shows nothing", () => {
    expect(channels.any.value).toBe(false);
    program.says("widget", { id: "w", kind: "button", removed: true, data: {} });
    expect(channels.any.value).toBe(false);
    program.says("video", image(), 0);
    program.says("keylisten", "a");
    program.says("figure", figure("f"));
    program.says("video", image(), 0);
    expect(channels.order.value).toEqual(["video", "keys", "figure:f"]);
    program.says("figure", figure("f", true));
    expect(channels.order.value).toEqual(["video", "keys"]);
  });

  it("keep no more figures than are shown, and free each that goes", () => {
    const made = vi.spyOn(URL, "createObjectURL");
    const freed = vi.spyOn(URL, "revokeObjectURL");
    for (let count = 0; count < FIGURES_SHOWN_MAX + 3; count += 1) program.says("figure", figure(`f${count}`));
    expect(channels.states.figure.shown.length).toBe(FIGURES_SHOWN_MAX);
    expect(channels.states.figure.shown[0]!.id).toBe("f3");
    expect(channels.order.value[0]).toBe("figure:f3");
    program.says("figure", figure("f5"));
    channels.states.figure.close("f6");
    expect(program.closeFigure).toHaveBeenCalledWith("f6");
    channels.dispose();
    expect(freed.mock.calls.flat().sort()).toEqual(made.mock.results.map((result) => result.value).sort());
  });

  it("give an image the type of its kind, whatever it came as", () => {
    program.says("figure", { ...figure("f"), format: "png", image: new Blob(["<svg/>"], { type: "text/html" }) });
    expect(channels.states.figure.shown[0]!.image.type).toBe("image/png");
  });

  it("take a bounded number of widgets, plots and windows", () => {
    for (let count = 0; count < 2 * WIDGETS_SHOWN_MAX; count += 1) {
      program.says("widget", { id: `w${count}`, kind: "button", removed: false, data: {} });
      program.says("plot", { name: `p${count}`, series: [], clear: false, window: null });
      program.says("window", { port: 1 + count, path: "/" });
    }
    expect(channels.states.widgets.shown.length).toBe(WIDGETS_SHOWN_MAX);
    expect(channels.states.plot.shown.length).toBe(PLOTS_SHOWN_MAX);
    expect(channels.order.value.filter((panel) => panel.startsWith("plot:")).length).toBe(PLOTS_SHOWN_MAX);
    expect(channels.states.windows.pages.length).toBeLessThan(20);
  });

  it("do nothing any more when the program is over, and keep what it has shown", () => {
    program.says("keylisten", "a");
    program.says("widget", { id: "s", kind: "switch", removed: false, data: { value: false } });
    program.says("video", image(), 0);
    program.says("state", STOPPED);
    channels.states.keys.press("a", "pointer:1");
    channels.states.widgets.shown[0]!.change({ value: true }, true);
    expect(program.key).not.toHaveBeenCalled();
    expect(program.widget).not.toHaveBeenCalled();
    expect(channels.states.video.picture).not.toBeNull();
    expect(channels.states.keys.enabled || channels.states.widgets.enabled).toBe(false);
  });

  it("let keys go when their tab is closed", () => {
    program.says("keylisten", "a");
    channels.states.keys.press("a", "pointer:1");
    channels.dispose();
    expect(program.key.mock.calls).toEqual([
      ["a", "keydown"],
      ["a", "keyup"],
    ]);
  });

  it("take no window with a port or path that cannot be", () => {
    program.says("window", { port: 70_000, path: "/" });
    program.says("window", { port: 80, path: "//evil.example/" });
    program.says("window", { port: 80, path: "@evil.example/" });
    expect(channels.states.windows.pages.length).toBe(1);
    const here = { protocol: "http:", hostname: "robot.local" };
    expect(addressOf(channels.states.windows.pages[0]!, here)).toBe(
      "http://robot.local:80//evil.example/".replace(":80", ""),
    );
    expect(addressOf({ port: 6080, path: "/vnc.html?a=b" }, { protocol: "https:", hostname: "::1" })).toBe(
      "https://[::1]:6080/vnc.html?a=b",
    );
  });
});

describe("widget", () => {
  const make = () => {
    const program = new FakeProgram();
    const channels = new Channels(program as unknown as Program);
    program.says("widget", { id: "s", kind: "slider", removed: false, data: { label: "Speed", value: 5 } });
    const tell = (data: Record<string, unknown>) =>
      program.says("widget", { id: "s", kind: "slider", removed: false, data });
    return { program, widget: channels.states.widgets.shown[0]!, tell };
  };

  it("does not fight with who moves it, and shows what the program said last once it is let go", () => {
    const { widget, tell, program } = make();
    widget.hold();
    widget.change({ value: 7 }, 7);
    tell({ value: 3, label: "Tempo" });
    expect(widget.number("value", 0)).toBe(7);
    expect(widget.label).toBe("Tempo");
    widget.letGo();
    expect(widget.number("value", 0)).toBe(3);
    expect(program.widget.mock.calls).toEqual([["s", "change", 7]]);
  });

  it("forgets what the program said before it knew of the person's last move", () => {
    const { widget, tell } = make();
    widget.hold();
    widget.change({ value: 7 }, 7);
    tell({ value: 7 });
    widget.change({ value: 9 }, 9);
    widget.letGo();
    expect(widget.number("value", 0)).toBe(9);
  });

  it("makes numbers and words of what makes sense only", () => {
    const { widget, tell } = make();
    tell({ value: "9", label: ["x"], x: Number.POSITIVE_INFINITY });
    expect(widget.number("value", null)).toBeNull();
    expect(widget.number("x", 0)).toBe(0);
    expect(widget.label).toBe("");
  });
});

describe("plot", () => {
  const points = (name: string, x: number[], y: (number | null)[] = x) => ({ name, x, y });
  const add = (data: PlotData, series: ReturnType<typeof points>[], more = {}) =>
    data.add({ name: "p", series, clear: false, window: null, ...more });

  it("keeps the newest points of its window", () => {
    const data = new PlotData("p");
    for (let x = 0; x < 1000; x += 1) add(data, [points("a", [x])], { window: 50 });
    const [curve] = data.settled();
    expect(curve!.x).toEqual(Array.from({ length: 50 }, (_, index) => 950 + index));
    expect(curve!.y.length).toBe(50);
  });

  it("keeps a bounded number of points and curves, whatever window it is given", () => {
    const data = new PlotData("p");
    const many = Array.from({ length: 3 * POINTS_PER_CURVE_MAX }, (_, index) => index);
    add(data, [points("a", many)], { window: 10 * POINTS_PER_CURVE_MAX });
    expect(data.curves.get("a")!.x.length).toBe(POINTS_PER_CURVE_MAX);
    expect(data.curves.get("a")!.x.at(-1)).toBe(3 * POINTS_PER_CURVE_MAX - 1);
    for (const x of many.slice(0, POINTS_PER_CURVE_MAX)) add(data, [points("a", [3 * POINTS_PER_CURVE_MAX + x])]);
    expect(data.curves.get("a")!.x.length).toBeLessThanOrEqual(POINTS_PER_CURVE_MAX * 1.25);
    for (let count = 0; count < 2 * CURVES_PER_PLOT_MAX; count += 1) add(data, [points(`s${count}`, [1])]);
    expect(data.curves.size).toBe(CURVES_PER_PLOT_MAX);
  });

  it("knows whether its curves go back, and begins anew when it is cleared", () => {
    const data = new PlotData("p");
    add(data, [points("a", [1, 2, 2]), points("b", [2, 1])]);
    expect([...data.curves.values()].map((curve) => curve.ascending)).toEqual([true, false]);
    add(data, [points("a", [0])], { clear: true });
    expect(data.settled().map((curve) => [curve.name, curve.x])).toEqual([["a", [0]]]);
  });

  it("takes no points that are none, and keeps gaps", () => {
    const data = new PlotData("p");
    add(data, [points("a", [1, Number.NaN, 3, 4], [1, 2, null])]);
    expect(data.settled()[0]).toMatchObject({ x: [1, 3], y: [1, null] });
  });

  it("is saved as a table, whose cells are no formulas", () => {
    const data = new PlotData("p");
    add(data, [points("=cmd()", [1, 2], [5, null]), points('b "x"', [1, 2])]);
    expect(data.csv()).toBe('x,"\'=cmd()","b ""x"""\r\n1,5,1\r\n2,,2\r\n');
    add(data, [points("c", [2])]);
    expect(data.csv().split("\r\n").slice(-3, -1)).toEqual(["2,,2,", "2,,,2"]);
  });
});

describe("video", () => {
  it("has the newest picture and its rate", () => {
    let now = 0;
    const video = new Video(() => now);
    for (let count = 0; count < 5000; count += 1) {
      video.show(image(), count % 1000 === 0 ? 1 : 0);
      now += 40;
    }
    expect(video.picture!.number).toBe(5000);
    expect(video.rate).toBeCloseTo(25, 0);
    expect(video.dropped).toBe(5);
    video.end();
    expect(video.rate).toBeNull();
  });
});

describe("numbers that cannot be drawn", () => {
  it("are gaps, so that the distance of two is a number", () => {
    const data = new PlotData("p");
    const series = [{ name: "a", x: [0, 1, 1.7e308, -1.7e308, 2], y: [1, -1.7e308, 3, 4, 1e300] }];
    data.add({ name: "p", series, clear: false, window: null });
    expect([data.settled()[0]?.x, data.settled()[0]?.y]).toEqual([
      [0, 1, 2],
      [1, null, 1e300],
    ]);
  });
});
