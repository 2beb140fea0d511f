import { describe, expect, it } from 'vitest';
import type { Curves, Rule } from '../../api/types';
import { type Words, latencies, lines, outcomes, valuesOf, whole } from './curves';
import { shareOf, thresholds, watches } from './rules';
import { distance, similar } from './unknown';

const words: Words = { now: 'now', compared: (back) => `before ${back}`, outcome: (name) => name, value: (value) => value || 'none' };

function curves(series: [string, Record<string, string>, (number | null)[]][]): Curves {
  return {
    time: [1, 2], step_seconds: 1, as_of: '', complete_until: null,
    series: series.map(([measure, labels, values]) => ({ measure, labels, values })),
  };
}

describe('curves', () => {
  it('show earlier days behind one line', () => {
    const shown = lines(curves([['qps', { compare: '7d' }, [1, 1]], ['qps', {}, [2, 2]], ['errors', {}, [9, 9]]]), 'qps', '', words);
    expect(shown.map(({ label, behind }) => [label, behind ?? false])).toEqual([['now', false], ['before 7d', true]]);
  });

  it('split keep the colour of a value, whatever order they come in', () => {
    const one = curves([['qps', { unit: 'b' }, [1, 1]], ['qps', { unit: 'a' }, [2, 2]], ['qps', { compare: '1d' }, [3, 3]]]);
    const shown = lines(one, 'qps', 'unit', words);
    expect(shown.map(({ label, colour }) => [label, colour])).toEqual([['a', '--series-1'], ['b', '--series-2']]);
    expect(valuesOf(one, 'unit')).toEqual(['a', 'b']);
  });

  it('of latency are told apart by dashes too', () => {
    const dashes = latencies(curves([['p50_ms', {}, [1]], ['p99_ms', {}, [3]], ['p95_ms', {}, [2]]]), '', words).map((one) => `${one.label} ${one.dash ?? ''}`);
    expect(dashes).toEqual(['p99 ', 'p95 8,3', 'p50 2,3']);
  });

  it('of outcomes leave out what is no failure unless asked, and add up what is split', () => {
    const split = curves([
      ['outcome', { unit: 'a', outcome: 'timeout' }, [1, null]],
      ['outcome', { unit: 'b', outcome: 'timeout' }, [2, null]],
      ['outcome', { unit: 'b', outcome: 'ok' }, [7, 7]],
    ]);
    expect(outcomes(split, false, words).map(({ key, values }) => [key, values])).toEqual([['timeout', [3, null]]]);
    expect(outcomes(split, true, words).map(({ key }) => key)).toEqual(['timeout', 'ok']);
    expect(whole(split, 'nothing')).toEqual([]);
  });
});

describe('rules', () => {
  const rule = (alert: string, declared: Record<string, unknown>) => ({ alert, ...declared }) as unknown as Rule;

  it('draw their limits once each', () => {
    const rules = [rule('A', { success_rate: { below: '99%' } }), rule('B', { success_rate: { below: '99%' } }), rule('C', { qps: { drop: '50%' } })];
    expect(thresholds(rules, (name, share) => `${name} ${share}`)).toEqual([{ value: 0.99, label: 'A 0.99' }]);
    expect([watches(rules, 'A'), watches(rules, 'C'), watches([rule('T', {})], 'T'), watches(rules, 'X')]).toEqual(['success_rate', 'qps', 'telemetry', undefined]);
  });

  it('are read in every way a share is written', () => {
    expect(['99%', '99.5 %', '0.95', 0.9, '0%', '101%', 'most', null].map(shareOf)).toEqual([0.99, 0.995, 0.95, 0.9, null, null, null, null]);
  });
});

describe('names', () => {
  it('that are like an unknown one are found, best first', () => {
    const names = ['guide/feed', 'guide/search', 'rank/feed', 'pay/charge'];
    expect(similar('gide/feed', names, 5)).toEqual(['rank/feed', 'guide/feed'].sort());
    expect(similar('guide/serach', names, 1)).toEqual(['guide/search']);
    expect(similar('xyzzy/plugh', names, 5)).toEqual([]);
    expect(distance('kitten', 'sitting')).toBe(3);
  });
});
