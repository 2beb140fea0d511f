// Every function at a glance: trouble on top, the rest nearly without colour.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useLive } from '../../api/live';
import type { FunctionList, IncidentList, IncidentShort } from '../../api/types';
import { t } from '../../i18n';
import { count, percent, qps } from '../../lib/format';
import { ORDER, StatusWord } from '../../lib/status';
import { formatInstant, parseInstant } from '../../lib/time';
import { go, href, useView, type ViewState } from '../../lib/url';
import { isTyping } from '../keys';
import { Waiting } from '../trouble';
import { Empty } from './empty';
import { COLUMNS, entries, matching, sorted, type Column, type Entry } from './order';
import { FleetTable } from './table';

interface Fleet {
  list?: FunctionList;
  incidents?: IncidentShort[];
}

const PARTS = '30';

function take(fleet: Fleet | undefined, name: string, body: unknown): Fleet | undefined {
  if (name === 'functions') return { ...fleet, list: body as FunctionList };
  if (name === 'incidents') return { ...fleet, incidents: (body as IncidentList).incidents };
  return fleet;
}

/** Ranges that counts per second reach back to. */
function near(range: string): string {
  return range === '5m' || range === '15m' ? range : '15m';
}

export function FleetPage() {
  const [view, change] = useView();
  const range = near(view.range);
  const asked: Record<string, string> = { range, compare: '7d', spark: PARTS };
  if (view.owner) asked.owner = view.owner;
  const live = useLive<Fleet>(
    {
      stream: { topics: 'functions,incidents', ...asked },
      poll: { functions: `api/v1/functions?${new URLSearchParams(asked)}`, incidents: 'api/v1/incidents?limit=100' },
    },
    take,
  );
  useEffect(() => {
    document.title = `${t('fleet.title')} · Rampart`;
  });
  const list = live.data?.list;
  if (!list) return <Waiting error={live.error} />;
  const open = (live.data?.incidents ?? []).filter((incident) => incident.status !== 'resolved');
  return (
    <>
      <Strip incidents={open} view={view} />
      {list.total === 0 ? <Empty /> : <Functions list={list} view={view} change={change} />}
    </>
  );
}

/** Open and acknowledged incidents, above everything. */
function Strip({ incidents, view }: { incidents: IncidentShort[]; view: ViewState }) {
  if (incidents.length === 0) return null;
  return (
    <ul class="strip" data-testid="incident-strip" aria-label={t('fleet.incidents')}>
      {incidents.slice(0, 5).map((incident) => (
        <li key={incident.id}>
          <StatusWord status={incident.status} />{' '}
          <a href={href(`incidents/${encodeURIComponent(incident.id)}`)}>{incident.title}</a>{' '}
          <span class="dim">
            {t('fleet.since', { at: formatInstant(parseInstant(incident.opened_at), view.tz, 'seconds') })}
            {' · '}
            {incident.acknowledged ? t('fleet.heldBy', { name: incident.acknowledged.by }) : t('fleet.nobody')}
          </span>
        </li>
      ))}
    </ul>
  );
}

type Change = (patch: Partial<ViewState>) => void;

function Functions({ list, view, change }: { list: FunctionList; view: ViewState; change: Change }) {
  const all = useMemo(() => entries(list.functions), [list]);
  const sort = COLUMNS.find((column) => column === view.sort) ?? 'status';
  const rows = useMemo(() => sorted(matching(all, view.q, view.status), sort, view.dir), [all, view.q, view.status, sort, view.dir]);
  const [selected, select] = useSelection(rows);
  const onSort = (column: Column) => {
    const natural = column === 'function' || column === 'owner' ? 'asc' : 'desc';
    change({ sort: column, dir: sort === column ? (view.dir === 'asc' ? 'desc' : 'asc') : natural });
  };
  return (
    <>
      <Summary list={list} all={all} view={view} />
      <Tools all={all} filter={view.q} type={(q) => change({ q })} view={view} change={change} shown={rows.length} />
      <FleetTable rows={rows} view={view} window={t(`shell.range.${near(view.range)}`)} selected={selected} select={select} sort={sort} direction={view.dir} onSort={onSort} />
      {rows.length === 0 && (
        <p class="dim">
          {t('fleet.none', { clear: '' })} <button onClick={() => change({ q: '', status: '', owner: '' })}>{t('fleet.clear')}</button>
        </p>
      )}
    </>
  );
}

