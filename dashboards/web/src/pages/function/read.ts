// What the function's page asks for, and how the answers become what it shows.

import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, get } from '../../api/client';
import { type Live, serverNow, useLive } from '../../api/live';
import type { Curves, FunctionDetail, IncidentList, IncidentShort, Located, Rule, RuleList } from '../../api/types';
import { mergeCurves } from '../../chart/merge';
import { type ViewState, secondsOf } from '../../lib/url';
import type { Place } from './breakdown';
import { coarseStep, rowOver, slices } from './stretch';

/** As far back as the server counts by the second; longer stretches are summed up from curves. */
const SECONDS_KEPT = 900;
const MEASURES = 'qps,success_rate,outcomes,latency,limited,cold_starts';
const POINTS = 1_200;
const SUMMED_MOST = 1_000;
/** Samples and explanations read rows, so they are not asked for with every beat. */
const LOCATE_EVERY = 10_000;
const RULES_EVERY = 60_000;
const CURVES_EVERY_MIN = 30_000;
const PLACES: Place[] = ['unit', 'version', 'zone'];

/** What is looked at: the last seconds, or a stretch for good. */
export interface Window {
  past: boolean;
  seconds: number;
  from?: number;
  to?: number;
  /** Whether the server answers for it from its counts per second. */
  fine: boolean;
}

export function windowOf(view: ViewState): Window {
  if (view.from !== undefined && view.to !== undefined) {
    return { past: true, seconds: view.to - view.from, from: view.from, to: view.to, fine: false };
  }
  const seconds = secondsOf(view.range);
  return { past: false, seconds, fine: seconds <= SECONDS_KEPT };
}

export const pathOf = (name: string): string => `api/v1/functions/${name.split('/').map(encodeURIComponent).join('/')}`;

export interface FunctionNews {
  detail?: FunctionDetail;
  newest?: Curves;
}

/** The function as it is now. The last answer about the same function stays while another is on its way. */
export function useFunctionNow(name: string, view: ViewState): Live<FunctionNews> & { detail: FunctionDetail | undefined } {
  const window = windowOf(view);
  const range = window.fine ? view.range : '15m';
  const merging = window.fine;
  const series = { by: view.by, measures: MEASURES };
  const live = useLive<FunctionNews>({
    stream: { topics: merging ? 'function,series' : 'function', function: name, range, compare: '7d', ...(merging ? series : {}) },
    poll: {
      function: `${pathOf(name)}?range=${range}&compare=7d`,
      ...(merging ? { series: `${pathOf(name)}/series?${new URLSearchParams({ range: '20s', ...series })}` } : {}),
    },
  }, (data, topic, body) => {
    if (topic === 'function') return { ...data, detail: body as FunctionDetail };
    return topic === 'series' ? { ...data, newest: body as Curves } : (data ?? {});
  });
  const held = useRef<FunctionDetail | undefined>(undefined);
  const detail = live.data?.detail;
  if (detail) held.current = detail;
  const own = held.current && `${held.current.function.namespace}/${held.current.function.function}` === name;
  return { ...live, detail: own ? held.current : undefined };
}

/** Whether nobody knows the function: the stream would only stay silent. */
export function useUnknown(name: string): boolean {
  const [unknown, setUnknown] = useState('');
  useRepeated(name, 0, async (signal) => {
    try {
      await get(pathOf(name), signal);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) setUnknown(name);
    }
  });
  return unknown === name;
}

/** Calls `read` now and, unless `every` is 0, again and again while the page is seen. */
function useRepeated(key: string, every: number, read: (signal: AbortSignal) => Promise<number | void>): void {
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async () => {
      let wait: number | void = undefined;
      try {
        if (!document.hidden) wait = await read(stop.signal);
      } catch {
        // The page's stream tells when the server is away; this comes again.
      }
      const next = wait ?? every;
      if (next > 0 && !stop.signal.aborted) timer = setTimeout(turn, next);
    };
    void turn();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, every]);
}

export interface Shown {
  curves: Curves;
  /** What they are split by, which the page may have left already. */
  by: ViewState['by'];
}

