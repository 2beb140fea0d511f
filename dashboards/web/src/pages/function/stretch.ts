// Numbers of a stretch that is longer, or longer ago, than the server keeps second by second: summed up
// from curves per step. A step is a sum, so nothing is estimated but the last digits.

import type { Curves, FunctionRow, Slice } from '../../api/types';
import { FAILURES } from './curves';

/** Counts out of rates. */
interface Sums {
  calls: number;
  ok: number;
  failed: number;
  limited: number;
  cold: number;
}

const none = (): Sums => ({ calls: 0, ok: 0, failed: 0, limited: 0, cold: 0 });

/** The step that cuts a stretch into at most `most` parts, in whole minutes beyond a quarter of an hour. */
export function coarseStep(seconds: number, most: number): number {
  const finest = seconds <= 900 ? 1 : 60;
  return Math.max(1, Math.ceil(seconds / most / finest)) * finest;
}

function sums(curves: Curves, to: number, by: string, compare: string): Map<string, Sums> {
  const found = new Map<string, Sums>();
  for (const curve of curves.series) {
    if ((curve.labels.compare ?? '') !== compare) continue;
    if (curve.measure !== 'outcome' && curve.measure !== 'cold_starts') continue;
    const value = compare === '' ? (curve.labels[by] ?? '') : '';
    const into = found.get(value) ?? none();
    const count = curve.values.reduce<number>((sum, rate, index) => {
      const seconds = Math.min(curves.step_seconds, Math.max(1, to - curves.time[index]));
      return sum + (rate ?? 0) * seconds;
    }, 0);
    add(into, curve.measure === 'cold_starts' ? 'cold_starts' : (curve.labels.outcome ?? ''), count);
    found.set(value, into);
  }
  return found;
}

function add(into: Sums, what: string, count: number): void {
  if (what === 'cold_starts') {
    into.cold += count;
    return;
  }
  into.calls += count;
  if (what === 'ok') into.ok += count;
  if (what === 'limited') into.limited += count;
  if (FAILURES.includes(what)) into.failed += count;
}

/** One slice for each value of `by`, the most called first. */
export function slices(curves: Curves, from: number, to: number, by: string): Slice[] {
  const all = [...sums(curves, to, by, '')].map(([value, sum]) => slice(value, sum, to - from));
  return all.filter((one) => one.calls > 0).sort((a, b) => b.calls - a.calls || a.value.localeCompare(b.value));
}

function slice(value: string, sum: Sums, seconds: number): Slice {
  const counted = sum.ok + sum.failed;
  return {
    value,
    calls: Math.round(sum.calls),
    qps: sum.calls / Math.max(1, seconds),
    errors: Math.round(sum.failed),
    success_rate: counted > 0 ? sum.ok / counted : null,
    p99_ms: null,
    limited: Math.round(sum.limited),
    cold_starts: Math.round(sum.cold),
  };
}

/** The function's row over the stretch. Quantiles cannot be added; the worst step's is given instead. */
export function rowOver(row: FunctionRow, curves: Curves, from: number, to: number, worstP99: number | null, back: string): FunctionRow {
  const total = none();
  for (const sum of sums(curves, to, '', '').values()) {
    total.calls += sum.calls;
    total.ok += sum.ok;
    total.failed += sum.failed;
    total.limited += sum.limited;
    total.cold += sum.cold;
  }
  const before = sums(curves, to, '', back).get('');
  const { value: _, ...numbers } = slice('', total, to - from);
  return {
    ...row,
    ...numbers,
    qps_before: before ? before.calls / Math.max(1, to - from) : null,
    p50_ms: null,
    p95_ms: null,
    p99_ms: worstP99,
  };
}
