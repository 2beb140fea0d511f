// The one chart of all pages: a figure with its caption, readable by eye, by keys, aloud and as a table.

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n';
import { ChartTable, saveCsv, savePicture } from './chart-table';
import type { CursorGroup } from './cursor';
import { pointLabel } from './instants';
import { type ChartSeries, type Marker, type Threshold, extent, moveCursor, nearest, newest } from './model';
import { type Drawing, type Plot, draw, isNamed } from './plot';
import { spoken as wordsNow, useTheme, useWidth } from './surroundings';

export interface TimeChartProps {
  testid?: string;
  title: string;
  /** The unit in words: `calls/s`. */
  unit: string;
  /** The window in words: `15 min`. */
  span: string;
  format(value: number | null): string;
  /** Shorter, for the axis; the same when not given. */
  axisText?(value: number): string;
  time: number[];
  series: ChartSeries[];
  thresholds?: Threshold[];
  markers?: Marker[];
  /** Unix seconds from which points may still change. */
  incompleteFrom?: number | null;
  zone: string;
  range: { from: number; to: number };
  scale?: 'count' | 'share';
  height?: number;
  group: CursorGroup;
  /** Begins the names of saved files. */
  file: string[];
  onSelect?(from: number, to: number): void;
  onBack?(): void;
  /** Switches beside the caption. */
  children?: ComponentChildren;
}

export function TimeChart(props: TimeChartProps) {
  const { title, unit, span, time, series, zone, group, format } = props;
  const id = useId();
  const [asTable, setAsTable] = useState(false);
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | undefined>(undefined);
  const width = useWidth(host);
  const { index, spoken, reading } = useReading(id, time, group, plot);
  usePlot(props, host, plot, width, id);
  const label = (place: number) => pointLabel(time[place], zone);
  const read = (place: number) =>
    [label(place), ...series.map((one) => `${one.label} ${format(one.values[place] ?? null)}`)].join(', ');
  const empty = extent(series.map((one) => one.values)) === null;
  const name = [...props.file, title];

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'Escape') {
      if (index !== null) group.set({ at: null, source: id, byKey: true });
      else props.onBack?.();
      return;
    }
    const to = moveCursor(index, event.key, time.length);
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    group.set({ at: time[to], source: id, byKey: true });
  };

  return (
    <figure class="chart" data-testid={props.testid} aria-labelledby={`${id}-caption`}>
      <figcaption id={`${id}-caption`}>
        <span class="chart-title">{title}</span> <span class="dim">{unit} · {span}</span>
        {!isNamed(width, series) && series.length > 1 && <Legend series={series} />}
      </figcaption>
      <div class="chart-tools">
        {props.children}
        <button type="button" class="plain" data-testid="view-as-table" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
          {t(asTable ? 'chart.asPicture' : 'chart.asTable')}
        </button>
        <button
          type="button" class="plain" data-testid="download-csv"
          onClick={() => saveCsv(name, { time: t('chart.time'), unit }, time, series, zone)}
        >CSV</button>
        <button
          type="button" class="plain" hidden={asTable}
          onClick={() => plot.current && savePicture(name, `${props.file.join('/')} · ${title} · ${unit} · ${span}`, plot.current.canvas(), devicePixelRatio)}
        >PNG</button>
      </div>
      <div
        class="chart-plot" tabIndex={0} role="group" hidden={asTable}
        aria-label={summary(props)} aria-describedby={`${id}-keys`} onKeyDown={onKeyDown}
        onBlur={() => group.now.source === id && group.now.byKey && group.set({ at: null, source: id, byKey: false })}
      >
        <div ref={host} class="chart-canvas" style={{ height: `${props.height ?? 180}px` }} />
        {empty && <p class="chart-empty dim">{t('chart.empty')}</p>}
        {reading && index !== null && plot.current && (
          <Reading left={plot.current.leftOf(index)} width={width} when={label(index)} incomplete={isIncomplete(props, index)} series={series} index={index} format={format} />
        )}
      </div>
      <p class="unseen" id={`${id}-keys`}>{t('chart.keys')}</p>
      <p class="unseen" aria-live="polite">{spoken && index !== null ? read(index) : ''}</p>
      {asTable && <ChartTable title={title} unit={unit} time={time} series={series} zone={zone} format={format} />}
    </figure>
  );
}

function isIncomplete(props: TimeChartProps, index: number): boolean {
  const from = props.incompleteFrom ?? null;
  return from !== null && props.time[index] >= from;
}

/** What somebody hears who cannot see the lines. */
function summary({ title, unit, span, series, format }: TimeChartProps): string {
  const main = series.find((one) => !one.behind);
  const range = main && extent([main.values]);
  const last = main && newest(main.values);
  if (!main || !range || !last) return t('chart.summaryEmpty', { title, unit, span });
  const params = { title, unit, span, series: main.label, newest: format(last.value), lowest: format(range[0]), highest: format(range[1]) };
  return t('chart.summary', params);
}