/** The curves of the window; live seconds flow in, long windows are read again with every step. */
export function useCurves(name: string, view: ViewState, newest: Curves | undefined): { shown?: Shown; error?: ApiError } {
  const window = windowOf(view);
  const [state, setState] = useState<{ key: string; shown?: Shown; error?: ApiError }>({ key: '' });
  const query = new URLSearchParams(window.past ? { from: String(window.from), to: String(window.to) } : { range: view.range });
  query.set('points', String(POINTS));
  query.set('measures', MEASURES);
  if (view.by) query.set('by', view.by);
  if (view.compare.length > 0) query.set('compare', view.compare.join(','));
  const path = `${pathOf(name)}/series?${query}`;
  const { by } = view;
  useRepeated(path, window.past || window.fine ? 0 : CURVES_EVERY_MIN, async (signal) => {
    try {
      const curves = await get<Curves>(path, signal);
      setState({ key: path, shown: { curves, by } });
      if (!window.past && !window.fine) return Math.max(CURVES_EVERY_MIN, curves.step_seconds * 1_000);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setState((held) => ({ ...held, key: path, error }));
      // A function's page must not stay empty because one answer failed.
      return 5_000;
    }
  });
  useEffect(() => {
    if (!newest || !window.fine) return;
    setState((held) => {
      if (held.key !== path || !held.shown) return held;
      const last = newest.time.at(-1) ?? 0;
      const curves = mergeCurves(held.shown.curves, newest, last - window.seconds);
      return { ...held, error: undefined, shown: { ...held.shown, curves } };
    });
  }, [newest, path]);
  return state.key.startsWith(`${pathOf(name)}/`) ? state : {};
}

/** Numbers and places of a window that the server does not keep by the second. */
export function useStretch(name: string, view: ViewState, base: FunctionDetail | undefined, curves: Curves | undefined, located: Located | undefined): FunctionDetail | undefined {
  const window = windowOf(view);
  const [sums, setSums] = useState<{ key: string; from: number; to: number; by: Record<Place, Curves> }>();
  // Only the first answer tells the server's time.
  const key = window.fine || !base ? '' : `${name}|${window.from}|${window.to}|${window.seconds}`;
  useRepeated(key, window.past ? 0 : 60_000, async (signal) => {
    if (key === '') return 0;
    const now = serverNow();
    const to = window.to ?? Math.floor(now);
    const from = to - window.seconds;
    const step = coarseStep(now - from > SECONDS_KEPT ? Math.max(window.seconds, SECONDS_KEPT + 1) : window.seconds, SUMMED_MOST);
    const read = (place: Place) =>
      get<Curves>(`${pathOf(name)}/series?from=${from}&to=${to}&step=${step}s&by=${place}&points=4000&measures=outcomes,cold_starts${place === 'unit' ? '&compare=7d' : ''}`, signal);
    const [unit, version, zone] = await Promise.all(PLACES.map(read));
    setSums({ key, from, to, by: { unit, version, zone } });
  });
  if (window.fine) return base;
  if (!base || !sums || sums.key !== key) return undefined;
  const { from, to, by } = sums;
  const p99 = (curves?.series ?? []).filter((one) => one.measure === 'p99_ms').flatMap((one) => one.values.filter((value) => value !== null));
  const worst = p99.length > 0 ? p99.reduce((high, value) => Math.max(high, value), 0) : null;
  return {
    ...base,
    function: rowOver(base.function, by.unit, from, to, worst, '7d'),
    by: { unit: slices(by.unit, from, to, 'unit'), version: slices(by.version, from, to, 'version'), zone: slices(by.zone, from, to, 'zone') },
    explanations: located?.explanations ?? [],
    range_seconds: to - from,
  };
}

/** Explanations over every dimension, and the latest failed calls. */
export function useLocated(name: string, view: ViewState): Located | undefined {
  const window = windowOf(view);
  const [held, setHeld] = useState<{ key: string; located: Located }>();
  const query = window.past ? `range=${window.seconds}s&to=${window.to}` : `range=${view.range}`;
  const key = `${pathOf(name)}/locate?${query}`;
  // The longer the stretch, the more rows are read and the less the answer changes.
  useRepeated(key, window.past ? 0 : Math.max(LOCATE_EVERY, (window.seconds * 1_000) / 60), async (signal) => {
    setHeld({ key, located: await get<Located>(key, signal) });
  });
  return held?.key === key ? held.located : undefined;
}

/** The rules that watch the function. */
export function useRules(name: string): Rule[] {
  const [rules, setRules] = useState<Rule[]>([]);
  useRepeated(`rules ${name}`, RULES_EVERY, async (signal) => {
    const list = await get<RuleList>(`api/v1/rules?${new URLSearchParams({ function: name })}`, signal);
    setRules(list.rules);
  });
  return rules;
}

/** The function's incidents among the newest ones, read again when other alerts fire. */
export function useIncidentsOf(name: string, firing: string): IncidentShort[] {
  const [incidents, setIncidents] = useState<IncidentShort[]>([]);
  useRepeated(`incidents ${name} ${firing}`, RULES_EVERY, async (signal) => {
    const list = await get<IncidentList>('api/v1/incidents?limit=100', signal);
    setIncidents(list.incidents.filter((incident) => incident.function === name));
  });
  return incidents;
}
