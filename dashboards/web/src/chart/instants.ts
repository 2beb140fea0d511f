// Instants as a chart shows them. Axis, tooltip, table and CSV all come from here, so that the same
// point never has two times.

import { formatInstant } from '../lib/time';

const DAY = 86_400;

/** The whole instant, `2026-11-11 00:00:05 +08:00`: tooltip, table, CSV. */
export function pointLabel(seconds: number, zone: string): string {
  return formatInstant(seconds, zone, 'full');
}

/** As much of the same text as tells two ticks apart: `00:00:05`, `00:00`, and the day at midnight. */
export function axisLabel(seconds: number, zone: string, step: number): string {
  const whole = pointLabel(seconds, zone);
  const [day, clock = ''] = whole.split(' ');
  const date = day.slice(-5);
  if (step >= DAY) return date;
  if (clock === '00:00:00' && step >= 60) return date;
  return step < 60 ? clock : clock.slice(0, 5);
}
