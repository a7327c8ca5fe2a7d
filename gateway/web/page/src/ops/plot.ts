// One plot: a figure whose caption says the newest values, so that nobody has to read them off a canvas.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { made, say } from "../dom.js";
import type { Row } from "./history.js";

export interface Line {
  label: string;
  color: string; // a variable of the style sheet
  dash?: number[];
}

export interface PlotOptions {
  title: string;
  lines: Line[];
  text: (value: number) => string;
  height: number;
  atLeast?: number; // the top of the axis is never below it
}

const SAY_EVERY_MS = 10_000;
// every plot shows the same moment under the pointer
const CURSOR = uPlot.sync("ops");

export class Plot {
  readonly node: HTMLElement;
  private readonly values: HTMLElement[];
  private readonly frame = made("div", { className: "frame", extra: { role: "img" } });
  private readonly options: PlotOptions;
  private readonly drawn: uPlot;
  private readonly resizing: ResizeObserver;
  private saidMs = -Infinity;

  constructor(options: PlotOptions) {
    this.options = options;
    this.values = options.lines.map(() => made("b"));
    const legend = options.lines.map((line, index) => {
      const swatch = made("i", { extra: { "aria-hidden": "true" } });
      swatch.style.setProperty("background", `var(${line.color})`);
      const named = options.lines.length > 1 ? [swatch, `${line.label} `] : []; // one line needs no name
      return made("span", { className: "value" }, ...named, this.values[index] as HTMLElement);
    });
    this.node = made("figure", { className: "plot" }, made("figcaption", {}, made("span", { className: "name" }, options.title), ...legend), this.frame);
    this.drawn = new uPlot(this.settings(), [[], ...options.lines.map(() => [])], this.frame);
    this.resizing = new ResizeObserver(() => {
      const width = Math.floor(this.frame.clientWidth);
      if (width > 0 && width !== this.drawn.width) this.drawn.setSize({ width, height: options.height });
    });
    this.resizing.observe(this.frame);
  }

  show(times: number[], rows: Row[], seconds: number): void {
    const newest = times.at(-1) ?? 0;
    this.drawn.batch(() => {
      this.drawn.setData([times, ...rows], false);
      this.drawn.setScale("x", { min: newest - seconds, max: newest });
      this.drawn.setScale("y", { min: 0, max: this.topOf(rows) });
    });
    rows.forEach((row, index) => {
      const value = row.at(-1);
      say(this.values[index] as HTMLElement, value === null || value === undefined ? "–" : this.options.text(value));
    });
    this.sayForReaders(rows, seconds);
  }

  /** Colours have changed. */
  repaint(): void {
    this.drawn.redraw(false, true);
  }

  remove(): void {
    this.resizing.disconnect();
    this.drawn.destroy();
    this.node.remove();
  }

  private topOf(rows: Row[]): number {
    const most = Math.max(this.options.atLeast ?? 1, ...rows.flat().map((value) => value ?? 0));
    return most * 1.1;
  }

  private sayForReaders(rows: Row[], seconds: number): void {
    const nowMs = performance.now();
    if (nowMs - this.saidMs < SAY_EVERY_MS) return;
    this.saidMs = nowMs;
    const { title, lines, text } = this.options;
    const told = rows.map((row, index) => {
      const known = row.filter((value) => value !== null);
      if (known.length === 0) return `${lines[index]?.label}: nothing known`;
      return `${lines[index]?.label}: ${text(Math.min(...known))} to ${text(Math.max(...known))}`;
    });
    this.frame.setAttribute("aria-label", `${title}, last ${Math.round(seconds / 60)} min. ${told.join(". ")}.`);
  }

  private settings(): uPlot.Options {
    const { lines, text, height } = this.options;
    const axis: uPlot.Axis = {
      stroke: () => color("--quiet"),
      grid: { stroke: () => color("--rim"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false } as const;
    return {
      width: 300,
      height,
      legend: { show: false },
      cursor: { sync: { key: CURSOR.key }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
      padding: [6, 24, 0, 0], // half a time of day: the last one would else be cut off
      scales: { x: { time: true }, y: {} },
      axes: [
        { ...axis, size: 22, space: 90, values: (_, splits) => splits.map((at) => new Date(at * 1_000).toLocaleTimeString("en-GB", clock)) },
        { ...axis, size: 52, space: 28, values: (_, splits) => splits.map((value) => text(value)) },
      ],
      series: [
        {},
        ...lines.map((line): uPlot.Series => ({
          label: line.label,
          stroke: () => color(line.color),
          width: 1.5,
          points: { show: false },
          ...(line.dash && { dash: line.dash }),
        })),
      ],
    };
  }
}

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}
