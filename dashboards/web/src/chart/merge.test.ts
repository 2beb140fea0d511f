import { describe, expect, it } from 'vitest';
import { type CurvesLike, mergeCurves, withEarlier } from './merge';

function curves(time: number[], series: [string, Record<string, string>, (number | null)[]][]): CurvesLike {
  return {
    time,
    step_seconds: 1,
    series: series.map(([measure, labels, values]) => ({ measure, labels, values })),
    as_of: `as of ${time.at(-1)}`,
    complete_until: time.at(-1) ?? null,
  };
}

describe('mergeCurves', () => {
  const held = curves([1, 2, 3], [
    ['qps', {}, [10, 11, 5]],
    ['qps', { compare: '7d' }, [8, 8, 8]],
  ]);

  it('takes the newer value where both know one, and appends', () => {
    const merged = mergeCurves(held, curves([3, 4], [['qps', {}, [12, 13]]]), 0);
    expect(merged.time).toEqual([1, 2, 3, 4]);
    expect(merged.series[0].values).toEqual([10, 11, 12, 13]);
    expect(merged.as_of).toBe('as of 4');
    expect(merged.complete_until).toBe(4);
  });

  it('keeps a curve that the newer does not carry, with a gap', () => {
    const merged = mergeCurves(held, curves([3, 4], [['qps', {}, [12, 13]]]), 0);
    expect(merged.series[1].values).toEqual([8, 8, 8, null]);
  });

  it('drops what is too old and begins a new curve with a gap', () => {
    const merged = mergeCurves(held, curves([4], [['qps', {}, [13]], ['qps', { unit: 'b' }, [1]]]), 2);
    expect(merged.time).toEqual([2, 3, 4]);
    expect(merged.series[2].values).toEqual([null, null, 1]);
  });

  it('survives a hole in time and newer seconds out of order', () => {
    const merged = mergeCurves(held, curves([9, 7], [['qps', {}, [90, 70]]]), 0);
    expect(merged.time).toEqual([1, 2, 3, 7, 9]);
    expect(merged.series[0].values).toEqual([10, 11, 5, 70, 90]);
  });

  it('reads an outcome that is not sent as none, not as unknown', () => {
    const before = curves([1, 2], [['outcome', { outcome: 'ok' }, [9, 9]], ['outcome', { outcome: 'timeout' }, [1, 1]]]);
    const merged = mergeCurves(before, curves([2, 3], [['outcome', { outcome: 'ok' }, [10, 10]]]), 0);
    expect(merged.series[1].values).toEqual([1, 0, 0]);
  });

  it('leaves the held curves as they were', () => {
    mergeCurves(held, curves([3], [['qps', {}, [99]]]), 0);
    expect(held.series[0].values).toEqual([10, 11, 5]);
  });
});

describe('withEarlier', () => {
  const held = curves([2, 3, 4], [['qps', {}, [1, 2, 3]]]);

  it('lays earlier days, and nothing else, on the times that are shown', () => {
    const earlier = curves([1, 2, 3], [['qps', {}, [9, 9, 9]], ['qps', { compare: '7d' }, [5, 6, 7]]]);
    const laid = withEarlier(held, earlier);
    expect(laid.series.map(({ labels, values }) => [labels.compare, values])).toEqual([[undefined, [1, 2, 3]], ['7d', [6, 7, null]]]);
    expect(laid.as_of).toBe(held.as_of);
  });

  it('keeps a place for those that are on their way', () => {
    const laid = withEarlier(held, { time: [], series: [{ measure: 'qps', labels: { compare: '1d' }, values: [] }] });
    expect(laid.series[1].values).toEqual([null, null, null]);
  });
});
