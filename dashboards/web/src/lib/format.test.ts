import { expect, test } from 'vitest';
import { bytes, change, count, ms, percent, qps } from './format';

test('shares never round to all or none', () => {
  expect([1, 0, 0.99999, 0.00001, 0.9998, 0.483, null].map((share) => percent(share))).toEqual(
    ['100 %', '0 %', '99.99 %', '0.01 %', '99.98 %', '48.30 %', '–']);
});

test('numbers are as precise as they are large', () => {
  expect([0, 0.05, 1.25, 34.12, 1204.4, null].map((value) => qps(value))).toEqual(['0', '0.05', '1.25', '34.1', '1,204', '–']);
  expect([1.234, 41.72, 127.4, 12_340, undefined].map((value) => ms(value))).toEqual(['1.23 ms', '41.7 ms', '127 ms', '12.3 s', '–']);
  expect([count(12_345.4), bytes(0), bytes(1536), bytes(3 * 2 ** 30)]).toEqual(['12,345', '0 B', '1.5 KiB', '3.0 GiB']);
});

test('a change says how much more or less', () => {
  expect([change(112, 100), change(97, 100), change(420, 100), change(100, 100), change(5, 0), change(5, null)]).toEqual(
    ['+12 %', '−3 %', '×4.2', '±0 %', '–', '–']);
});
