// Where the ticks of a time axis stand, in the zone that the reader chose.

import { zoneOffset } from '../lib/time';

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** Steps people read without counting. */
const STEPS = [
  1, 2, 5, 10, 15, 30,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
  DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY,
];

/** The smallest readable step that puts at most `most` ticks into `span` seconds. */
export function tickStep(span: number, most: number): number {
  const wanted = span / Math.max(1, most);
  return STEPS.find((step) => step >= wanted) ?? 28 * DAY * Math.ceil(wanted / (28 * DAY));
}

/** Round times of the zone's clock between two instants; none doubled or missed where clocks change. */
export function zoneTicks(from: number, to: number, zone: string, most: number): { at: number[]; step: number } {
  const step = tickStep(to - from, most);
  const at: number[] = [];
  if (!(to > from)) return { at, step };
  let local = Math.ceil((from + zoneOffset(from, zone)) / step) * step;
  // A change of clocks can put a wall time up to two hours earlier than its neighbours.
  const end = to + zoneOffset(to, zone) + 2 * HOUR;
  for (let turn = 0; local <= end && turn < 200; turn += 1, local += step) {
    for (const instant of instantsOf(local, zone)) {
      if (instant >= from && instant <= to && !at.includes(instant)) at.push(instant);
    }
  }
  return { at: at.sort((a, b) => a - b), step };
}

/** The instants at which the zone's clock shows a wall time: none in the hour that clocks skip, two in
 * the hour they repeat. */
function instantsOf(local: number, zone: string): number[] {
  const candidates = new Set([
    local - zoneOffset(local - zoneOffset(local, zone) - 2 * HOUR, zone),
    local - zoneOffset(local - zoneOffset(local, zone) + 2 * HOUR, zone),
  ]);
  return [...candidates].filter((instant) => instant + zoneOffset(instant, zone) === local);
}

/** A round number at or above `value` for the top of an axis: 1, 2, 2.5 or 5 times a power of ten. */
export function roundUp(value: number): number {
  if (!(value > 0) || !Number.isFinite(value)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8].find((one) => one * power >= value * (1 - 1e-9));
  // Out of 3 × 0.1 this makes 0.3.
  return Number(((factor ?? 10) * power).toPrecision(3));
}

/** The foot of an axis of shares whose top is 1: deep enough for what must be seen, never deeper. */
export function shareFloor(lowest: number | null): number {
  const feet = [0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5];
  const value = lowest ?? 1;
  // The line itself should not lie on the foot of the axis.
  return feet.find((foot) => value > foot + (1 - foot) * 0.05) ?? 0;
}
