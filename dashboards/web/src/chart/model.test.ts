import { describe, expect, it } from 'vitest';
import { type ChartSeries, extent, moveCursor, nearest, newest, spreadLabels, stacked, thinPlaces } from './model';

const series = (values: (number | null)[], stack = true): ChartSeries => ({ key: '', label: '', colour: '', values, stack });

describe('cursor', () => {
  it('finds the nearest time', () => {
    expect(nearest([], 5)).toBe(-1);
    expect(nearest([10], 999)).toBe(0);
    expect([-5, 10, 14, 15, 16, 99].map((at) => nearest([10, 20, 30], at))).toEqual([0, 0, 0, 0, 1, 2]);
  });

  it('moves by keys and stops at the ends', () => {
    expect(moveCursor(null, 'ArrowLeft', 100)).toBe(99);
    expect(moveCursor(null, 'ArrowRight', 100)).toBe(99);
    expect(moveCursor(50, 'ArrowLeft', 100)).toBe(49);
    expect(moveCursor(50, 'PageUp', 100)).toBe(40);
    expect(moveCursor(50, 'PageDown', 100)).toBe(60);
    expect(moveCursor(5, 'PageUp', 100)).toBe(0);
    expect(moveCursor(99, 'ArrowRight', 100)).toBe(99);
    expect(moveCursor(50, 'Home', 100)).toBe(0);
    expect(moveCursor(50, 'End', 100)).toBe(99);
    expect(moveCursor(50, 'x', 100)).toBeNull();
    expect(moveCursor(0, 'Home', 0)).toBeNull();
    // The data became shorter while the cursor stood there.
    expect(moveCursor(500, 'ArrowLeft', 100)).toBe(99);
  });
});

describe('stacking', () => {
  it('sums what is stacked and leaves the others alone', () => {
    expect(stacked([series([1, 2]), series([10, 10], false), series([3, 4])])).toEqual([[1, 2], [10, 10], [4, 6]]);
  });

  it('shows a gap only where all have one', () => {
    expect(stacked([series([1, null, null]), series([1, 1, null])])).toEqual([[1, null, null], [2, 1, null]]);
  });
});

describe('columns', () => {
  it('know their extent without gaps', () => {
    expect(extent([[null, 3], [-1, null]])).toEqual([-1, 3]);
    expect(extent([[null]])).toBeNull();
    expect(newest([1, 2, null])).toEqual({ value: 2, index: 1 });
    expect(newest([null])).toBeNull();
  });

  it('lose no peak when thinned', () => {
    const values = Array.from({ length: 10_000 }, (_, index) => (index === 4_321 ? 99 : index === 777 ? -5 : 1));
    const places = thinPlaces(values, 300);
    expect(places.length).toBeLessThanOrEqual(301);
    expect(places).toContain(4_321);
    expect(places).toContain(777);
    expect(places.at(-1)).toBe(9_999);
    expect(thinPlaces([1, 2, 3], 10)).toEqual([0, 1, 2]);
  });
});

describe('labels at line ends', () => {
  it('keep apart and stay inside', () => {
    expect(spreadLabels([50, 51, 10], 12, 0, 100)).toEqual([50, 62, 10]);
    expect(spreadLabels([99, 98], 12, 0, 100)).toEqual([100, 88]);
  });
});
