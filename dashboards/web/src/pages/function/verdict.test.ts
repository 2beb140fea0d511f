import { describe, expect, it } from 'vitest';
import type { Explanation, FiringAlert, FunctionDetail, FunctionRow } from '../../api/types';
import { translate } from '../../i18n/testing';
import { count, percent } from '../../lib/format';
import { formatAge, formatInstant } from '../../lib/time';
import { type Circumstances, type Voice, isHalf, verdict } from './verdict';

const NOW = Date.parse('2026-11-11T02:33:02Z') / 1_000;

function voiceOf(language: 'en' | 'zh'): Voice {
  const t = (key: string, params?: Record<string, string | number>) => translate(language, key, params);
  return {
    instant: (seconds) => formatInstant(seconds, 'Asia/Shanghai', 'seconds'),
    age: (seconds) => formatAge(seconds, t),
    percent,
    share: (share) => percent(share, 0),
    count,
    span: (seconds) => formatAge(seconds, t),
    dimension: (name) => t(`dimension.${name}`),
    part: (share) => (isHalf(share) ? t('part.half') : t('part.share', { share: percent(share, 0) })),
  };
}

function sentence(circumstances: Circumstances, language: 'en' | 'zh' = 'en'): string {
  const { phrases } = verdict(circumstances, voiceOf(language));
  return phrases.map(({ key, params }) => translate(language, key, params)).join(translate(language, 'verdict.between'));
}

interface Given {
  row?: Partial<FunctionRow>;
  alerts?: Partial<FiringAlert>[];
  explanations?: Partial<Explanation>[];
  completeness?: number | null;
}

function detail({ row, alerts, explanations, completeness = 1 }: Given): FunctionDetail {
  const base = { calls: 12_340, qps: 41.1, success_rate: 0.9998, errors: 2, last_seen: '2026-11-11T02:33:01Z', ...row };
  const alert = { rule: 'SuccessRateLow', severity: 'critical', since: '2026-11-11T02:31:02Z', labels: {}, summary: 'guide/feed at 48.3%', incident: 'x' };
  const explanation = { dimension: 'unit', value: 'b', failures: 100, failures_share: 1, calls_share: 0.5, success_rate: 0 };
  return {
    function: base as FunctionRow, outcomes: {}, by: { unit: [], version: [], zone: [] },
    alerts: (alerts ?? []).map((one) => ({ ...alert, ...one }) as FiringAlert),
    explanations: (explanations ?? []).map((one) => ({ ...explanation, ...one }) as Explanation),
    releases: [], as_of: '2026-11-11T02:33:02Z', range_seconds: 300, completeness,
  };
}

const failing: Given = { row: { success_rate: 0.483, errors: 6_000 }, alerts: [{}], explanations: [{}] };

