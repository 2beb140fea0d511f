// Instants as people read them: one zone for the whole page, a 24-hour clock, and always the same text for
// the same instant, wherever it stands.

type Translate = (key: string, params?: Record<string, string | number>) => string;
type Detail = 'time' | 'seconds' | 'full';

/** Whether the browser knows a zone. */
export function isZone(tz: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: tz });
    return true;
  } catch {
    return false;
  }
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clock(zone: string): Intl.DateTimeFormat {
  let found = clocks.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    });
    clocks.set(zone, found);
  }
  return found;
}

/** Clocks are changed at whole quarters of an hour. */
const QUARTER = 900;
const OFFSETS_MOST = 4_000;
// Every tick of every chart and every text wants an offset, and asking the browser for one is slow.
const offsets = new Map<string, number>();

/** How far the zone's clock is ahead of UTC at an instant, in seconds. */
export function zoneOffset(seconds: number, zone: string): number {
  if (zone === 'UTC') return 0;
  // Without `Intl`, whose first use alone takes as long as drawing a chart.
  if (zone === 'browser') return new Date(seconds * 1_000).getTimezoneOffset() * -60;
  const quarter = Math.floor(seconds / QUARTER) * QUARTER;
  const key = `${zone} ${quarter}`;
  let offset = offsets.get(key);
  if (offset === undefined) {
    const part: Record<string, number> = {};
    for (const { type, value } of clock(zone).formatToParts(quarter * 1_000)) part[type] = Number(value);
    offset = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) / 1_000 - quarter;
    if (offsets.size >= OFFSETS_MOST) offsets.clear();
    offsets.set(key, offset);
  }
  return offset;
}

/** `time` 10:31, `seconds` 10:31:02, `full` 2026-11-11 10:31:02 +08:00. */
export function formatInstant(seconds: number, zone: string, detail: Detail): string {
  if (!Number.isFinite(seconds)) return '–';
  const offset = zoneOffset(seconds, zone);
  const [day, clockTime = ''] = new Date((Math.floor(seconds) + offset) * 1_000).toISOString().split('T');
  if (detail === 'time') return clockTime.slice(0, 5);
  if (detail === 'seconds') return clockTime.slice(0, 8);
  const ahead = new Date(Math.abs(offset) * 1_000).toISOString().slice(11, 16);
  return `${day} ${clockTime.slice(0, 8)} ${offset < 0 ? '-' : '+'}${ahead}`;
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
