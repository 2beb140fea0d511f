import { describe, expect, it } from 'vitest';
import type { Incident, TimelineEntry } from '../../api/types';
import { countdown, durations, folded, offset } from './durations';
import { plain, report } from './report';

const at = (second: number) => new Date(Date.UTC(2026, 10, 11, 0, 0, 0) + second * 1_000).toISOString();
const entry = (sequence: number, second: number, kind: TimelineEntry['kind'], text: string, by?: string): TimelineEntry => ({
  sequence, at: at(second), kind, text, by,
});

const incident = (patch: Partial<Incident> = {}): Incident => ({
  id: 'abcdefgh', number: 7, title: 'SuccessRateLow guide/feed', severity: 'critical', status: 'resolved', function: 'guide/feed', labels: {},
  opened_at: at(10), changed_at: at(300), acknowledged: { by: 'Li Lei', how: 'phone', at: at(40), until: null },
  resolved: { at: at(250.4), by: null, reason: 'all its alerts resolved' }, false_alarm: false, reach: 'reached', next_step_at: null,
  told: [{ name: 'team-chat', at: at(200), certain: true }], alerts_total: 2, alerts_firing: 0, timeline_left_out: 0,
  alerts: [{ starts_at: at(8.5) }, { starts_at: at(30) }] as Incident['alerts'],
  timeline: [
    entry(1, 10, 'routed', 'opened by route root'),
    entry(2, 10, 'condition', 'SuccessRateLow for guide/feed fires'),
    entry(3, 11, 'delivery', 'firing message to team-chat refused: 500; tried again in 1s'),
    entry(4, 12.3, 'delivery', 'firing message to team-chat taken: 200 OK'),
    entry(5, 40, 'acknowledged', 'acknowledged by Li Lei (phone)', 'Li Lei'),
    entry(6, 250.4, 'resolved', 'resolved: all its alerts resolved'),
  ],
  ...patch,
} as Incident);

describe('durations', () => {
  it('come from the timeline', () => {
    const took = durations(incident());
    expect(took.noticed).toBeCloseTo(1.5);
    expect(took.told).toBeCloseTo(2.3);
    expect(took.acknowledged).toBeCloseTo(30);
    expect(took.resolved).toBeCloseTo(240.4);
  });

  it('are unknown for what has not happened', () => {
    const took = durations(incident({ timeline: [], told: [], alerts: [], acknowledged: null, resolved: null }));
    expect(took).toEqual({ noticed: null, told: null, acknowledged: null, resolved: null });
  });

  it('do not take a message about the end, or one that was refused, for being told', () => {
    const timeline = [entry(1, 11, 'delivery', 'firing message to x refused: no'), entry(2, 60, 'delivery', 'resolved message to x taken: ok')];
    expect(durations(incident({ timeline, told: [] })).told).toBeNull();
  });

  it('do not take ringing again for an acknowledgement', () => {
    const timeline = [entry(1, 20, 'acknowledged', 'rings again'), entry(2, 50, 'acknowledged', 'acknowledged by Han', 'Han')];
    expect(durations(incident({ timeline })).acknowledged).toBe(40);
  });
});

describe('countdown', () => {
  const now = Date.parse(at(100)) / 1_000;

  it('counts whole seconds and stops at zero', () => {
    expect(countdown(at(112), now)).toBe(12);
    expect(countdown(at(111.2), now)).toBe(12);
    expect(countdown(at(100), now)).toBe(0);
    expect(countdown(at(50), now)).toBe(0);
    expect(countdown(null, now)).toBeNull();
    expect(countdown('soon', now)).toBeNull();
  });
});

describe('offset', () => {
  it('is read at a glance', () => {
    expect(offset(at(22.34), at(10))).toBe('+12.3 s');
    expect(offset(at(10), at(10))).toBe('+0.0 s');
    expect(offset(at(9.6), at(10))).toBe('−0.4 s');
    expect(offset(at(69.97), at(10))).toBe('+1 min 00 s');
    expect(offset(at(255), at(10))).toBe('+4 min 05 s');
    expect(offset(at(7_810), at(10))).toBe('+2 h 10 min');
  });
});

describe('folding', () => {
  it('keeps neighbours that say the same as one line', () => {
    const lines = folded([entry(1, 1, 'delivery', 'same'), entry(2, 2, 'delivery', 'same'), entry(3, 3, 'note', 'same'), entry(4, 4, 'note', 'same', 'Li')]);
    expect(lines.map((line) => [line.entry.sequence, line.times])).toEqual([[1, 2], [3, 1], [4, 1]]);
  });

  it('tell the cause first', () => {
    expect(folded(incident().timeline).map((line) => line.entry.sequence)).toEqual([2, 1, 3, 4, 5, 6]);
  });
});

describe('report', () => {
  it('keeps hostile texts inert', () => {
    const text = plain('<img src=x onerror=alert(1)> [a](javascript:x)\n| # ![p](q)');
    expect(text).not.toMatch(/[<>\n]/);
    expect(text).toContain('\\[a\\]\\(javascript:x\\)');
    expect(text).toContain('\\|');
  });

  it('has every event with its time', () => {
    const text = report(incident(), { t: (key) => key, instant: (when) => when, now: 'now' });
    expect(text.split('\n').filter((line) => line.startsWith('| 2026'))).toHaveLength(6);
    expect(text).toContain('+2.3 s');
  });
});
