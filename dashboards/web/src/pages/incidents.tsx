// All incidents: what needs somebody first, then what somebody has, then what is over.

import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { serverNow, useLive } from '../api/live';
import type { IncidentList, IncidentShort } from '../api/types';
import { pointLabel } from '../chart/instants';
import { t } from '../i18n';
import { StatusWord } from '../lib/status';
import { formatAge, parseInstant } from '../lib/time';
import { href, useView } from '../lib/url';
import { isTyping } from './keys';
import { Waiting } from './trouble';

const STATUSES = ['open', 'acknowledged', 'resolved'] as const;
const SHOWN_MOST = 100;

/** Open ones first, then acknowledged, then resolved; in each the newest first. */
export function ordered(incidents: readonly IncidentShort[]): IncidentShort[] {
  const rank = (incident: IncidentShort) => STATUSES.indexOf(incident.status);
  return [...incidents].sort((a, b) => rank(a) - rank(b) || parseInstant(b.opened_at) - parseInstant(a.opened_at));
}

/** Whether every word of `text` stands somewhere in the incident. */
export function matches(incident: IncidentShort, text: string): boolean {
  const held = [incident.title, incident.function, incident.id, `#${incident.number}`, incident.acknowledged?.by, incident.severity, ...Object.values(incident.labels)];
  const all = held.filter(Boolean).join(' ').toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

export default function IncidentsPage() {
  const [view, change] = useView();
  const live = useLive<IncidentList>(
    { stream: { topics: 'incidents' }, poll: { incidents: `api/v1/incidents?limit=${SHOWN_MOST}` } },
    (data, name, body) => (name === 'incidents' ? (body as IncidentList) : data),
  );
  useEffect(() => {
    document.title = `${t('incidents.title')} · Rampart`;
  }, [view.lang]);
  const filter = useRef<HTMLInputElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  useKeys(filter, body);
  if (!live.data) return <Waiting error={live.error} />;
  const all = live.data.incidents;
  const status = STATUSES.find((one) => one === view.status);
  const shown = ordered(all.filter((one) => (!status || one.status === status) && matches(one, view.q)));
  const now = live.asOf === undefined ? serverNow() : live.asOf + live.age;
  return (
    <section class="incidents">
      <header class="function-head">
        <h1>{t('incidents.title')} <small class="dim">{t('incidents.count', { shown: shown.length, all: all.length })}</small></h1>
        <div class="controls">
          <div role="group" aria-label={t('incidents.columnStatus')}>
            {['', ...STATUSES].map((one) => (
              <button key={one} type="button" class="choice" aria-pressed={(status ?? '') === one} onClick={() => change({ status: one })}>
                {one === '' ? t('incidents.all') : t(`status.${one}`)} {all.filter((incident) => one === '' || incident.status === one).length}
              </button>
            ))}
          </div>
          <input
            ref={filter} type="search" data-testid="filter" aria-label={t('incidents.filter')} placeholder={t('incidents.filter')}
            value={view.q} onInput={(event) => change({ q: event.currentTarget.value })}
          />
        </div>
      </header>
      {shown.length === 0 && <Empty any={all.length > 0} status={status} text={view.q} all={() => change({ status: '', q: '' })} />}
      {shown.length > 0 && <Table incidents={shown} zone={view.tz} now={now} body={body} />}
      {all.length >= SHOWN_MOST && <p class="dim">{t('incidents.limit', { count: SHOWN_MOST })}</p>}
    </section>
  );
}

function Empty({ any, status, text, all }: { any: boolean; status: string | undefined; text: string; all(): void }) {
  if (!any) return <p class="notice" data-testid="empty">{t('incidents.none')}</p>;
  return (
    <p class="notice" data-testid="empty">
      {text !== '' ? t('incidents.noMatch', { text }) : t('incidents.noneOf', { status: t(`status.${status}`) })}{' '}
      <button type="button" class="plain" onClick={all}>{t('incidents.showAll')}</button>
    </p>
  );
}

interface TableProps {
  incidents: IncidentShort[];
  zone: string;
  now: number;
  body: { current: HTMLTableSectionElement | null };
}

function Table({ incidents, zone, now, body }: TableProps) {
  const columns = ['Status', 'What', 'Function', 'Since', 'Lasted', 'Who', 'Reach'];
  return (
    <table class="incidents">
      <thead><tr>{columns.map((name) => <th key={name} scope="col">{t(`incidents.column${name}`)}</th>)}</tr></thead>
      <tbody ref={body}>
        {incidents.map((incident) => {
          const opened = parseInstant(incident.opened_at);
          const end = incident.resolved ? parseInstant(incident.resolved.at) : now;
          return (
            <tr key={incident.id} class={incident.status === 'resolved' ? 'over' : undefined} data-testid="incident-row" data-status={incident.status}>
              <td><StatusWord status={incident.status} />{incident.false_alarm && <small class="dim"> {t('incident.falseAlarm')}</small>}</td>
              <th scope="row" class="what">
                <StatusWord status={incident.severity} /> <a href={href(`incidents/${encodeURIComponent(incident.id)}`)}>{incident.title}</a> <span class="dim">#{incident.number}</span>
              </th>
              <td>{incident.function !== null && <a href={href(`f/${incident.function.split('/').map(encodeURIComponent).join('/')}`)}>{incident.function}</a>}</td>
              <td class="dim">{pointLabel(opened, zone)}</td>
              <td>{formatAge(end - opened, t)}</td>
              <td>{who(incident)}</td>
              <td><Reach incident={incident} /></td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** Who has it, or who ended it. */
function who(incident: IncidentShort): string {
  if (incident.resolved) return incident.resolved.by ?? incident.acknowledged?.by ?? t('incident.itself');
  return incident.acknowledged?.by ?? t('incident.nobody');
}

function Reach({ incident }: { incident: IncidentShort }) {
  const alarming = incident.reach === 'unreached' && incident.status === 'open';
  return <span class={alarming ? 'status critical' : 'dim'}>{t(`incident.${incident.reach}`)}</span>;
}

/** `/` goes to the filter, `j` and `k` move through the rows, Enter follows the link that has the focus. */
function useKeys(filter: { current: HTMLInputElement | null }, body: { current: HTMLTableSectionElement | null }): void {
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTyping(event) || event.metaKey || event.ctrlKey || event.altKey) return;
      if (event.key === '/') {
        event.preventDefault();
        filter.current?.focus();
      }
      const step = event.key === 'j' ? 1 : event.key === 'k' ? -1 : 0;
      if (step === 0) return;
      const links = [...(body.current?.querySelectorAll<HTMLAnchorElement>('.what a') ?? [])];
      const at = links.findIndex((link) => link === document.activeElement);
      links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}
