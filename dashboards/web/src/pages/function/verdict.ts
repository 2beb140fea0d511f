// One sentence: is it well, since when not, where.

import type { Explanation, FunctionDetail, FiringAlert } from '../../api/types';

export type Tone = 'critical' | 'warning' | 'info' | 'ok' | 'idle' | 'unknown';

/** A sentence of the dictionary and what is put into it. */
export interface Phrase {
  key: VerdictKey;
  params: Record<string, string>;
}

export type VerdictKey =
  | 'verdict.failing' | 'verdict.failingUnknown' | 'verdict.calls' | 'verdict.fires' | 'verdict.firesSilent'
  | 'verdict.where' | 'verdict.whereAll' | 'verdict.whereKind'
  | 'verdict.partly' | 'verdict.late' | 'verdict.stale' | 'verdict.then' | 'verdict.idle'
  | 'verdict.uneasy' | 'verdict.uncounted' | 'verdict.well' | 'verdict.was' | 'verdict.wasIdle';

export interface Verdict {
  tone: Tone;
  phrases: Phrase[];
}

/** How values become text; given by the page, so that the sentence speaks its language and zone. */
export interface Voice {
  instant(seconds: number): string;
  age(seconds: number): string;
  percent(share: number | null): string;
  /** Without digits behind the point. */
  share(share: number): string;
  count(value: number): string;
  /** `5 min` */
  span(seconds: number): string;
  dimension(name: string): string;
  /** `half of the calls`, `23 % of the calls` */
  part(share: number): string;
}

export interface Circumstances {
  detail: FunctionDetail;
  now: number;
  /** Seconds since the data was known good, when that is too long. */
  staleFor: number | null;
  /** What the loudest alert's rule watches, as far as rules are known. */
  watches?: 'success_rate' | 'qps' | 'telemetry';
  /** A stretch of the past: what fires now is no part of it. */
  past?: boolean;
}

/** Less than this share of the expected data is not enough to call anything well. */
export const ENOUGH = 0.99;
/** Below this success rate a function without an alert is not called well. */
const UNEASY = 0.99;
const HALF: [number, number] = [0.45, 0.55];

export const isHalf = (share: number): boolean => share >= HALF[0] && share <= HALF[1];

/** The verdict on a function. */
export function verdict(circumstances: Circumstances, voice: Voice): Verdict {
  const { detail, staleFor } = circumstances;
  const row = detail.function;
  if (circumstances.past) return looksBack(detail, voice);
  const alert = detail.alerts[0];
  const stale: Phrase[] = staleFor === null ? [] : [
    { key: 'verdict.stale', params: { at: voice.instant(seconds(detail.as_of)), age: voice.age(staleFor) } },
  ];
  const partly = detail.completeness !== null && detail.completeness < ENOUGH;
  const share = { share: voice.share(detail.completeness ?? 0) };
  if (alert) {
    const remark: Phrase[] = partly ? [{ key: 'verdict.partly', params: share }] : [];
    const then: Phrase[] = stale.length > 0 ? [{ key: 'verdict.then', params: {} }] : [];
    return { tone: alert.severity, phrases: [...stale, ...then, fires(circumstances, alert, voice), ...where(detail, voice), ...remark] };
  }
  if (staleFor !== null) return { tone: 'unknown', phrases: stale };
  const counted = { calls: voice.count(row.calls), window: voice.span(detail.range_seconds), success: voice.percent(row.success_rate) };
  if (partly) return { tone: 'unknown', phrases: [{ key: 'verdict.late', params: { ...share, ...counted } }] };
  if (row.calls === 0) {
    const last = seconds(row.last_seen);
    const params = { at: voice.instant(last), age: voice.age(Math.max(0, circumstances.now - last)) };
    return { tone: 'idle', phrases: [{ key: 'verdict.idle', params }] };
  }
  if (row.success_rate === null) return { tone: 'idle', phrases: [{ key: 'verdict.uncounted', params: counted }] };
  if (row.success_rate < UNEASY) {
    return { tone: 'unknown', phrases: [{ key: 'verdict.uneasy', params: counted }, ...where(detail, voice)] };
  }
  return { tone: 'ok', phrases: [{ key: 'verdict.well', params: counted }] };
}

function looksBack(detail: FunctionDetail, voice: Voice): Verdict {
  const row = detail.function;
  const params = { calls: voice.count(row.calls), window: voice.span(detail.range_seconds), success: voice.percent(row.success_rate) };
  if (row.calls === 0) return { tone: 'idle', phrases: [{ key: 'verdict.wasIdle', params }] };
  return { tone: 'unknown', phrases: [{ key: 'verdict.was', params }, ...where(detail, voice)] };
}

function fires(circumstances: Circumstances, alert: FiringAlert, voice: Voice): Phrase {
  const { detail, now, watches } = circumstances;
  const row = detail.function;
  const since = seconds(alert.since);
  const params = {
    since: voice.instant(since),
    age: voice.age(Math.max(0, now - since)),
    rule: alert.rule,
    summary: alert.summary,
    success: voice.percent(row.success_rate),
    window: voice.span(detail.range_seconds),
    qps: voice.count(Math.round(row.qps)),
  };
  const failing = watches === 'success_rate' || (watches === undefined && row.errors > 0 && (row.success_rate ?? 1) < UNEASY);
  if (failing) return { key: row.success_rate === null ? 'verdict.failingUnknown' : 'verdict.failing', params };
  if (alert.summary.trim() === '') return { key: 'verdict.firesSilent', params };
  return { key: watches === 'qps' ? 'verdict.calls' : 'verdict.fires', params };
}

/** Where the failures are: the best explanation that names a place, else what they are. */
function where(detail: FunctionDetail, voice: Voice): Phrase[] {
  const best = detail.explanations.find((one) => one.dimension !== 'error_type') ?? detail.explanations[0];
  if (!best) return [];
  const params = {
    share: voice.share(best.failures_share),
    dimension: voice.dimension(best.dimension),
    value: best.value,
    part: best.calls_share === null ? '' : voice.part(best.calls_share),
  };
  return [{ key: whereKey(best), params }];
}

function whereKey(best: Explanation): VerdictKey {
  if (best.dimension === 'error_type' || best.calls_share === null) return 'verdict.whereKind';
  return best.failures_share > 0.9995 ? 'verdict.whereAll' : 'verdict.where';
}

function seconds(instant: string): number {
  return Date.parse(instant) / 1_000;
}
