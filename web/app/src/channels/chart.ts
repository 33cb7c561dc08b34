/** Draws the curves of a plot with uPlot. Loaded when there is one. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { color, onSchemeChange, token } from "../styles/scheme";
import { language } from "../text";
import { type Curve, type PlotData, sameNumbers } from "./plots";

/**
 * All have a contrast of at least 3 : 1 with the panel in both schemes, being colours of its text.
 */
const CURVE_COLORS = ["--accent", "--bad", "--typed", "--wait", "--good", "--text", "--quiet"];

/**
 * Beyond as many curves as there are colours, lines are told apart by their dashes: pixels drawn,
 * pixels left out.
 */
const CURVE_DASHES: readonly number[][] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4]];

/** Pixels of a digit beside an axis, between two numbers there, and for a number at least. */
const DIGIT_WIDTH_PX = 7;
const AXIS_LABEL_GAP_PX = 18;
const AXIS_MIN_WIDTH_PX = 56;

/**
 * Points of all curves up to which those with x of their own are put into one table: that is done
 * for every picture, and for 60,000 points it takes a tenth of a second.
 */
const JOINED_MAX_POINTS = 8000;

/** Pixels of the drawing by which a line goes on at least: more points than that nobody sees. */
const LINE_MIN_STEP_PX = 0.5;

/**
 * What lies nearer together is drawn as one place: as a share of the numbers themselves, whose last
 * digits are chance, and in itself.
 */
const MIN_RELATIVE_SPAN = 1e-11;
const MIN_ABSOLUTE_SPAN = 1e-20;

/** Pixels between the plot and the edge of a picture that is saved. */
const PICTURE_MARGIN_PX = 16;

type Drawing = "aligned" | "paths";

export class Chart {
  readonly #data: PlotData;
  readonly #parent: HTMLElement;
  readonly #leave: () => void;
  #plot: uPlot | null = null;
  /** What it was made for: other curves need another one. */
  #made = "";