const CASES: [string, Partial<Circumstances>, Given, string, string][] = [
  ['well', {}, {}, 'ok', 'Well: 99.98 % of 12,340 calls in 5 min succeeded.'],
  ['completeness unknown is no reproach', {}, { completeness: null }, 'ok', 'Well: 99.98 % of 12,340 calls in 5 min succeeded.'],
  ['failing, in one place', {}, failing, 'critical',
    'Failing since 10:31:02 (2 min): 48.30 % of calls in 5 min succeed. All failures are in unit b, which has half of the calls.'],
  ['failing, mostly in one place', {}, { ...failing, explanations: [{ failures_share: 0.94, calls_share: 0.23, value: '7', dimension: 'version' }] }, 'critical',
    'Failing since 10:31:02 (2 min): 48.30 % of calls in 5 min succeed. 94 % of the failures are in version 7, which has 23 % of the calls.'],
  ['a place goes before a type', {}, { ...failing, explanations: [{ dimension: 'error_type', value: 'X', calls_share: null }, {}] }, 'critical',
    'Failing since 10:31:02 (2 min): 48.30 % of calls in 5 min succeed. All failures are in unit b, which has half of the calls.'],
  ['only a type is known', {}, { ...failing, explanations: [{ dimension: 'error_type', value: 'X', calls_share: null, failures_share: 0.8 }] }, 'critical',
    'Failing since 10:31:02 (2 min): 48.30 % of calls in 5 min succeed. 80 % of the failures: error type X.'],
  ['failing without a call that counts', { watches: 'success_rate' }, { row: { success_rate: null, errors: 0, calls: 0 }, alerts: [{}] }, 'critical',
    'Failing since 10:31:02 (2 min); in the last 5 min no call counted.'],
  ['calls fall off', { watches: 'qps' }, { row: { qps: 3 }, alerts: [{ rule: 'QpsDrop', severity: 'warning', summary: '60 % fewer calls than last week' }] }, 'warning',
    'QpsDrop since 10:31:02 (2 min), now 3 calls/s: 60 % fewer calls than last week.'],
  ['another rule', {}, { alerts: [{ rule: 'Late', severity: 'info', summary: 'half is missing' }] }, 'info', 'Late since 10:31:02 (2 min): half is missing.'],
  ['a rule that says nothing', {}, { alerts: [{ rule: 'Late', summary: ' ' }] }, 'critical', 'Late fires since 10:31:02 (2 min).'],
  ['failing with little data', {}, { ...failing, explanations: [], completeness: 0.6 }, 'critical',
    'Failing since 10:31:02 (2 min): 48.30 % of calls in 5 min succeed. Only 60 % of the expected data has arrived.'],
  ['late data is not health', {}, { completeness: 0.62 }, 'unknown',
    'Not to be told yet: only 62 % of the expected data has arrived. Of the 12,340 calls seen in 5 min, 99.98 % succeeded.'],
  ['old data is not health', { staleFor: 25 }, {}, 'unknown', 'Nobody can tell: no news since 10:33:02 (25 s ago).'],
  ['old data that was bad', { staleFor: 25 }, { ...failing, explanations: [] }, 'critical',
    'Nobody can tell: no news since 10:33:02 (25 s ago). At that time: Failing since 10:31:02 (2 min): 48.30 % of calls in 5 min succeed.'],
  ['idle', {}, { row: { calls: 0, success_rate: null, last_seen: '2026-11-11T02:23:02Z' } }, 'idle', 'Idle: no call since 10:23:02 (10 min).'],
  ['nothing counts', {}, { row: { success_rate: null, calls: 7 } }, 'idle',
    'No verdict: none of 7 calls in 5 min counts; all were limited or the caller’s fault.'],
  ['bad without an alert', {}, { row: { success_rate: 0.952, errors: 590 } }, 'unknown', 'No alert, yet only 95.20 % of 12,340 calls in 5 min succeeded.'],
  ['a stretch of the past', { past: true }, { ...failing, explanations: [] }, 'unknown', 'In these 5 min, 48.30 % of 12,340 calls succeeded.'],
  ['a stretch without calls', { past: true }, { row: { calls: 0 } }, 'idle', 'Idle: no call in these 5 min.'],
  ['a clock that is behind', {}, { ...failing, explanations: [], alerts: [{ since: '2026-11-11T02:33:09Z' }] }, 'critical',
    'Failing since 10:33:09 (0 s): 48.30 % of calls in 5 min succeed.'],
];

describe('the verdict', () => {
  it.each(CASES)('%s', (_, circumstances, given, tone, expected) => {
    const whole = { detail: detail(given), now: NOW, staleFor: null, ...circumstances };
    expect(verdict(whole, voiceOf('en')).tone).toBe(tone);
    expect(sentence(whole)).toBe(expected);
  });

  it('speaks Chinese without a gap and without a place left open', () => {
    const text = sentence({ detail: detail(failing), now: NOW, staleFor: null }, 'zh');
    expect(text).toBe('自 10:31:02 起异常（已 2 分钟）：5 分钟内调用成功率 48.30 %。失败全部集中在单元 b，而它只承担一半的调用。');
    for (const [, circumstances, given] of CASES) {
      expect(sentence({ detail: detail(given), now: NOW, staleFor: null, ...circumstances }, 'zh')).not.toMatch(/[{}]|verdict\./);
    }
  });
});
