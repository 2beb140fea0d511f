// What a chart is made of, and the arithmetic that needs no canvas.

export type Values = (number | null)[];

export interface ChartSeries {
  key: string;
  label: string;
  values: Values;
  /** A custom property such as `--series-1`. */
  colour: string;
  dash?: number[];
  width?: number;
  /** Drawn pale behind the others: what was, not what is. */
  behind?: boolean;
  /** Stacked over the stacked ones before it, as an area. */
  stack?: boolean;
}

export interface Threshold {
  value: number;
  label: string;
}

/** Something that lasted from `from` to `to`, or happened at `from`. */
export interface Marker {
  from: number;
  to?: number | null;
  label: string;
  colour: string;
}

/** The place of the time nearest to `seconds`; -1 without times. */
export function nearest(time: readonly number[], seconds: number): number {
  if (time.length === 0) return -1;
  let low = 0;
  let high = time.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (time[middle] <= seconds) low = middle;
    else high = middle;
  }
  return seconds - time[low] <= time[high] - seconds ? low : high;
}

/** Where a key moves the cursor; null when the key is none of ours. The first key enters at the newest. */
export function moveCursor(index: number | null, key: string, length: number): number | null {
  if (length === 0) return null;
  const last = length - 1;
  const page = Math.max(1, Math.round(length / 10));
  const from = index ?? last;
  const to: Record<string, number> = {
    ArrowLeft: index === null ? last : from - 1,
    ArrowRight: index === null ? last : from + 1,
    PageUp: from - page,
    PageDown: from + page,
    Home: 0,
    End: last,
  };
  return key in to ? Math.min(last, Math.max(0, to[key])) : null;
}

/**
 * What is drawn for each series: stacked ones become sums with all stacked ones before them. A gap stays
 * a gap only where every stacked one has it.
 */
export function stacked(series: readonly ChartSeries[]): Values[] {
  const sums: Values = [];
  return series.map((one) => {
    if (!one.stack) return one.values;
    one.values.forEach((value, index) => {
      const below = sums[index] ?? null;
      sums[index] = value === null ? below : value + (below ?? 0);
    });
    return sums.slice(0, one.values.length);
  });
}

/** The lowest and highest value that is drawn; null when nothing is. */
export function extent(columns: readonly Values[]): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const column of columns) {
    for (const value of column) {
      if (value === null || !Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : null;
}

/** The newest value that is known, and its place. */
export function newest(values: Values): { value: number; index: number } | null {
  for (let index = values.length - 1; index >= 0; index -= 1) {
    const value = values[index];
    if (value !== null && value !== undefined) return { value, index };
  }
  return null;
}

/**
 * Places for a small picture: of every stretch the first, the lowest and the highest of `values`, and
 * always the very last, so that no peak is lost.
 */
export function thinPlaces(values: Values, most: number): number[] {
  if (values.length <= most) return values.map((_, index) => index);
  const kept = new Set<number>([values.length - 1]);
  const stretch = Math.ceil(values.length / Math.max(1, Math.floor(most / 3)));
  for (let start = 0; start < values.length; start += stretch) {
    const end = Math.min(values.length, start + stretch);
    let low = start;
    let high = start;
    for (let index = start; index < end; index += 1) {
      const value = values[index];
      if (value === null) continue;
      if (value < (values[low] ?? Infinity)) low = index;
      if (value > (values[high] ?? -Infinity)) high = index;
    }
    kept.add(start).add(low).add(high);
  }
  return [...kept].sort((a, b) => a - b);
}

/** Heights for labels beside line ends: in order, at least `gap` apart, within the plot. */
export function spreadLabels(wanted: readonly number[], gap: number, top: number, bottom: number): number[] {
  const order = wanted.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at);
  let floor = top;
  for (const one of order) {
    one.at = Math.max(one.at, floor);
    floor = one.at + gap;
  }
  let ceiling = bottom;
  for (const one of order.reverse()) {
    one.at = Math.min(one.at, ceiling);
    ceiling = one.at - gap;
  }
  const placed = new Array<number>(wanted.length);
  for (const one of order) placed[one.index] = one.at;
  return placed;
}