  constructor(parent: HTMLElement, data: PlotData) {
    this.#parent = parent;
    this.#data = data;
    this.#leave = onSchemeChange(() => {
      this.#remove();
      this.draw();
    });
  }

  /** Draws what there is now. */
  draw(): void {
    const curves = this.#data.settled();
    const drawing: Drawing = curves.every((curve) => curve.ascending) && isQuicklyAligned(curves) ? "aligned" : "paths";
    const made = JSON.stringify([drawing, curves.map((curve) => curve.name)]);
    const data = drawing === "aligned" ? aligned(curves) : paths(curves);
    if (this.#plot !== null && this.#made === made) {
      this.#plot.setData(data);
      return;
    }
    this.#remove();
    this.#made = made;
    this.#plot = new uPlot(this.#options(curves, drawing), data, this.#parent);
  }

  resize(): void {
    this.#plot?.setSize(this.#size());
  }

  /** A picture of it, with its title and the names of its curves. */
  picture(title: string): Promise<Blob | null> {
    const plot = this.#plot;
    if (plot === null) return Promise.resolve(null);
    const drawn = plot.ctx.canvas;
    const ratio = drawn.width / Math.max(1, plot.width);
    const line = 20 * ratio;
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    if (context === null) return Promise.resolve(null);
    canvas.width = drawn.width + 2 * PICTURE_MARGIN_PX * ratio;
    canvas.height = drawn.height + 2 * PICTURE_MARGIN_PX * ratio + 2 * line;
    context.fillStyle = color("--panel");
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.textBaseline = "top";
    context.font = `600 ${15 * ratio}px ${token("--sans")}`;
    context.fillStyle = color("--text");
    context.fillText(title, PICTURE_MARGIN_PX * ratio, PICTURE_MARGIN_PX * ratio, drawn.width);
    context.drawImage(drawn, PICTURE_MARGIN_PX * ratio, PICTURE_MARGIN_PX * ratio + line);
    context.font = `${13 * ratio}px ${token("--sans")}`;
    let left = PICTURE_MARGIN_PX * ratio;
    this.#data.settled().forEach((curve, index) => {
      context.fillStyle = colour(index);
      context.fillText(curve.name, left, canvas.height - PICTURE_MARGIN_PX * ratio - line / 2);
      left += context.measureText(curve.name).width + 16 * ratio;
    });
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  dispose(): void {
    this.#leave();
    this.#remove();
  }

  #remove(): void {
    this.#plot?.destroy();
    this.#plot = null;
    this.#parent.replaceChildren();
  }

  #size(): { width: number; height: number } {
    const width = Math.max(120, this.#parent.clientWidth);
    return { width, height: Math.max(140, Math.min(this.#parent.clientHeight || 220, 2000)) };
  }

  #options(curves: readonly Curve[], drawing: Drawing): uPlot.Options {
    const axis: uPlot.Axis = {
      stroke: color("--quiet"),
      font: `12px ${token("--sans")}`,
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line"), width: 1 },
    };
    const series = curves.map((curve, index): uPlot.Series => {
      const dash = CURVE_DASHES[Math.floor(index / CURVE_COLORS.length) % CURVE_DASHES.length] ?? [];
      return {
        label: curve.name,
        stroke: colour(index),
        width: 1.75,
        ...(dash.length > 0 ? { dash: [...dash] } : {}),
        ...(drawing === "paths" ? { paths: drawPath } : {}),
        points: drawing === "paths" ? { show: false } : {},
      };
    });
    return {
      ...this.#size(),
      mode: drawing === "aligned" ? 1 : 2,
      scales: { x: { time: false, range: rangeOfX }, y: { auto: true } },
      axes: [
        { ...axis, values: marks, space: (_plot, _axis, low, high) => roomOf([marked(low), marked(high)]) },
        { ...axis, values: marks, size: (_plot, values) => roomOf(values ?? []) },
      ],
      // Where lines cross themselves there is no one value at an x.
      legend: { show: true, live: drawing === "aligned" },
      cursor: { show: drawing === "aligned", drag: { x: true, y: false } },
      series: [drawing === "aligned" ? { label: "x" } : (null as unknown as uPlot.Series), ...series],
    };
  }
}

/** A number beside an axis: short, if it is large or small. */
function marked(value: number): string {
  const size = Math.abs(value);
  const extreme = size !== 0 && (size >= 1e7 || size < 1e-4);
  return new Intl.NumberFormat(language.peek(), {
    maximumSignificantDigits: 12,
    notation: extreme ? "scientific" : "standard",
  }).format(value);
}

function marks(_plot: uPlot, values: readonly (number | null)[]): string[] {
  return values.map((value) => (value === null ? "" : marked(value)));
}

/** Pixels that numbers beside an axis take, with a gap. */
function roomOf(numbers: readonly string[]): number {
  return Math.max(
    AXIS_MIN_WIDTH_PX,
    AXIS_LABEL_GAP_PX + DIGIT_WIDTH_PX * Math.max(0, ...numbers.map((number) => number.length)),
  );
}

/**
 * Between numbers that are all but the same, uPlot finds no place for marks on the axis and throws.
 */
function rangeOfX(_plot: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [null, null];
  const size = Math.max(Math.abs(low), Math.abs(high));
  const enough = Math.max(size * MIN_RELATIVE_SPAN, MIN_ABSOLUTE_SPAN);
  return high - low > enough ? [low, high] : uPlot.rangeNum(low, high, 0.1, true);
}

function colour(index: number): string {
  return color(CURVE_COLORS[index % CURVE_COLORS.length]!);
}

function shareX(curves: readonly Curve[]): boolean {
  const first = curves[0];
  return first === undefined || curves.every((curve) => sameNumbers(curve.x, first.x));
}

function isQuicklyAligned(curves: readonly Curve[]): boolean {
  return curves.reduce((sum, curve) => sum + curve.x.length, 0) <= JOINED_MAX_POINTS || shareX(curves);
}

/** Columns that share one list of x. */
function aligned(curves: readonly Curve[]): uPlot.AlignedData {
  const first = curves[0];
  if (first === undefined) return [[]];
  if (shareX(curves)) return [first.x, ...curves.map((curve) => curve.y)];
  // Points that a curve does not have are left out of its line; those that it has as null are gaps.
  return uPlot.join(curves.map((curve) => [curve.x, curve.y]));
}

/** Lists of x and y for each curve. */
function paths(curves: readonly Curve[]): uPlot.AlignedData {
  return [null, ...curves.map((curve) => [curve.x, curve.y])] as unknown as uPlot.AlignedData;
}

/** A line from point to point in their order, for curves whose x goes back and forth. */
const drawPath: uPlot.Series.PathBuilder = (plot, index) => {
  const stroke = new Path2D();
  uPlot.orient(plot, index, (_series, xs, ys, scaleX, scaleY, toX, toY, left, top, width, height, moveTo, lineTo) => {
    let pen = false;
    let [lastX, lastY] = [Number.NaN, Number.NaN];
    for (let point = 0; point < xs.length; point += 1) {
      const y = ys[point];
      if (y === null || y === undefined) {
        pen = false;
        continue;
      }
      const x = toX(xs[point]!, scaleX, width, left);
      const down = toY(y, scaleY, height, top);
      if (pen && Math.abs(x - lastX) < LINE_MIN_STEP_PX && Math.abs(down - lastY) < LINE_MIN_STEP_PX) continue;
      if (pen) (lineTo as uPlot.LineToH)(stroke, x, down);
      else (moveTo as uPlot.MoveToH)(stroke, x, down);
      [pen, lastX, lastY] = [true, x, down];
    }
  });
  return { stroke, fill: null, clip: null, band: null, gaps: null, flags: 0 } as unknown as uPlot.Series.Paths;
};