/** j and k move, Enter opens. The selected function stays selected when the order changes. */
function useSelection(rows: Entry[]): [number, (index: number) => void] {
  const [id, setId] = useState('');
  const index = id === '' ? -1 : rows.findIndex((entry) => entry.id === id);
  const latest = useRef({ rows, index });
  latest.current = { rows, index };
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTyping(event) || event.metaKey || event.ctrlKey || event.altKey) return;
      const now = latest.current;
      const step = event.key === 'j' ? 1 : event.key === 'k' ? -1 : 0;
      if (step !== 0) {
        const next = now.rows[Math.min(now.rows.length - 1, Math.max(0, now.index + step))];
        if (next) setId(next.id);
      }
      const chosen = now.rows[now.index];
      const onControl = (event.target as Element | null)?.closest?.('a, button, dialog');
      if (event.key === 'Enter' && chosen && !onControl) {
        go(href(`f/${encodeURIComponent(chosen.row.namespace)}/${encodeURIComponent(chosen.row.function)}`));
      }
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
  return [index, (at) => setId(rows[at]?.id ?? '')];
}

function Summary({ list, all, view }: { list: FunctionList; all: Entry[]; view: ViewState }) {
  let calls = 0;
  let errors = 0;
  let counted = 0;
  for (const { row } of all) {
    calls += row.qps;
    errors += row.errors;
    if (row.success_rate !== null) counted += row.success_rate < 1 ? row.errors / (1 - row.success_rate) : row.calls - row.limited;
  }
  const success = percent(counted > 0 ? 1 - errors / counted : null);
  const key = view.owner ? 'fleet.sumOwned' : 'fleet.sum';
  return (
    <>
      <h1 class="unseen">{t('fleet.title')}</h1>
      <p class="sum">{t(key, { n: count(list.functions.length), total: count(list.total), qps: qps(calls), success, window: t(`shell.range.${near(view.range)}`) })}</p>
      {list.completeness !== null && list.completeness < 1 && <p class="status warning">{t('fleet.late', { share: percent(list.completeness, 0) })}</p>}
    </>
  );
}

interface ToolsProps {
  all: Entry[];
  filter: string;
  type: (text: string) => void;
  view: ViewState;
  change: Change;
  shown: number;
}

function Tools({ all, filter, type, view, change, shown }: ToolsProps) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== '/' || isTyping(event)) return;
      event.preventDefault();
      field.current?.focus();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
  const counts = useMemo(() => {
    const found = new Map<string, number>();
    for (const { row } of all) found.set(row.status, (found.get(row.status) ?? 0) + 1);
    return found;
  }, [all]);
  const owners = useMemo(() => [...new Set(all.map(({ row }) => row.owner).filter((owner) => owner !== null))].sort(), [all]);
  const known = view.owner && !owners.includes(view.owner) ? [...owners, view.owner] : owners;
  return (
    <div class="tools">
      <input ref={field} type="search" data-testid="filter" aria-label={t('fleet.filter')} placeholder={`${t('fleet.filter')}  /`} value={filter} onInput={(event) => type(event.currentTarget.value)} />
      <span class="chips" role="group" aria-label={t('fleet.status')}>
        <button aria-pressed={view.status === ''} onClick={() => change({ status: '' })}>{t('fleet.all')} {count(all.length)}</button>
        {ORDER.filter((status) => counts.has(status) || status === view.status).map((status) => (
          <button key={status} aria-pressed={view.status === status} onClick={() => change({ status: view.status === status ? '' : status })}>
            <StatusWord status={status} /> {count(counts.get(status) ?? 0)}
          </button>
        ))}
      </span>
      {known.length > 0 && (
        <select aria-label={t('fleet.owner')} value={view.owner} onChange={(event) => change({ owner: event.currentTarget.value })}>
          <option value="">{t('fleet.anyOwner')}</option>
          {known.map((owner) => <option key={owner} value={owner}>{owner}</option>)}
        </select>
      )}
      <span class="unseen" aria-live="polite">{t('fleet.shown', { n: shown })}</span>
    </div>
  );
}
