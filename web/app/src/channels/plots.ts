/** The points of live plots. They come by the thousand: what is drawn is asked for once a frame. */

import { signal } from "@preact/signals";
import type { Plot, PlotSeries } from "further-link";

/** Plots of a program; what belongs to further ones is not shown. */
export const PLOTS_SHOWN_MAX = 16;

/** Curves of a plot. More cannot be told apart. */
export const CURVES_PER_PLOT_MAX = 32;

/** Points of a curve; the oldest go. Many times the pixels of a screen's width, and 320 kB. */
export const POINTS_PER_CURVE_MAX = 20_000;

/** Numbers beyond it are taken for none: the distance of two of them has to be a number, too. */
const NUMBER_MAX_MAGNITUDE = 1e300;

/**
 * Old points are cut off when they are this share too many: cutting costs as much as what stays.
 */
const TRIM_SLACK_RATIO = 0.25;

/** A curve that grows at its end and loses its begin. */
export class Curve {
  x: number[] = [];
  y: (number | null)[] = [];
  /** Each x is greater than or equal to the one before. */
  ascending = true;

  constructor(readonly name: string) {}

  add(series: PlotSeries, most: number): void {
    const count = Math.min(series.x.length, series.y.length);
    let last = this.x.at(-1) ?? Number.NEGATIVE_INFINITY;
    for (let index = Math.max(0, count - most); index < count; index += 1) {
      const x = series.x[index];
      const y = series.y[index];
      if (!isDrawable(x)) continue;
      if (x < last) this.ascending = false;
      last = x;
      this.x.push(x);
      this.y.push(isDrawable(y) ? y : null);
    }
    if (this.x.length > most * (1 + TRIM_SLACK_RATIO)) this.trim(most);
  }

  /** Keeps the newest points. */
  trim(most: number): void {
    if (this.x.length <= most) return;
    this.x = this.x.slice(-most);
    this.y = this.y.slice(-most);
    if (!this.ascending) this.ascending = this.x.every((x, index) => index === 0 || x >= this.x[index - 1]!);
  }
}

function isDrawable(value: number | null | undefined): value is number {
  return typeof value === "number" && Math.abs(value) <= NUMBER_MAX_MAGNITUDE;
}

export class PlotData {
  readonly curves = new Map<string, Curve>();
  /** Points that are kept of each curve. */
  most = POINTS_PER_CURVE_MAX;
  /** Rises with every change. */
  readonly #version = signal(0);

  constructor(readonly name: string) {}

  get version(): number {
    return this.#version.value;
  }

  add(plot: Plot): void {
    if (plot.clear) this.curves.clear();
    if (plot.window !== null && plot.window >= 1) this.most = Math.min(POINTS_PER_CURVE_MAX, Math.floor(plot.window));
    for (const series of plot.series) {
      let curve = this.curves.get(series.name);
      if (curve === undefined) {
        if (this.curves.size >= CURVES_PER_PLOT_MAX) continue;
        curve = new Curve(series.name);
        this.curves.set(series.name, curve);
      }
      curve.add(series, this.most);
    }
    this.#version.value += 1;
  }

  /** The curves with no more points than are to be shown. */
  settled(): readonly Curve[] {
    const curves = [...this.curves.values()];
    for (const curve of curves) curve.trim(this.most);
    return curves;
  }

  /**
   * All points as lines of `x`, then a column for each curve; a gap is empty. Where the curves have
   * other x, or come back to an x, each point has a line.
   */
  csv(): string {
    const curves = this.settled();
    const lines = [["x", ...curves.map((curve) => cell(curve.name))].join(",")];
    const first = curves[0];
    const shared = first !== undefined && curves.every((curve) => sameNumbers(curve.x, first.x));
    if (shared) {
      first.x.forEach((x, row) => {
        lines.push([x, ...curves.map((curve) => curve.y[row] ?? "")].join(","));
      });
    } else {
      curves.forEach((curve, column) => {
        curve.x.forEach((x, row) => {
          lines.push([x, ...curves.map((_, other) => (other === column ? (curve.y[row] ?? "") : ""))].join(","));
        });
      });
    }
    return `${lines.join("\r\n")}\r\n`;
  }
}

export class Plots {
  readonly #shown = signal<readonly PlotData[]>([]);

  get shown(): readonly PlotData[] {
    return this.#shown.value;
  }

  add(plot: Plot): void {
    let data = this.#shown.peek().find((other) => other.name === plot.name);
    if (data === undefined) {
      if (this.#shown.peek().length >= PLOTS_SHOWN_MAX) return;
      data = new PlotData(plot.name);
      this.#shown.value = [...this.#shown.peek(), data];
    }
    data.add(plot);
  }

  clear(): void {
    this.#shown.value = [];
  }
}

export function sameNumbers(one: readonly number[], other: readonly number[]): boolean {
  return one === other || (one.length === other.length && one.every((value, index) => value === other[index]));
}

/**
 * Text in a line of CSV. A spreadsheet takes a cell that begins with one of these for a formula.
 */
function cell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}
