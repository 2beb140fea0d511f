import { expect, test } from 'vitest';
import { translate } from '../i18n/testing';
import { formatAge, formatInstant, isZone, parseInstant } from './time';

const at = (text: string) => parseInstant(text);

test.each([
  ['2026-11-10T16:00:05Z', 'Asia/Shanghai', '2026-11-11 00:00:05 +08:00'],
  ['2026-11-10T16:00:05Z', 'UTC', '2026-11-10 16:00:05 +00:00'],
  // Summer time ends in New York: the hour from one to two comes twice, and only the offset tells them apart.
  ['2026-11-01T05:30:00Z', 'America/New_York', '2026-11-01 01:30:00 -04:00'],
  ['2026-11-01T06:30:00Z', 'America/New_York', '2026-11-01 01:30:00 -05:00'],
  ['2026-03-29T01:00:00Z', 'Europe/Berlin', '2026-03-29 03:00:00 +02:00'],
  ['2026-06-30T18:45:00Z', 'Asia/Kathmandu', '2026-07-01 00:30:00 +05:45'],
])('%s in %s', (text, zone, full) => {
  expect(formatInstant(at(text), zone, 'full')).toBe(full);
  expect(formatInstant(at(text), zone, 'seconds')).toBe(full.slice(11, 19));
  expect(formatInstant(at(text), zone, 'time')).toBe(full.slice(11, 16));
});

test('midnight is 00, never 24', () => {
  expect(formatInstant(at('2026-11-11T00:00:00Z'), 'UTC', 'time')).toBe('00:00');
});

test('ages are short', () => {
  const t = (key: string, params?: Record<string, string | number>) => translate('en', key, params);
  expect([0, 4.9, 99, 100, 5_999, 6_000, 172_799, 172_800].map((seconds) => formatAge(seconds, t))).toEqual(
    ['0 s', '4 s', '99 s', '1 min', '99 min', '1 h', '47 h', '2 d']);
});

test('zones are checked', () => {
  expect([isZone('Asia/Shanghai'), isZone('Mars/Base')]).toEqual([true, false]);
});
