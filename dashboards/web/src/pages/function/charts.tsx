// The curves: calls and success large, then latency, failures by type, and what is usually small.

import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Curves } from '../../api/types';
import { cursorGroup } from '../../chart/cursor';
import type { ChartSeries, Marker, Threshold } from '../../chart/model';
import { TimeChart } from '../../chart/time-chart';
import { t } from '../../i18n';
import { ms, percent, qps } from '../../lib/format';
import { type Words, latencies, lines, outcomes, whole } from './curves';

interface ChartsProps {
  name: string;
  curves: Curves;
  by: string;
  zone: string;
  /** The window in words. */
  span: string;
  range: { from: number; to: number };
  thresholds: Threshold[];
  markers: Marker[];
  /** Stands between the large and the small charts. */
  places?: ComponentChildren;
  language: string;
  onSelect(from: number, to: number): void;
  onBack(): void;
}

const words = (): Words => ({
  now: t('function.now'),
  compared: (back) => (back === '1d' ? t('function.compareDay') : back === '7d' ? t('function.compareWeek') : back),
  outcome: (name) => t(`outcome.${name}`),
  value: (value) => value || t('dimension.none'),
});

/** What all charts of the page share. */
function useShared(props: ChartsProps) {
  const group = useMemo(cursorGroup, []);
  const { curves, zone, range, span, onSelect, onBack, name, markers } = props;
  const incompleteFrom = curves.complete_until;
  return { group, markers, zone, range, span, onSelect, onBack, time: curves.time, incompleteFrom, file: name.split('/') };
}

export function Charts(props: ChartsProps) {
  const { curves, by, thresholds, language } = props;
  const [withOk, setWithOk] = useState(false);
  const shared = useShared(props);
  // The words of a mark stand once; under them would lie the thresholds of the others.
  const unnamed = useMemo(() => shared.markers.map((marker) => ({ ...marker, label: '' })), [shared.markers]);
  const plain = { ...shared, markers: unnamed };
  const series = useMemo(() => {
    const told = words();
    return {
      qps: lines(curves, 'qps', by, told),
      // What was on other days would only hide where it fell below the limit.
      success: lines(curves, 'success_rate', by, told).filter((one) => !one.behind),
      latency: latencies(curves, by, told),
      outcomes: outcomes(curves, withOk, told),
      small: small(curves),
    };
  }, [curves, by, withOk, language]);
  const perSecond = t('function.perSecond');
  // The large charts are painted before the small ones, which lie lower, are drawn.
  const [painted, setPainted] = useState(false);
  useEffect(() => setPainted(true), []);
  return (
    <>
      <div class="charts large">
        <TimeChart {...shared} testid="chart-qps" title={t('function.chartQps')} unit={perSecond} format={qps} axisText={axisNumber} series={series.qps} height={200} />
        <TimeChart
          {...plain} testid="chart-success" title={t('function.chartSuccess')} unit={t('function.percent')} format={percent} axisText={axisPercent}
          series={series.success} thresholds={thresholds} scale="share" height={200}
        />
      </div>
      {props.places}
      {painted && <div class="charts small">
        <TimeChart {...plain} testid="chart-latency" title={t('function.chartLatency')} unit={t('function.milliseconds')} format={ms} axisText={axisNumber} series={series.latency} height={150} />
        <TimeChart
          {...plain} testid="chart-outcomes" title={t(withOk ? 'function.chartOutcomesAll' : 'function.chartOutcomes')} unit={perSecond}
          format={qps} axisText={axisNumber} series={series.outcomes} height={150}
        >
          <label class="switch"><input type="checkbox" checked={withOk} onChange={(event) => setWithOk(event.currentTarget.checked)} /> {t('function.withOk')}</label>
        </TimeChart>
        <TimeChart {...plain} testid="chart-small" title={t('function.chartSmall')} unit={perSecond} format={qps} axisText={axisNumber} series={series.small} height={150} />
      </div>}
    </>
  );
}

function small(curves: Curves): ChartSeries[] {
  return [
    { key: 'cold', label: t('function.cold'), values: whole(curves, 'cold_starts'), colour: '--series-1' },
    { key: 'limited', label: t('function.limited'), values: whole(curves, 'limited'), colour: '--series-2', dash: [8, 3] },
  ];
}

export const axisNumber = (value: number): string => String(Math.round(value * 100) / 100);

/** `99.5`: the unit stands in the caption. */
export function axisPercent(share: number): string {
  return String(Math.round(share * 10_000) / 100);
}
