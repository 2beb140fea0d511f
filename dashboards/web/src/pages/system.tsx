// How Rampart itself is doing: where rows come from and how late they are, what the tables hold.

import { useEffect } from 'preact/hooks';
import { useLive } from '../api/live';
import type { SourceStatus, System } from '../api/types';
import { t } from '../i18n';
import { bytes, count } from '../lib/format';
import { StatusWord } from '../lib/status';
import { formatAge, formatInstant, parseInstant } from '../lib/time';
import { useView } from '../lib/url';
import { Waiting } from './trouble';

const REQUEST = { poll: { system: 'api/v1/system' } };

export function SystemPage() {
  const live = useLive<System>(REQUEST, (_, name, body) => (name === 'system' ? (body as System) : undefined));
  const [view] = useView();
  useEffect(() => {
    document.title = `${t('system.title')} · Rampart`;
  });
  const system = live.data;
  if (!system) return <Waiting error={live.error} />;
  const at = (text: string | null) => (text === null ? t('system.never') : formatInstant(parseInstant(text), view.tz, 'full'));
  return (
    <>
      <h1>{t('system.title')}</h1>
      <Verdict system={system} at={at} />
      <h2>{t('system.sources')}</h2>
      <Sources sources={system.sources} at={at} />
      <h2>{t('system.tables')}</h2>
      <Tables system={system} />
      <h2>{t('system.store')}</h2>
      <StoreFacts system={system} at={at} />
    </>
  );
}

type At = (text: string | null) => string;

function Verdict({ system, at }: { system: System; at: At }) {
  const { mode, rules } = system;
  const trouble = system.trouble ?? system.store.stopped_because;
  const running = parseInstant(system.as_of) - parseInstant(system.started_at);
  return (
    <>
      {trouble === null
        ? <p>{t('system.well', { version: system.version })}</p>
        : <p class="status critical" role="alert">{t('system.trouble', { trouble })}</p>}
      <p class="dim">
        {t('system.up', { age: formatAge(running, t), at: at(system.started_at) })}
        {' · '}
        {t('system.mode', { mode: mode.mode, by: mode.by })}
        {mode.until !== null && ` ${t('system.modeUntil', { at: at(mode.until) })}`}
        {' · '}
        {t('system.watched', { functions: count(system.functions), rules: count(rules.count) })}
      </p>
      {rules.failing > 0 && <p class="status warning">{t('system.rulesFailing', { n: rules.failing })}</p>}
      {rules.ticks_missed > 0 && <p class="dim">{t('system.ticksMissed', { n: count(rules.ticks_missed) })}</p>}
    </>
  );
}

function Sources({ sources, at }: { sources: SourceStatus[]; at: At }) {
  if (sources.length === 0) return <p class="dim">{t('system.noSources')}</p>;
  return (
    <div class="wide-table">
      <table>
        <thead>
          <tr>
            <th>{t('system.source')}</th>
            <th>{t('system.state')}</th>
            <th class="number">{t('system.rows')}</th>
            <th class="number">{t('system.rejected')}</th>
            <th class="number">{t('system.lag')}</th>
            <th>{t('system.complete')}</th>
            <th>{t('system.last')}</th>
          </tr>
        </thead>
        <tbody>
          {sources.map((source) => {
            const refused = Object.entries(source.rejected);
            const late = source.completeness !== null && source.completeness < 1;
            return (
              <tr key={source.name} data-testid="source-row">
                <td>{source.name} <span class="dim">{source.kind}, {source.format}</span></td>
                <td>
                  <StatusWord status={source.state} />
                  {source.last_error !== '' && <div class="small">{source.last_error}</div>}
                </td>
                <td class="number">{count(source.rows)}</td>
                <td class="number" title={refused.map(([reason, n]) => `${reason}: ${n}`).join('\n')}>{count(refused.reduce((sum, [, n]) => sum + n, 0))}</td>
                <td class={`number${late ? ' status warning' : ''}`}>{source.lag_seconds === null ? '–' : formatAge(source.lag_seconds, t)}</td>
                <td>{source.watermark === null ? <span class="dim">{t('system.unknown')}</span> : at(source.watermark)}</td>
                <td>{at(source.last_seen)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Tables({ system }: { system: System }) {
  return (
    <div class="wide-table">
      <table>
        <thead>
          <tr>
            <th>{t('system.table')}</th>
            <th class="number">{t('system.memoryRows')}</th>
            <th class="number">{t('system.fileRows')}</th>
            <th class="number">{t('system.fileBytes')}</th>
            <th class="number">{t('system.files')}</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(system.store.tables).map(([name, table]) => (
            <tr key={name}>
              <td>{name}</td>
              <td class="number">{count(table.memory_rows)}</td>
              <td class="number">{count(table.file_rows)}</td>
              <td class="number">{bytes(table.file_bytes)}</td>
              <td class="number">{count(table.files)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function StoreFacts({ system, at }: { system: System; at: At }) {
  const { store } = system;
  const { rollups } = store;
  const facts: [string, string][] = [
    [t('system.memory'), t('system.of', { part: bytes(store.memory_bytes), whole: bytes(store.memory_bytes_max) })],
    [t('system.log'), t('system.segments', { bytes: bytes(store.wal_bytes), n: count(store.wal_segments) })],
    [t('system.queue'), count(store.queue_rows)],
    [t('system.flush'), at(store.last_flush)],
    [t('system.odd'), t('system.oddWhat', { late: count(rollups.late_rows), future: count(rollups.future_rows), other: count(rollups.other_rows) })],
  ];
  return (
    <table>
      <tbody>
        {facts.map(([name, value]) => <tr key={name}><th scope="row">{name}</th><td>{value}</td></tr>)}
      </tbody>
    </table>
  );
}
