// The canvas: a uPlot with this house's axes, cursor and colours.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { axisLabel } from './instants';
import { type ChartSeries, extent, stacked } from './model';
import { type Painted, nameWidth, paintAbove, paintBelow, themeColour, themeFont } from './paint';
import { roundUp, shareFloor, zoneTicks } from './ticks';

export interface Drawing extends Omit<Painted, 'columns' | 'named'> {
  time: number[];
  zone: string;
  range: { from: number; to: number };
  /** `count` begins at zero, `share` ends at 1. */
  scale: 'count' | 'share';
  axisText(value: number): string;
}

export interface Listener {
  /** The place under the pointer; null when it left. */
  point(index: number | null): void;
  /** A stretch was dragged over. */
  select(from: number, to: number): void;
  back(): void;
}

export interface Plot {
  /** New values of the same series. */
  update(drawing: Drawing): void;
  resize(width: number, height: number): void;
  /** Puts the cursor at a place without telling the listener; null hides it. */
  show(index: number | null): void;
  /** Where a place lies, in CSS pixels from the left of the host. */
  leftOf(index: number): number;
  canvas(): HTMLCanvasElement;
  destroy(): void;
}

/** Below this width names stand in a legend above the plot instead of beside the lines. */
export const NAMED_WIDTH_MIN = 440;
const NAMED_MOST = 5;
/** Half of the widest text under the time axis, in pixels, less the room beside the plot. */
const HALF_LABEL = 18;

export const isNamed = (width: number, series: readonly ChartSeries[]): boolean =>
  width >= NAMED_WIDTH_MIN && series.length > 1 && series.length <= NAMED_MOST;

/** Draws into `host` and stays until destroyed. Colours are read once: a new theme needs a new plot. */
export function draw(host: HTMLElement, width: number, height: number, first: Drawing, listener: Listener): Plot {
  let drawing = first;
  let columns = stacked(drawing.series);
  const named = isNamed(width, drawing.series);
  // A taller area is drawn before the lower ones, which then cover it.
  const order = drawing.series.map((_, index) => index).sort((a, b) => rank(drawing.series[b], b) - rank(drawing.series[a], a));
  const columnsInOrder = (): uPlot.AlignedData => [drawing.time, ...order.map((index) => columns[index])];
  const painted = (): Painted => ({ ...drawing, columns, named });
  const options: uPlot.Options = {
    width,
    height,
    padding: [8, named ? nameWidth(drawing.series) : 8, 0, 0],
    legend: { show: false },
    cursor: cursorOptions(listener),
    select: { show: true, left: 0, top: 0, width: 0, height: 0 },
    scales: {
      x: { time: false, range: () => [drawing.range.from, drawing.range.to] },
      y: { range: () => heightRange(drawing, columns) },
    },
    axes: axes(() => drawing, named),
    series: [{}, ...order.map((index) => line(drawing.series[index]))],
    hooks: {
      drawClear: [(plot) => paintBelow(plot, painted())],
      draw: [(plot) => paintAbove(plot, painted(), uPlot.pxRatio)],
      setCursor: [(plot) => listener.point(plot.cursor.idx ?? null)],
      setSelect: [(plot) => selected(plot, listener)],
    },
  };
  const plot = new uPlot(options, columnsInOrder(), host);
  return {
    update(next) {
      drawing = next;
      columns = stacked(next.series);
      plot.setData(columnsInOrder());
    },
    resize(newWidth, newHeight) {
      if (newWidth !== plot.width || newHeight !== plot.height) plot.setSize({ width: newWidth, height: newHeight });
    },
    show(index) {
      const at = index === null ? undefined : drawing.time[index];
      plot.setCursor({ left: at === undefined ? -10 : plot.valToPos(at, 'x'), top: at === undefined ? -10 : 0 }, false);
    },
    leftOf: (index) => plot.valToPos(drawing.time[index], 'x') + plot.bbox.left / uPlot.pxRatio,
    canvas: () => plot.ctx.canvas,
    destroy: () => plot.destroy(),
  };
}

// Behind everything what was; then areas, the tallest sum first; then lines.
function rank(series: ChartSeries, index: number): number {
  if (series.behind) return 2_000 + index;
  return series.stack ? 1_000 + index : -index;
}

function heightRange(drawing: Drawing, columns: (number | null)[][]): [number, number] {
  const found = extent(columns);
  const limits = drawing.thresholds.map((threshold) => threshold.value);
  if (drawing.scale === 'share') {
    const lowest = Math.min(found?.[0] ?? 1, ...limits);
    const foot = shareFloor(lowest);
    return [foot, 1 + (1 - foot) * 0.04];
  }
  return [0, roundUp(Math.max(found?.[1] ?? 0, ...limits) * 1.04)];
}

function line(series: ChartSeries): uPlot.Series {
  const colour = themeColour(series.behind ? '--dim' : series.colour);
  return {
    label: series.label,
    stroke: colour,
    width: series.width ?? (series.behind ? 1 : 1.5),
    dash: series.dash,
    fill: series.stack ? colour : undefined,
    alpha: series.behind ? 0.8 : 1,
    spanGaps: false,
    // A value between two gaps would be no line at all.
    points: { show: true, size: 4, fill: colour, filter: (plot, index, show) => (show === false ? null : alone(plot.data[index])) },
  };
}

function alone(values: ArrayLike<number | null | undefined>): number[] {
  const found: number[] = [];
  for (let index = 0; index < values.length; index += 1) {
    const gap = (at: number) => values[at] === null || values[at] === undefined;
    if (!gap(index) && gap(index - 1) && gap(index + 1)) found.push(index);
  }
  return found;
}

function axes(drawing: () => Drawing, named: boolean): uPlot.Axis[] {
  const text = themeColour('--dim');
  const hairline = { stroke: themeColour('--line'), width: 1 };
  let step = 60;
  const common: uPlot.Axis = { stroke: text, font: themeFont(11), labelSize: 0 };
  return [
    {
      ...common,
      size: 24,
      gap: 4,
      grid: { show: false },
      ticks: { ...hairline, size: 4 },
      splits: (plot, _axis, from, to) => {
        const width = plot.bbox.width / uPlot.pxRatio;
        const ticks = zoneTicks(from, to, drawing().zone, Math.max(2, Math.floor(width / 72)));
        step = ticks.step;
        // A text half beyond the edge would be cut off where no names make room.
        const last = named ? to : to - ((to - from) * HALF_LABEL) / width;
        return ticks.at.filter((at) => at <= last);
      },
      values: (_plot, at) => at.map((instant) => axisLabel(instant, drawing().zone, step)),
    },
    {
      ...common,
      gap: 6,
      grid: hairline,
      ticks: { show: false },
      space: 34,
      size: (_plot, values) => Math.max(30, ...(values ?? []).map((value) => String(value).length * 6.3 + 12)),
      values: (_plot, at) => at.map((value) => (drawing().scale === 'share' && value > 1 ? '' : drawing().axisText(value))),
    },
  ];
}

function cursorOptions(listener: Listener): uPlot.Cursor {
  return {
    x: true,
    y: false,
    points: { size: 6, width: 1.5 },
    drag: { x: true, y: false, setScale: false, dist: 4 },
    bind: {
      dblclick: () => () => {
        listener.back();
        return null;
      },
    },
  };
}

function selected(plot: uPlot, listener: Listener): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  const from = Math.floor(plot.posToVal(left, 'x'));
  const to = Math.ceil(plot.posToVal(left + width, 'x'));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (to - from >= 2) listener.select(from, to);
}
