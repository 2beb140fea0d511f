import { expect, test } from 'vitest';
import type { FunctionRow, Status } from '../../api/types';
import { entries, matching, sorted, visible } from './order';

function row(name: string, status: Status, patch: Partial<FunctionRow> = {}): FunctionRow {
  return {
    namespace: 'guide', function: name, owner: null, calls: 100, qps: 1, qps_before: null, success_rate: 1, errors: 0,
    p50_ms: null, p95_ms: null, p99_ms: null, limited: 0, cold_starts: 0, pods: null, status, since: null,
    first_seen: '', last_seen: '', ...patch,
  };
}

const all = entries([
  row('calm', 'ok', { qps: 5 }),
  row('busy', 'ok', { qps: 50, success_rate: null }),
  row('broken', 'critical', { errors: 3, success_rate: 0.5, owner: 'Team-A' }),
  row('asleep', 'idle', { success_rate: 0.9 }),
]);
const names = (shown: typeof all) => shown.map((entry) => entry.row.function);

test('trouble comes first, then the busiest', () => {
  expect(names(sorted(all, 'status', 'desc'))).toEqual(['broken', 'busy', 'calm', 'asleep']);
});

test('what is not known comes last, whichever way', () => {
  expect(names(sorted(all, 'success', 'asc'))).toEqual(['broken', 'asleep', 'calm', 'busy']);
  expect(names(sorted(all, 'success', 'desc'))).toEqual(['calm', 'asleep', 'broken', 'busy']);
});

test('every word of a filter must be there, in the name or the owner', () => {
  expect(names(matching(all, 'GUIDE bro', ''))).toEqual(['broken']);
  expect(names(matching(all, 'team-a', ''))).toEqual(['broken']);
  expect(names(matching(all, '', 'ok'))).toEqual(['calm', 'busy']);
  expect(matching(all, '  ', '')).toBe(all);
});

test('only what is in sight is drawn', () => {
  expect(visible(0, 850, 32, 10_000)).toEqual([0, 35]);
  expect(visible(320_000 - 850, 850, 32, 10_000)).toEqual([9_965, 10_000]);
  expect(visible(-200, 850, 32, 3)).toEqual([0, 3]);
  expect(visible(1e9, 850, 32, 3)).toEqual([3, 3]);
});
