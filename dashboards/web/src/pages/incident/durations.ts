// How long things took in an incident, and how long until the next step.

import type { Incident, TimelineEntry } from '../../api/types';

export interface Durations {
  /** From the earliest alert's beginning to the opening. */
  noticed: number | null;
  /** From the opening to the first message that a provider took. */
  told: number | null;
  /** From the opening to the first person who has it. */
  acknowledged: number | null;
  /** From the opening to its end. */
  resolved: number | null;
}

type Known = Pick<Incident, 'opened_at' | 'alerts' | 'timeline' | 'told' | 'acknowledged' | 'resolved'>;

const seconds = (instant: string): number => Date.parse(instant) / 1_000;

/** Seconds of each part, null for what has not happened or is not on record. */
export function durations(incident: Known): Durations {
  const opened = seconds(incident.opened_at);
  const since = (at: number | null) => (at === null ? null : Math.max(0, at - opened));
  const began = incident.alerts.map((alert) => seconds(alert.starts_at)).filter(Number.isFinite);
  return {
    noticed: began.length === 0 ? null : Math.max(0, opened - Math.min(...began)),
    told: since(firstTold(incident)),
    acknowledged: since(firstAcknowledged(incident)),
    resolved: incident.resolved ? since(seconds(incident.resolved.at)) : null,
  };
}

// `told` carries when each way was last used, so the first time stands only on the timeline; a message
// of another kind than `firing` tells of the incident's end.
function firstTold({ timeline, told }: Known): number | null {
  const entry = timeline.find((one) => one.kind === 'delivery' && /^firing message to .+ taken:/.test(one.text));
  if (entry) return seconds(entry.at);
  const certain = told.filter((one) => one.certain).map((one) => seconds(one.at));
  return certain.length === 0 ? null : Math.min(...certain);
}

// A line of this kind without a person says that it rings again.
function firstAcknowledged({ timeline, acknowledged }: Known): number | null {
  const entry = timeline.find((one) => one.kind === 'acknowledged' && one.by);
  if (entry) return seconds(entry.at);
  return acknowledged ? seconds(acknowledged.at) : null;
}

/** Whole seconds until the next step; 0 when it is due, null when there is none. */
export function countdown(nextStepAt: string | null, now: number): number | null {
  if (nextStepAt === null) return null;
  const at = seconds(nextStepAt);
  return Number.isFinite(at) ? Math.max(0, Math.ceil(at - now)) : null;
}

/** How long after the opening a line happened: `+12.3 s`, `+4 min 05 s`, `+2 h 10 min`, `−0.4 s`. */
export function offset(at: string, openedAt: string): string {
  const total = seconds(at) - seconds(openedAt);
  const sign = total < 0 ? '−' : '+';
  const tenths = Math.round(Math.abs(total) * 10) / 10;
  if (tenths < 60) return `${sign}${tenths.toFixed(1)} s`;
  const whole = Math.round(tenths);
  const [hours, minutes, rest] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${sign}${hours} h ${two(minutes)} min` : `${sign}${minutes} min ${two(rest)} s`;
}

/** A line of the timeline as it is read. */
export interface Line {
  entry: TimelineEntry;
  /** How many lines it stands for. */
  times: number;
}

// The alert is what the incident was opened and routed for, though the three are noted at one instant.
const causesFirst = (a: TimelineEntry, b: TimelineEntry): number =>
  a.at === b.at ? Number(b.kind === 'condition') - Number(a.kind === 'condition') : 0;

/** Lines that say the same one after the other, folded: a storm must not hide what matters. */
export function folded(timeline: readonly TimelineEntry[]): Line[] {
  const lines: Line[] = [];
  for (const entry of [...timeline].sort(causesFirst)) {
    const last = lines.at(-1);
    if (last && last.entry.kind === entry.kind && last.entry.text === entry.text && last.entry.by === entry.by) last.times += 1;
    else lines.push({ entry, times: 1 });
  }
  return lines;
}
