// Instants as people read them: one zone for the whole page, a 24-hour clock, and always the same text for
// the same instant, wherever it stands.

type Translate = (key: string, params?: Record<string, string | number>) => string;
type Detail = 'time' | 'seconds' | 'full';

const formats = new Map<string, Intl.DateTimeFormat>();

/** The zone that `tz` of the address means. */
export function zoneOf(tz: string): string {
  return tz === 'browser' || tz === '' ? Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC' : tz;
}

/** Whether the browser knows a zone. */
export function isZone(tz: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: tz });
    return true;
  } catch {
    return false;
  }
}

function format(zone: string): Intl.DateTimeFormat {
  let known = formats.get(zone);
  if (!known) {
    known = new Intl.DateTimeFormat('en-GB', {
      timeZone: zoneOf(zone),
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      timeZoneName: 'longOffset',
    });
    formats.set(zone, known);
  }
  return known;
}

/** The parts of an instant in a zone: year, month, day, hour, minute, second, offset (`+08:00`). */
export function partsOf(seconds: number, zone: string): Record<string, string> {
  const parts: Record<string, string> = {};
  for (const part of format(zone).formatToParts(new Date(Math.floor(seconds) * 1000))) parts[part.type] = part.value;
  const offset = (parts.timeZoneName ?? 'GMT').replace('GMT', '');
  parts.offset = offset === '' ? '+00:00' : offset;
  return parts;
}

/** `time` 10:31, `seconds` 10:31:02, `full` 2026-11-11 10:31:02 +08:00. */
export function formatInstant(seconds: number, zone: string, detail: Detail): string {
  if (!Number.isFinite(seconds)) return '–';
  const parts = partsOf(seconds, zone);
  const clock = `${parts.hour}:${parts.minute}`;
  if (detail === 'time') return clock;
  if (detail === 'seconds') return `${clock}:${parts.second}`;
  return `${parts.year}-${parts.month}-${parts.day} ${clock}:${parts.second} ${parts.offset}`;
}

/** 4 s, 3 min, 2 h, 5 d. */
export function formatAge(seconds: number, t: Translate): string {
  const age = Math.max(0, seconds);
  if (age < 100) return t('shell.seconds', { n: Math.floor(age) });
  if (age < 100 * 60) return t('shell.minutes', { n: Math.floor(age / 60) });
  if (age < 48 * 3600) return t('shell.hours', { n: Math.floor(age / 3600) });
  return t('shell.days', { n: Math.floor(age / 86_400) });
}

/** An RFC 3339 text as Unix seconds, with its fraction; NaN when it is none. */
export function parseInstant(text: string): number {
  return Date.parse(text) / 1000;
}
