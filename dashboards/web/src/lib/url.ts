// Everything that a copied link has to carry stands in the address: what is looked at, the stretch of time,
// the comparison, the zone, the language, the theme and the filters. Bad values fall back, they never break.

import { useEffect, useState } from 'preact/hooks';
import { isZone } from './time';

export interface ViewState {
  range: string;
  from?: number;
  to?: number;
  compare: string[];
  by: '' | 'unit' | 'version' | 'zone';
  tz: string;
  lang: 'en' | 'zh';
  theme: 'auto' | 'light' | 'dark';
  q: string;
  owner: string;
  status: string;
  sort: string;
  dir: 'asc' | 'desc';
  extra: Record<string, string>;
}

export const RANGES = ['5m', '15m', '1h', '6h', '24h', '7d'];
const COMPARED = ['1d', '7d'];
const DEFAULTS: ViewState = {
  range: '5m',
  compare: COMPARED,
  by: '',
  tz: 'browser',
  lang: 'en',
  theme: 'auto',
  q: '',
  owner: '',
  status: '',
  sort: '',
  dir: 'desc',
  extra: {},
};
const KNOWN = new Set([...Object.keys(DEFAULTS), 'from', 'to'].filter((name) => name !== 'extra'));

function one<T extends string>(text: string | null, of: readonly T[], otherwise: T): T {
  return of.find((value) => value === text) ?? otherwise;
}

/** The language of a browser that was not told any. */
function ownLanguage(): 'en' | 'zh' {
  return typeof navigator !== 'undefined' && /^zh\b/i.test(navigator.language) ? 'zh' : 'en';
}

/** Reads a query string. */
export function parse(search: string): ViewState {
  const query = new URLSearchParams(search);
  const text = (name: string) => (query.get(name) ?? '').slice(0, 200);
  const state: ViewState = {
    ...DEFAULTS,
    range: one(query.get('range'), RANGES, DEFAULTS.range),
    compare: query.has('compare') ? COMPARED.filter((word) => text('compare').split(',').includes(word)) : COMPARED,
    by: one(query.get('by'), ['', 'unit', 'version', 'zone'] as const, ''),
    tz: query.has('tz') && isZone(text('tz')) ? text('tz') : 'browser',
    lang: one(query.get('lang'), ['en', 'zh'] as const, ownLanguage()),
    theme: one(query.get('theme'), ['auto', 'light', 'dark'] as const, 'auto'),
    q: text('q'),
    owner: text('owner'),
    status: text('status'),
    sort: text('sort'),
    dir: one(query.get('dir'), ['asc', 'desc'] as const, 'desc'),
    extra: {},
  };
  const from = Number(query.get('from') ?? Number.NaN);
  const to = Number(query.get('to') ?? Number.NaN);
  if (from > 0 && to > from && to < 1e11) {
    state.from = from;
    state.to = to;
  }
  for (const [name, value] of query) if (!KNOWN.has(name)) state.extra[name] = value.slice(0, 200);
  return state;
}

/** Writes a query string, without the question mark; what is as usual is left out. */
export function format(state: ViewState): string {
  const query = new URLSearchParams();
  const set = (name: string, value: string, usual: string) => value !== usual && query.set(name, value);
  set('range', state.range, DEFAULTS.range);
  if (state.from !== undefined && state.to !== undefined) {
    query.set('from', String(state.from));
    query.set('to', String(state.to));
  }
  set('compare', state.compare.join(','), COMPARED.join(','));
  set('by', state.by, '');
  set('tz', state.tz, 'browser');
  set('lang', state.lang, ownLanguage());
  set('theme', state.theme, 'auto');
  set('q', state.q, '');
  set('owner', state.owner, '');
  set('status', state.status, '');
  set('sort', state.sort, '');
  set('dir', state.dir, 'desc');
  for (const [name, value] of Object.entries(state.extra)) if (value !== '') query.set(name, value);
  return query.toString();
}

const CHANGED = 'rampart-moved';

function moved(): void {
  window.dispatchEvent(new Event(CHANGED));
}

function base(): string {
  return new URL(document.baseURI).pathname;
}

/** Goes to a page below the base; gives way to the browser's back button. */
export function go(path: string): void {
  history.pushState(null, '', new URL(path, document.baseURI));
  window.scrollTo(0, 0);
  moved();
}

function useMoves(): void {
  const [, again] = useState(0);
  useEffect(() => {
    const look = () => again((n) => n + 1);
    window.addEventListener(CHANGED, look);
    window.addEventListener('popstate', look);
    return () => {
      window.removeEventListener(CHANGED, look);
      window.removeEventListener('popstate', look);
    };
  }, []);
}

/** The state of the address and a way to change it; changes replace the entry unless `push` is said. */
export function useView(): [ViewState, (patch: Partial<ViewState>, how?: 'push' | 'replace') => void] {
  useMoves();
  const change = (patch: Partial<ViewState>, how: 'push' | 'replace' = 'replace') => {
    const next = { ...parse(location.search), ...patch };
    const query = format(next);
    const url = location.pathname + (query ? `?${query}` : '') + location.hash;
    if (how === 'push') history.pushState(null, '', url);
    else history.replaceState(null, '', url);
    moved();
  };
  return [parse(location.search), change];
}

/** A link to a page below the base. It keeps what belongs to the reader (zone, language, theme, range) and
 * drops what belongs to the page left behind (filters, a frozen stretch). */
export function href(path: string, patch: Partial<ViewState> = {}): string {
  const { tz, lang, theme, range } = parse(location.search);
  const query = format({ ...DEFAULTS, tz, lang, theme, range, ...patch });
  return base() + path + (query ? `?${query}` : '');
}

const SECONDS: Record<string, number> = { '5m': 300, '15m': 900, '1h': 3600, '6h': 21_600, '24h': 86_400, '7d': 604_800 };

/** The length of a range in seconds. */
export function secondsOf(range: string): number {
  return SECONDS[range] ?? 300;
}

/** The address to copy: what is seen now, for good. */
export function frozen(state: ViewState, asOf: number): string {
  const to = state.to ?? Math.floor(asOf);
  const from = state.from ?? to - secondsOf(state.range);
  const query = format({ ...state, from, to });
  return `${location.origin}${location.pathname}?${query}${location.hash}`;
}

/** The decoded parts of the path below the base. */
export function pathOf(pathname: string, below: string): string[] {
  const rest = pathname.startsWith(below) ? pathname.slice(below.length) : pathname.replace(/^\//, '');
  return rest.split('/').filter((part) => part !== '').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}

/** Where the browser is now. */
export function pathNow(): string[] {
  return pathOf(location.pathname, base());
}

export function usePath(): string[] {
  useMoves();
  return pathNow();
}
