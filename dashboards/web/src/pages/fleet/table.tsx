// The dense table: only the rows in sight are in the document, so ten thousand scroll as smoothly as ten.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { change, count, ms, percent, qps } from '../../lib/format';
import { StatusWord } from '../../lib/status';
import { formatInstant, parseInstant } from '../../lib/time';
import { href, type ViewState } from '../../lib/url';
import { Spark } from './spark';
import { visible, type Column, type Entry } from './order';

export const ROW = 32;
export const ROW_NARROW = 56;

interface Head {
  column: Column | 'pods' | 'curve';
  number: boolean;
}

const HEADS: Head[] = [
  { column: 'status', number: false },
  { column: 'function', number: false },
  { column: 'qps', number: true },
  { column: 'change', number: true },
  { column: 'success', number: true },
  { column: 'errors', number: true },
  { column: 'limited', number: true },
  { column: 'p99', number: true },
  { column: 'cold', number: true },
  { column: 'pods', number: true },
  { column: 'curve', number: false },
  { column: 'owner', number: false },
];

interface Props {
  rows: Entry[];
  view: ViewState;
  window: string;
  selected: number;
  select: (index: number) => void;
  sort: Column;
  direction: 'asc' | 'desc';
  onSort: (column: Column) => void;
}

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia('(max-width: 760px)').matches);
  useEffect(() => {
    const query = matchMedia('(max-width: 760px)');
    const look = () => setNarrow(query.matches);
    query.addEventListener('change', look);
    return () => query.removeEventListener('change', look);
  }, []);
  return narrow;
}

/** The rows in sight of the window. */
function useSight(rows: number, rowHeight: number) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [sight, setSight] = useState<[number, number]>([0, 40]);
  const look = () => {
    const top = body.current?.getBoundingClientRect().top ?? 0;
    const [first, last] = visible(-top, innerHeight, rowHeight, rows);
    setSight((now) => (now[0] === first && now[1] === last ? now : [first, last]));
  };
  useLayoutEffect(look, [rows, rowHeight]);
  useEffect(() => {
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [rows, rowHeight]);
  return { body, sight };
}

export function FleetTable(props: Props) {
  const narrow = useNarrow();
  const rowHeight = narrow ? ROW_NARROW : ROW;
  const { body, sight } = useSight(props.rows.length, rowHeight);
  const { selected } = props;
  useEffect(() => {
    if (selected < 0 || !body.current) return;
    const top = body.current.getBoundingClientRect().top + selected * rowHeight;
    if (top < 48) scrollBy(0, top - 48);
    else if (top + rowHeight > innerHeight) scrollBy(0, top + rowHeight - innerHeight + 8);
  }, [selected]);
  const [first, last] = sight;
  const space = (rows: number) => rows > 0 && <tr aria-hidden="true" class="space" style={{ height: `${rows * rowHeight}px` }} />;
  return (
    <table class={`fleet${narrow ? ' narrow' : ''}`} data-testid="fleet-table" aria-rowcount={props.rows.length + 1} aria-label={t('fleet.table', { window: props.window })}>
      {!narrow && <Heads {...props} />}
      <tbody ref={body}>
        {space(first)}
        {props.rows.slice(first, last).map((entry, at) => {
          const index = first + at;
          return narrow
            ? <NarrowRow key={entry.id} entry={entry} index={index} {...props} />
            : <WideRow key={entry.id} entry={entry} index={index} {...props} />;
        })}
        {space(props.rows.length - last)}
      </tbody>
    </table>
  );
}

function Heads({ sort, direction, onSort }: Props) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {HEADS.map(({ column, number }) => {
          const own = sort === column;
          const sortable = column !== 'pods' && column !== 'curve';
          return (
            <th key={column} scope="col" class={`${column}${number ? ' number' : ''}`} aria-sort={own ? (direction === 'asc' ? 'ascending' : 'descending') : undefined}>
              {sortable
                ? <button class="head" onClick={() => onSort(column)}>{t(`fleet.${column}`)}{own && <span aria-hidden="true">{direction === 'asc' ? ' ↑' : ' ↓'}</span>}</button>
                : t(`fleet.${column}`)}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function link(entry: Entry): string {
  return href(`f/${encodeURIComponent(entry.row.namespace)}/${encodeURIComponent(entry.row.function)}`);
}

function since(entry: Entry, view: ViewState): string | undefined {
  const { since: at } = entry.row;
  return at === null ? undefined : t('fleet.since', { at: formatInstant(parseInstant(at), view.tz, 'full') });
}

type RowProps = Props & { entry: Entry; index: number };

function Curve({ entry, window }: { entry: Entry; window: string }) {
  const { spark, spark_errors: failed, errors } = entry.row;
  if (!spark) return null;
  const label = t('fleet.spark', { window, least: Math.min(...spark), most: Math.max(...spark), errors });
  return <Spark calls={spark} errors={failed} label={label} />;
}

function WideRow({ entry, index, view, window, selected, select }: RowProps) {
  const { row } = entry;
  const trouble = row.errors > 0 && (row.status === 'critical' || row.status === 'warning');
  return (
    <tr data-testid="fleet-row" aria-rowindex={index + 2} aria-selected={selected === index} class={selected === index ? 'selected' : ''} onClick={() => select(index)}>
      <td class="status-cell" title={since(entry, view)}><StatusWord status={row.status} /></td>
      <td class="function" title={entry.id}><a href={link(entry)}><span class="dim">{row.namespace}/</span>{row.function}</a></td>
      <td class="number">{qps(row.qps)}</td>
      <td class="number dim">{change(row.qps, row.qps_before)}</td>
      <td class={`number${trouble ? ' bad' : ''}`}>{percent(row.success_rate)}</td>
      <td class={`number${trouble ? ' bad' : ''}`}>{count(row.errors)}</td>
      <td class="number">{count(row.limited)}</td>
      <td class="number">{ms(row.p99_ms)}</td>
      <td class="number">{row.calls > 0 ? percent(row.cold_starts / row.calls, 1) : '–'}</td>
      <td class="number dim">{row.pods === null ? '–' : count(row.pods)}</td>
      <td><Curve entry={entry} window={window} /></td>
      <td class="owner dim">{row.owner ?? t('fleet.noOwner')}</td>
    </tr>
  );
}

function NarrowRow({ entry, index, window, selected, select }: RowProps) {
  const { row } = entry;
  return (
    <tr data-testid="fleet-row" aria-rowindex={index + 2} aria-selected={selected === index} class={selected === index ? 'selected' : ''} onClick={() => select(index)}>
      <td>
        <a class="line" href={link(entry)}><span class="name"><span class="dim">{row.namespace}/</span>{row.function}</span><StatusWord status={row.status} /></a>
        <span class="line dim"><span>{qps(row.qps)} QPS · {percent(row.success_rate)} · {ms(row.p99_ms)}</span><Curve entry={entry} window={window} /></span>
      </td>
    </tr>
  );
}
