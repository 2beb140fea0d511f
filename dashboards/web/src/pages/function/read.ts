// What the function's page asks for, and how the answers become what it shows.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, get } from '../../api/client';
import { type Live, serverNow, useLive } from '../../api/live';
import type { Curves, FunctionDetail, IncidentList, IncidentShort, Located, Rule, RuleList } from '../../api/types';
import { mergeCurves, withEarlier } from '../../chart/merge';
import type { ViewState } from '../../lib/url';
import { MEASURES, SECONDS_KEPT, curvesPath, earlierPath, pathOf, windowOf } from './ask';
import type { Place } from './breakdown';
import { coarseStep, rowOver, slices } from './stretch';

const SUMMED_MOST = 1_000;
/** Samples and explanations read rows, so they are not asked for with every beat. */
const LOCATE_EVERY = 10_000;
const RULES_EVERY = 60_000;
const CURVES_EVERY_MIN = 30_000;
const PLACES: Place[] = ['unit', 'version', 'zone'];

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

type Read = (signal: AbortSignal) => Promise<number | void>;

/** Calls `read` now and, unless `every` is 0, again and again while the page is seen. Gives what ends it. */
function repeat(every: number, read: Read): () => void {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const turn = async () => {
    if (document.hidden) {
      document.addEventListener('visibilitychange', turn, { once: true, signal: stop.signal });
      return;
    }
    let wait: number | void = undefined;
    try {
      wait = await read(stop.signal);
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
}

/** Repeats after the paint, as long as there is a key; anew with every other key. */
function useRepeated(key: string | null, every: number, read: Read): void {
  useEffect(() => (key === null ? undefined : repeat(every, read)), [key, every]);
}

export interface Shown {
  curves: Curves;
  /** What they are split by, which the page may have left already. */
  by: ViewState['by'];
}

interface CurvesRead {
  shown?: Shown;
  error?: ApiError;
}

/** The curves of the window; live seconds flow in, long windows are read again with every step. */
export function useCurves(name: string, view: ViewState, newest: Curves | undefined): CurvesRead & { settled: boolean } {
  const window = windowOf(view);
  const [state, setState] = useState<{ key: string } & CurvesRead>({ key: '' });
  const path = curvesPath(name, view);
  const { by } = view;
  const read = async (signal: AbortSignal) => {
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
  };
  // Before the first paint: what was asked for ahead may be there already.
  useLayoutEffect(() => repeat(window.past || window.fine ? 0 : CURVES_EVERY_MIN, read), [path]);
  useEffect(() => {
    if (!newest || !window.fine) return;
    setState((held) => {
      if (held.key !== path || !held.shown) return held;
      const last = newest.time.at(-1) ?? 0;
      const curves = mergeCurves(held.shown.curves, newest, last - window.seconds);
      return { ...held, error: undefined, shown: { ...held.shown, curves } };
    });
  }, [newest, path]);
  const own = state.key.startsWith(`${pathOf(name)}/`) ? state : undefined;
  const current = state.key === path && state.shown !== undefined;
  const earlier = useEarlier(name, view, current);
  const curves = own?.shown?.curves;
  const whole = useMemo(() => (curves && current ? withEarlier(curves, earlier.curves) : curves), [curves, current, earlier.curves]);
  const shown = own?.shown && whole && { ...own.shown, curves: whole };
  return { shown, error: own?.error, settled: current && earlier.settled };
}

type Earlier = Pick<Curves, 'time' | 'series'>;

/** Earlier days behind the last seconds, read once those are there, and again as time goes on. */
function useEarlier(name: string, view: ViewState, ready: boolean): { curves: Earlier; settled: boolean } {
  const [held, setHeld] = useState<{ path: string; curves: Earlier }>();
  const path = earlierPath(name, view);
  // Until they come there are empty ones, so that their names have their place and the chart does not jump.
  const empty = useMemo<Earlier>(() => {
    const series = path === null ? [] : view.compare.map((compare) => ({ labels: { compare }, measure: 'qps', values: [] }));
    return { time: [], series };
  }, [path]);
  useRepeated(ready ? path : null, CURVES_EVERY_MIN, async (signal) => {
    try {
      setHeld({ path: path!, curves: await get<Curves>(path!, signal) });
    } catch (error) {
      if (!signal.aborted) setHeld((known) => (known?.path === path ? known : { path: path!, curves: empty }));
      throw error;
    }
  });
  const own = held?.path === path ? held : undefined;
  return { curves: own?.curves ?? empty, settled: path === null || own !== undefined };
}

/** Numbers and places of a window that the server does not keep by the second. */
export function useStretch(name: string, view: ViewState, base: FunctionDetail | undefined, curves: Curves | undefined, located: Located | undefined): FunctionDetail | undefined {
  const window = windowOf(view);
  const [sums, setSums] = useState<{ key: string; from: number; to: number; by: Record<Place, Curves> }>();
  // Only the first answer tells the server's time.
  const key = window.fine || !base ? null : `${name}|${window.from}|${window.to}|${window.seconds}`;
  useRepeated(key, window.past ? 0 : 60_000, async (signal) => {
    const now = serverNow();
    const to = window.to ?? Math.floor(now);
    const from = to - window.seconds;
    const step = coarseStep(now - from > SECONDS_KEPT ? Math.max(window.seconds, SECONDS_KEPT + 1) : window.seconds, SUMMED_MOST);
    const read = (place: Place) =>
      get<Curves>(`${pathOf(name)}/series?from=${from}&to=${to}&step=${step}s&by=${place}&points=4000&measures=outcomes,cold_starts${place === 'unit' ? '&compare=7d' : ''}`, signal);
    const [unit, version, zone] = await Promise.all(PLACES.map(read));
    setSums({ key: key!, from, to, by: { unit, version, zone } });
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

/** Explanations over every dimension, and the latest failed calls. They keep the server busy for a while, so
 * what is seen first goes first. */
export function useLocated(name: string, view: ViewState, ready: boolean): Located | undefined {
  const window = windowOf(view);
  const [held, setHeld] = useState<{ key: string; located: Located }>();
  const query = window.past ? `range=${window.seconds}s&to=${window.to}` : `range=${view.range}`;
  const key = `${pathOf(name)}/locate?${query}`;
  // The longer the stretch, the more rows are read and the less the answer changes.
  useRepeated(ready ? key : null, window.past ? 0 : Math.max(LOCATE_EVERY, (window.seconds * 1_000) / 60), async (signal) => {
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
