import { describe, expect, it } from 'vitest';
import type { Curves, FunctionRow } from '../../api/types';
import { coarseStep, rowOver, slices } from './stretch';

const curves = (series: [Record<string, string>, (number | null)[]][]): Curves => ({
  time: [0, 60, 120],
  step_seconds: 60,
  series: series.map(([labels, values]) => ({ measure: labels.outcome ? 'outcome' : 'cold_starts', labels, values })),
  as_of: '1970-01-01T00:03:00.000Z',
  complete_until: null,
});

describe('stretches', () => {
  const both = curves([
    [{ unit: 'a', outcome: 'ok' }, [10, 10, 10]],
    [{ unit: 'b', outcome: 'ok' }, [5, null, 5]],
    [{ unit: 'b', outcome: 'timeout' }, [5, null, 5]],
    [{ unit: 'b', outcome: 'limited' }, [1, 0, 0]],
    [{ unit: 'b' }, [0.5, 0, 0]],
    [{ outcome: 'ok', compare: '7d' }, [2, 2, 2]],
  ]);

  it('are summed up from rates, the last step only as long as it ran', () => {
    const [a, b] = slices(both, 0, 150, 'unit');
    expect([a.value, a.calls, a.errors, a.success_rate]).toEqual(['a', 1_500, 0, 1]);
    expect([b.value, b.calls, b.errors, b.success_rate, b.limited, b.cold_starts]).toEqual(['b', 960, 450, 0.5, 60, 30]);
    expect(b.p99_ms).toBeNull();
  });

  it('give the whole row with the week before', () => {
    const row = rowOver({ owner: 'team' } as FunctionRow, both, 0, 180, 912, '7d');
    expect(row.calls).toBe(3_060);
    expect(row.qps).toBeCloseTo(17);
    expect(row.success_rate).toBeCloseTo(2_400 / 3_000);
    expect([row.qps_before, row.p99_ms, row.owner]).toEqual([2, 912, 'team']);
  });

  it('without calls have no success rate', () => {
    const row = rowOver({} as FunctionRow, curves([]), 0, 60, null, '7d');
    expect([row.calls, row.success_rate, row.qps_before]).toEqual([0, null, null]);
  });

  it('are cut into whole minutes where only minutes are kept', () => {
    expect(coarseStep(300, 1_000)).toBe(1);
    expect(coarseStep(3_600, 1_000)).toBe(60);
    expect(coarseStep(7 * 86_400, 1_000)).toBe(660);
  });
});
