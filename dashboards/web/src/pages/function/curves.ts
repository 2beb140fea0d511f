// Which of the curves each chart shows, with what colour and dash.

import type { Curve, Curves } from '../../api/types';
import type { ChartSeries, Values } from '../../chart/model';

export const FAILURES = ['function_error', 'timeout', 'oom', 'platform_error'];
const HARMLESS = ['ok', 'client_error', 'limited'];

const COLOURS = 8;
// A colour alone does not tell two lines apart for everybody.
const DASHES: (number[] | undefined)[] = [undefined, [8, 3], [2, 3], [8, 3, 2, 3]];
const COMPARED: Record<string, number[]> = { '1d': [6, 4], '7d': [2, 3] };

export interface Words {
  now: string;
  compared(back: string): string;
  outcome(name: string): string;
  /** A value of the dimension by which curves are split. */
  value(value: string): string;
}

export const colourOf = (index: number): string => `--series-${(index % COLOURS) + 1}`;
export const dashOf = (index: number): number[] | undefined => DASHES[index % DASHES.length];

/** The values of a dimension that curves are split by, in a lasting order: a colour stays with its value. */
export function valuesOf(curves: Curves, by: string): string[] {
  if (by === '') return [];
  const found = new Set(curves.series.filter((curve) => !curve.labels.compare).map((curve) => curve.labels[by] ?? ''));
  return [...found].sort();
}

/** A measure as one line, or one for each value of `by`, with earlier ones behind the single line. */
export function lines(curves: Curves, measure: string, by: string, words: Words): ChartSeries[] {
  const own = curves.series.filter((curve) => curve.measure === measure);
  if (by !== '') {
    const order = valuesOf(curves, by);
    return own
      .filter((curve) => !curve.labels.compare)
      .map((curve) => ({ curve, place: order.indexOf(curve.labels[by] ?? '') }))
      .sort((a, b) => a.place - b.place)
      .map(({ curve, place }) => ({
        key: curve.labels[by] ?? '',
        label: words.value(curve.labels[by] ?? ''),
        values: curve.values,
        colour: colourOf(place),
        dash: dashOf(place),
      }));
  }
  const plain = own.find((curve) => !curve.labels.compare);
  const before = own.filter((curve) => curve.labels.compare);
  const series: ChartSeries[] = plain ? [{ key: 'now', label: words.now, values: plain.values, colour: '--series-1', width: 2 }] : [];
  for (const curve of before) {
    const back = curve.labels.compare;
    series.push({ key: back, label: words.compared(back), values: curve.values, colour: '--dim', dash: COMPARED[back] ?? [4, 4], behind: true });
  }
  return series;
}

/** Quantiles of the duration; split, only the highest of them. */
export function latencies(curves: Curves, by: string, words: Words): ChartSeries[] {
  if (by !== '') return lines(curves, 'p99_ms', by, { ...words, value: (value) => `p99 ${words.value(value)}` });
  const quantiles = ['p99_ms', 'p95_ms', 'p50_ms'];
  return quantiles.flatMap((measure, index) => {
    const curve = curves.series.find((one) => one.measure === measure && !one.labels.compare);
    if (!curve) return [];
    // Quantiles often coincide: the highest is so wide that it is seen under the dashes of the others.
    return [{ key: measure, label: measure.slice(0, 3), values: curve.values, colour: colourOf(index), dash: dashOf(index), width: index === 0 ? 3 : 1.5 }];
  });
}

/** Calls per second by outcome, stacked: failures at the bottom, and what is no failure above if asked. */
export function outcomes(curves: Curves, withOk: boolean, words: Words): ChartSeries[] {
  const wanted = withOk ? [...FAILURES, ...HARMLESS] : FAILURES;
  return wanted.flatMap((outcome) => {
    const own = curves.series.filter((one) => one.measure === 'outcome' && one.labels.outcome === outcome && !one.labels.compare);
    if (own.length === 0) return [];
    const place = FAILURES.indexOf(outcome);
    const colour = outcome === 'ok' ? '--idle' : colourOf(place < 0 ? FAILURES.length + HARMLESS.indexOf(outcome) : place);
    return [{ key: outcome, label: words.outcome(outcome), values: added(own), colour, stack: true, width: 0 }];
  });
}

/** A measure over all values of the dimension by which curves are split. */
export function whole(curves: Curves, measure: string): Values {
  return added(curves.series.filter((one) => one.measure === measure && !one.labels.compare));
}

function added(curves: Curve[]): Values {
  if (curves.length === 1) return curves[0].values;
  const sum: Values = [];
  for (const { values } of curves) {
    values.forEach((value, index) => {
      const held = sum[index] ?? null;
      sum[index] = value === null ? held : value + (held ?? 0);
    });
  }
  return sum;
}
