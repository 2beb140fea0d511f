import { describe, expect, it } from 'vitest';
import { zoneOffset } from '../lib/time';
import { roundUp, shareFloor, tickStep, zoneTicks } from './ticks';

const at = (text: string) => Date.parse(text) / 1_000;
const texts = (instants: number[]) => instants.map((one) => new Date(one * 1_000).toISOString().slice(0, 16));

describe('ticks', () => {
  it('are as far apart as people count', () => {
    expect(tickStep(300, 6)).toBe(60);
    expect(tickStep(900, 6)).toBe(300);
    expect(tickStep(3_600, 8)).toBe(600);
    expect(tickStep(86_400, 8)).toBe(10_800);
    expect(tickStep(7 * 86_400, 7)).toBe(86_400);
    expect(tickStep(10, 6)).toBe(2);
    expect(tickStep(400 * 86_400, 4)).toBe(4 * 28 * 86_400);
  });

  it('stand on round hours of the chosen zone', () => {
    const { at: kolkata } = zoneTicks(at('2026-11-11T00:00:00Z'), at('2026-11-11T12:00:00Z'), 'Asia/Kolkata', 6);
    // 05:30 ahead: 06:00, 08:00 … by the clock on the wall.
    expect(texts(kolkata).slice(0, 2)).toEqual(['2026-11-11T00:30', '2026-11-11T02:30']);
    const { at: days } = zoneTicks(at('2026-11-10T00:00:00Z'), at('2026-11-13T00:00:00Z'), 'Asia/Shanghai', 4);
    expect(texts(days)).toEqual(['2026-11-10T16:00', '2026-11-11T16:00', '2026-11-12T16:00']);
  });

  it('skip the hour that does not exist', () => {
    // Berlin, 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC.
    const { at: ticks } = zoneTicks(at('2026-03-28T23:00:00Z'), at('2026-03-29T04:00:00Z'), 'Europe/Berlin', 6);
    expect(texts(ticks)).toEqual([
      '2026-03-28T23:00', '2026-03-29T00:00', '2026-03-29T01:00', '2026-03-29T02:00', '2026-03-29T03:00', '2026-03-29T04:00',
    ]);
    const { at: even } = zoneTicks(at('2026-03-28T23:00:00Z'), at('2026-03-29T04:00:00Z'), 'Europe/Berlin', 3);
    // 00:00, (02:00 does not exist), 04:00, 06:00 on the wall.
    expect(texts(even)).toEqual(['2026-03-28T23:00', '2026-03-29T02:00', '2026-03-29T04:00']);
  });

  it('show the hour that comes twice, twice', () => {
    // Berlin, 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
    const { at: ticks } = zoneTicks(at('2026-10-24T22:00:00Z'), at('2026-10-25T03:00:00Z'), 'Europe/Berlin', 6);
    expect(texts(ticks)).toEqual([
      '2026-10-24T22:00', '2026-10-24T23:00', '2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00', '2026-10-25T03:00',
    ]);
  });

  it('keep midnight midnight in a week with a change of clocks', () => {
    const { at: days } = zoneTicks(at('2026-10-22T22:00:00Z'), at('2026-10-27T23:00:00Z'), 'Europe/Berlin', 8);
    const midnights = days.filter((one) => (one + zoneOffset(one, 'Europe/Berlin')) % 86_400 === 0);
    expect(texts(midnights)).toEqual([
      '2026-10-22T22:00', '2026-10-23T22:00', '2026-10-24T22:00', '2026-10-25T23:00', '2026-10-26T23:00', '2026-10-27T23:00',
    ]);
  });

  it('know offsets, also before the epoch and of half hours', () => {
    expect(zoneOffset(at('2026-11-11T00:00:00Z'), 'Asia/Shanghai')).toBe(8 * 3_600);
    expect(zoneOffset(at('2026-11-11T00:00:00Z'), 'America/St_Johns')).toBe(-3.5 * 3_600);
    expect(zoneOffset(0, 'UTC')).toBe(0);
  });

  it('never run away', () => {
    expect(zoneTicks(5, 5, 'UTC', 6).at).toEqual([]);
    expect(zoneTicks(9, 5, 'UTC', 6).at).toEqual([]);
  });
});

describe('axes', () => {
  it('end on round numbers', () => {
    expect([0, 0.3, 1, 7, 11, 99, 1_234].map(roundUp)).toEqual([1, 0.3, 1, 8, 15, 100, 1_500]);
    expect(roundUp(Number.NaN)).toBe(1);
  });

  it('go as deep as the worst share and no deeper', () => {
    expect(shareFloor(null)).toBe(0.999);
    expect(shareFloor(1)).toBe(0.999);
    expect(shareFloor(0.9985)).toBe(0.995);
    expect(shareFloor(0.99)).toBe(0.98);
    expect(shareFloor(0.48)).toBe(0);
    expect(shareFloor(0)).toBe(0);
  });
});
