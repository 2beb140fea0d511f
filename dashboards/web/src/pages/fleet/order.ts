// Which functions are shown, and in which order.

import type { FunctionRow } from '../../api/types';
import { ORDER } from '../../lib/status';

/** What is written in the columns that can be sorted by. */
export const COLUMNS = ['status', 'function', 'qps', 'change', 'success', 'errors', 'limited', 'p99', 'cold', 'owner'] as const;
export type Column = (typeof COLUMNS)[number];

/** A function with the text that a filter looks at, made once per answer rather than once per key. */
export interface Entry {
  row: FunctionRow;
  id: string;
  text: string;
  loudness: number;
}

export function entries(rows: FunctionRow[]): Entry[] {
  return rows.map((row) => {
    const id = `${row.namespace}/${row.function}`;
    return { row, id, text: `${id} ${row.owner ?? ''}`.toLowerCase(), loudness: ORDER.indexOf(row.status) };
  });
}

/** The functions whose name or owner holds every word of the filter. */
export function matching(all: Entry[], filter: string, status: string): Entry[] {
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== '');
  if (words.length === 0 && status === '') return all;
  return all.filter((entry) => (status === '' || entry.row.status === status) && words.every((word) => entry.text.includes(word)));
}

const share = (part: number, whole: number) => (whole > 0 ? part / whole : 0);

/** What a column is sorted by; unknown values come last whichever way. */
function value(entry: Entry, column: Column): number | string | null {
  const { row } = entry;
  switch (column) {
    case 'status': return -entry.loudness;
    case 'function': return entry.id;
    case 'qps': return row.qps;
    case 'change': return row.qps_before === null || row.qps_before === 0 ? null : row.qps / row.qps_before;
    case 'success': return row.success_rate;
    case 'errors': return row.errors;
    case 'limited': return row.limited;
    case 'p99': return row.p99_ms;
    case 'cold': return row.calls > 0 ? share(row.cold_starts, row.calls) : null;
    case 'owner': return row.owner;
  }
}

/** Trouble first, then the busiest: what somebody looks for who says nothing. */
function byTrouble(one: Entry, other: Entry): number {
  return one.loudness - other.loudness || other.row.errors - one.row.errors || other.row.qps - one.row.qps || (one.id < other.id ? -1 : 1);
}

export function sorted(shown: Entry[], column: Column, direction: 'asc' | 'desc'): Entry[] {
  if (column === 'status') {
    const ordered = [...shown].sort(byTrouble);
    return direction === 'asc' ? ordered.reverse() : ordered;
  }
  const keyed = shown.map((entry) => ({ entry, key: value(entry, column) }));
  const sign = direction === 'asc' ? 1 : -1;
  keyed.sort((one, other) => {
    if (one.key === null || other.key === null) {
      if (one.key === other.key) return byTrouble(one.entry, other.entry);
      return one.key === null ? 1 : -1;
    }
    if (one.key === other.key) return one.entry.id < other.entry.id ? -1 : 1;
    return one.key < other.key ? -sign : sign;
  });
  return keyed.map(({ entry }) => entry);
}

/** The rows of a window over a long table: from the first one seen to the one after the last. */
export function visible(scrolled: number, height: number, rowHeight: number, rows: number, spare = 8): [number, number] {
  const first = Math.max(0, Math.floor(scrolled / rowHeight) - spare);
  const last = Math.min(rows, Math.ceil((scrolled + height) / rowHeight) + spare);
  return [Math.min(first, rows), Math.max(last, 0)];
}
