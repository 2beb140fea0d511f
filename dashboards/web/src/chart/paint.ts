// What is painted around the lines: shading, thresholds, markers, names at line ends.

import type uPlot from 'uplot';
import { type ChartSeries, type Marker, type Threshold, newest, spreadLabels } from './model';

// Asking for a style makes the browser work out all that changed since, chart by chart.
const looks = new Map<string, string>();

function look(name: string, read: () => string): string {
  const key = `${document.documentElement.dataset.theme} ${name}`;
  let known = looks.get(key);
  if (known === undefined) looks.set(key, (known = read()));
  return known;
}

/** A custom property of the page's theme. */
export function themeColour(name: string): string {
  return look(name, () => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || 'gray');
}

export function themeFont(pixels: number): string {
  return `${pixels}px ${look('font', () => getComputedStyle(document.body).fontFamily || 'system-ui')}`;
}

export interface Painted {
  series: ChartSeries[];
  columns: (number | null)[][];
  thresholds: Threshold[];
  markers: Marker[];
  incompleteFrom: number | null;
  /** Names stand beside the line ends. */
  named: boolean;
}

/** Bands under the lines: what is not complete yet, and how long something lasted. */
export function paintBelow(plot: uPlot, painted: Painted): void {
  const { ctx, bbox } = plot;
  const right = plot.scales.x.max ?? 0;
  const band = (from: number, to: number, colour: string, opacity: number) => {
    const left = Math.max(bbox.left, plot.valToPos(from, 'x', true));
    const end = Math.min(bbox.left + bbox.width, plot.valToPos(to, 'x', true));
    if (!(end > left)) return;
    ctx.globalAlpha = opacity;
    ctx.fillStyle = themeColour(colour);
    ctx.fillRect(left, bbox.top, end - left, bbox.height);
  };
  ctx.save();
  for (const marker of painted.markers) {
    if (marker.to !== undefined) band(marker.from, marker.to ?? right, marker.colour, 0.06);
  }
  if (painted.incompleteFrom !== null) band(painted.incompleteFrom, right, '--dim', 0.1);
  ctx.restore();
}

/** Lines and words over the lines. */
export function paintAbove(plot: uPlot, painted: Painted, pixel: number): void {
  plot.ctx.save();
  plot.ctx.lineWidth = pixel;
  plot.ctx.font = themeFont(11 * pixel);
  paintThresholds(plot, painted.thresholds, pixel);
  paintMarkers(plot, painted.markers, pixel);
  if (painted.named) paintNames(plot, painted, pixel);
  plot.ctx.restore();
}

function paintThresholds(plot: uPlot, thresholds: Threshold[], pixel: number): void {
  const { ctx, bbox } = plot;
  ctx.strokeStyle = ctx.fillStyle = themeColour('--critical');
  ctx.textAlign = 'left';
  ctx.textBaseline = 'bottom';
  for (const { value, label } of thresholds) {
    const y = Math.round(plot.valToPos(value, 'y', true)) + 0.5;
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.setLineDash([6 * pixel, 4 * pixel]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    // Near the top there is no room above the line.
    const above = y - bbox.top > 16 * pixel;
    ctx.textBaseline = above ? 'bottom' : 'top';
    ctx.fillText(label, bbox.left + 4 * pixel, y + (above ? -2 : 3) * pixel);
  }
  ctx.setLineDash([]);
}

function paintMarkers(plot: uPlot, markers: Marker[], pixel: number): void {
  const { ctx, bbox } = plot;
  ctx.textBaseline = 'top';
  let free = -Infinity;
  for (const { from, label, colour } of [...markers].sort((a, b) => a.from - b.from)) {
    const x = Math.round(plot.valToPos(from, 'x', true)) + 0.5;
    if (x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = themeColour(colour);
    if (x >= bbox.left) {
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    const at = Math.max(x, bbox.left) + 4 * pixel;
    const width = ctx.measureText(label).width;
    // Words that would lie on others, or reach beyond the plot, are left to the tooltip.
    if (at < free || at + width > bbox.left + bbox.width) continue;
    ctx.textAlign = 'left';
    ctx.fillText(label, at, bbox.top + 2 * pixel);
    free = at + width + 8 * pixel;
  }
}

function paintNames(plot: uPlot, painted: Painted, pixel: number): void {
  const { ctx, bbox } = plot;
  const ends = painted.series.flatMap((series, index) => {
    const end = newest(painted.columns[index] ?? []);
    const height = end && plot.valToPos(end.value, 'y', true);
    return height === null || !Number.isFinite(height) ? [] : [{ series, height }];
  });
  const places = spreadLabels(ends.map((end) => end.height), 13 * pixel, bbox.top + 5 * pixel, bbox.top + bbox.height - 5 * pixel);
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ends.forEach(({ series }, index) => {
    ctx.fillStyle = themeColour(series.behind ? '--dim' : series.colour);
    ctx.fillText(series.label, bbox.left + bbox.width + 6 * pixel, places[index]);
  });
}

/** How much room the longest name needs beside the plot, in CSS pixels. */
export function nameWidth(series: readonly ChartSeries[]): number {
  const ctx = document.createElement('canvas').getContext('2d');
  if (!ctx) return 0;
  ctx.font = themeFont(11);
  return Math.ceil(Math.max(0, ...series.map((one) => ctx.measureText(one.label).width))) + 10;
}
