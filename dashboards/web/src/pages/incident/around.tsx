// Calls and success of the incident's function around its time, with the incident marked.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { get } from '../../api/client';
import { serverNow } from '../../api/live';
import type { Curves, Incident } from '../../api/types';
import { cursorGroup } from '../../chart/cursor';
import type { Marker } from '../../chart/model';
import { TimeChart } from '../../chart/time-chart';
import { t } from '../../i18n';
import { percent, qps } from '../../lib/format';
import { formatAge, parseInstant } from '../../lib/time';
import { href } from '../../lib/url';
import { axisNumber, axisPercent } from '../function/charts';
import { type Words, lines } from '../function/curves';

/** Before it began, people want to see what was usual. */
const BEFORE = 600;
const AFTER = 300;
const LONGEST = 7 * 86_400;
const AGAIN_EVERY = 15_000;

/** The stretch around an incident, in whole seconds. */
export function stretchAround(openedAt: number, resolvedAt: number | null, now: number): { from: number; to: number } {
  const to = Math.min(now, resolvedAt === null ? now : resolvedAt + AFTER);
  const from = Math.max(openedAt - BEFORE, to - LONGEST);
  return { from: Math.floor(from), to: Math.max(Math.floor(from) + 60, Math.floor(to)) };
}

/** Reads the curves, and again while the incident lasts. */
function useCurvesAround(name: string, incident: Incident): { curves: Curves; range: { from: number; to: number } } | undefined {
  const [held, setHeld] = useState<{ curves: Curves; range: { from: number; to: number } }>();
  const opened = parseInstant(incident.opened_at);
  const ended = incident.resolved ? parseInstant(incident.resolved.at) : null;
  useEffect(() => {
    const stop = new AbortController();
    const read = async () => {
      if (document.hidden) return;
      const range = stretchAround(opened, ended, serverNow());
      const path = name.split('/').map(encodeURIComponent).join('/');
      const query = `from=${range.from}&to=${range.to}&points=600&measures=qps,success_rate`;
      try {
        setHeld({ curves: await get<Curves>(`api/v1/functions/${path}/series?${query}`, stop.signal), range });
      } catch {
        // The incident says what matters; its curves are an extra.
      }
    };
    void read();
    const timer = ended === null ? setInterval(read, AGAIN_EVERY) : undefined;
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [name, opened, ended]);
  return held;
}

export function Around({ incident, zone, language }: { incident: Incident; zone: string; language: string }) {
  const name = incident.function!;
  const held = useCurvesAround(name, incident);
  const group = useMemo(cursorGroup, []);
  const from = parseInstant(incident.opened_at);
  const to = incident.resolved ? parseInstant(incident.resolved.at) : null;
  const markers = useMemo<Marker[]>(() => [{ from, to, label: t('function.incident'), colour: '--critical' }], [from, to, language]);
  const unnamed = useMemo(() => markers.map((marker) => ({ ...marker, label: '' })), [markers]);
  const series = useMemo(() => {
    if (!held) return undefined;
    const words: Words = { now: t('function.now'), compared: (back) => back, outcome: (one) => one, value: (one) => one };
    return { qps: lines(held.curves, 'qps', '', words), success: lines(held.curves, 'success_rate', '', words) };
  }, [held, language]);
  if (!held || !series) return null;
  const { range, curves } = held;
  const shared = {
    zone, range, group, markers, time: curves.time, incompleteFrom: curves.complete_until, height: 130,
    span: formatAge(range.to - range.from, t), file: [name, `incident-${incident.number}`],
  };
  return (
    <section aria-labelledby="incident-around">
      <h2 id="incident-around">{t('incident.around')}</h2>
      <TimeChart {...shared} testid="chart-qps" title={t('function.chartQps')} unit={t('function.perSecond')} format={qps} axisText={axisNumber} series={series.qps} />
      <TimeChart
        {...shared} markers={unnamed} testid="chart-success" title={t('function.chartSuccess')} unit={t('function.percent')} format={percent} axisText={axisPercent}
        series={series.success} scale="share"
      />
      <p><a href={href(`f/${name.split('/').map(encodeURIComponent).join('/')}`, range)}>{t('incident.toFunction', { name })}</a></p>
    </section>
  );
}