/** Where this chart's cursor stands, and whether it is the chart that is read. */
function useReading(id: string, time: number[], group: CursorGroup, plot: { current: Plot | undefined }) {
  const [at, setAt] = useState(group.now);
  const times = useRef(time);
  times.current = time;
  useEffect(() => group.follow((next) => {
    const place = next.at === null ? -1 : nearest(times.current, next.at);
    plot.current?.show(place < 0 ? null : place);
    // Only the chart that is read, or was until now, has anything to redraw.
    setAt((held) => (next.source === id || held.source === id ? next : held));
  }), [group, id]);
  const own = at.source === id && at.at !== null;
  const place = own ? nearest(time, at.at!) : -1;
  return { index: place < 0 ? null : place, reading: own, spoken: own && at.byKey };
}

/** Keeps the canvas: a new one for new series, colours or words, new values otherwise. */
function usePlot(
  props: TimeChartProps, host: { current: HTMLDivElement | null }, plot: { current: Plot | undefined }, width: number, id: string,
): void {
  const theme = useTheme();
  const newestProps = useRef(props);
  newestProps.current = props;
  const height = props.height ?? 180;
  const shape = props.series.map((one) => `${one.key}|${one.label}|${one.colour}`).join('\n');
  const drawn = width > 0;
  const named = isNamed(width, props.series);
  useLayoutEffect(() => {
    if (!host.current || !drawn) return;
    const { group } = props;
    const element = host.current;
    const made = draw(host.current, width, height, drawingOf(newestProps.current), {
      point(index) {
        // New data moves the cursor too; only the pointer chooses what is read.
        if (!element.matches(':hover') && index !== null) return;
        const time = newestProps.current.time;
        if (index !== null) group.set({ at: time[index], source: id, byKey: false });
        else if (group.now.source === id && !group.now.byKey) group.set({ at: null, source: id, byKey: false });
      },
      select: (from, to) => newestProps.current.onSelect?.(from, to),
      back: () => newestProps.current.onBack?.(),
    });
    plot.current = made;
    return () => {
      plot.current = undefined;
      made.destroy();
    };
  }, [drawn, named, shape, theme, wordsNow(), props.zone, props.scale]);
  useLayoutEffect(() => {
    plot.current?.update(drawingOf(props));
    const { at, byKey, source } = props.group.now;
    if (at !== null && (byKey || source !== id)) plot.current?.show(nearest(props.time, at));
  }, [props.time, props.series, props.range.from, props.range.to, props.markers, props.thresholds, props.incompleteFrom]);
  useLayoutEffect(() => plot.current?.resize(width, height), [width, height]);
}

function drawingOf(props: TimeChartProps): Drawing {
  return {
    time: props.time,
    series: props.series,
    thresholds: props.thresholds ?? [],
    markers: props.markers ?? [],
    incompleteFrom: props.incompleteFrom ?? null,
    zone: props.zone,
    range: props.range,
    scale: props.scale ?? 'count',
    axisText: props.axisText ?? props.format,
  };
}

function Legend({ series }: { series: ChartSeries[] }) {
  return (
    <span class="chart-legend">
      {series.map((one) => <span key={one.key} class="chart-name"><Swatch series={one} />{one.label}</span>)}
    </span>
  );
}

/** A piece of the line: its colour, dash and paleness. */
function Swatch({ series }: { series: ChartSeries }) {
  const colour = `var(${series.behind ? '--dim' : series.colour})`;
  return (
    <svg width="18" height="8" aria-hidden="true">
      {series.stack
        ? <rect width="18" height="8" style={{ fill: colour }} />
        : <line x1="0" x2="18" y1="4" y2="4" style={{ stroke: colour, strokeWidth: 2, strokeDasharray: series.dash?.join(' ') }} />}
    </svg>
  );
}

interface ReadingProps {
  left: number;
  width: number;
  when: string;
  incomplete: boolean;
  series: ChartSeries[];
  index: number;
  format(value: number | null): string;
}

/** The values under the cursor, on the side with more room. */
function Reading({ left, width, when, incomplete, series, index, format }: ReadingProps) {
  const side = left > width / 2 ? { right: `${width - left + 12}px` } : { left: `${left + 12}px` };
  return (
    <div class="chart-reading" style={side} aria-hidden="true">
      <p>{when}{incomplete && ` · ${t('chart.incomplete')}`}</p>
      {series.map((one) => (
        <p key={one.key}><Swatch series={one} /><span>{one.label}</span><b>{format(one.values[index] ?? null)}</b></p>
      ))}
    </div>
  );
}
