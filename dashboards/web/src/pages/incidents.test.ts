import { describe, expect, it } from 'vitest';
import type { IncidentShort } from '../api/types';
import { matches, ordered } from './incidents';
import { stretchAround } from './incident/around';

const incident = (patch: Partial<IncidentShort>): IncidentShort =>
  ({ id: 'x', number: 1, title: 'T', status: 'open', severity: 'info', labels: {}, acknowledged: null, function: null, opened_at: '2026-11-11T00:00:00Z', ...patch }) as IncidentShort;

describe('incidents', () => {
  it('stand in the order in which they need somebody', () => {
    const all = [
      incident({ id: 'r', status: 'resolved', opened_at: '2026-11-11T09:00:00Z' }),
      incident({ id: 'o1', opened_at: '2026-11-11T01:00:00Z' }),
      incident({ id: 'a', status: 'acknowledged' }),
      incident({ id: 'o2', opened_at: '2026-11-11T02:00:00Z' }),
    ];
    expect(ordered(all).map((one) => one.id)).toEqual(['o2', 'o1', 'a', 'r']);
  });

  it('are found by every word that stands on them', () => {
    const one = incident({ title: 'SuccessRateLow guide/feed', number: 12, labels: { unit: 'b', owner: 'team-guide' } });
    expect(matches(one, 'LOW team-guide')).toBe(true);
    expect(matches(one, '#12')).toBe(true);
    expect(matches(one, 'low search')).toBe(false);
    expect(matches(one, '')).toBe(true);
  });

  it('show what was usual before, and a little after', () => {
    expect(stretchAround(10_000, 10_100, 99_999)).toEqual({ from: 9_400, to: 10_400 });
    expect(stretchAround(10_000.7, null, 10_020.9)).toEqual({ from: 9_400, to: 10_020 });
    expect(stretchAround(0, null, 30 * 86_400).from).toBe(23 * 86_400);
  });
});
