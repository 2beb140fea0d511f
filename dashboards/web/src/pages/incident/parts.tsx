// The parts of an incident's page that only show.

import type { Incident } from '../../api/types';
import { pointLabel } from '../../chart/instants';
import { t } from '../../i18n';
import { StatusWord } from '../../lib/status';
import { parseInstant } from '../../lib/time';
import { durations, folded, offset } from './durations';

const KINDS = {
  condition: ['◆', 'incident.kindCondition'],
  routed: ['→', 'incident.kindRouted'],
  step: ['↑', 'incident.kindStep'],
  delivery: ['✉', 'incident.kindDelivery'],
  acknowledged: ['✓', 'incident.kindAcknowledged'],
  reopened: ['↻', 'incident.kindReopened'],
  resolved: ['■', 'incident.kindResolved'],
  muted: ['∅', 'incident.kindMuted'],
  note: ['✎', 'incident.kindNote'],
} as const;

interface PartProps {
  incident: Incident;
  zone: string;
}

/** What happened, in order, with the instant and how long after the opening. */
export function Timeline({ incident, zone }: PartProps) {
  return (
    <section aria-labelledby="incident-timeline">
      <h2 id="incident-timeline">{t('incident.timeline')}</h2>
      <ol class="timeline" data-testid="timeline">
        {folded(incident.timeline).map(({ entry, times }) => {
          const [icon, word] = KINDS[entry.kind] ?? KINDS.note;
          return (
            <li key={entry.sequence} class={entry.kind}>
              <span class="kind"><span aria-hidden="true">{icon}</span> {t(word)}</span>
              <time dateTime={entry.at}>{pointLabel(parseInstant(entry.at), zone)}</time>
              <span class="offset number">{offset(entry.at, incident.opened_at)}</span>
              <span class="text">{entry.text}{times > 1 && <span class="dim"> · {t('incident.times', { count: String(times) })}</span>}</span>
            </li>
          );
        })}
      </ol>
      {incident.timeline_left_out > 0 && <p class="dim">{t('incident.leftOut', { count: String(incident.timeline_left_out) })}</p>}
    </section>
  );
}

/** Seconds of each part. */
export function Durations({ incident }: { incident: Incident }) {
  const took = durations(incident);
  const parts = [
    ['incident.noticed', 'incident.noticedHint', took.noticed],
    ['incident.told', 'incident.toldHint', took.told],
    ['incident.acknowledgedIn', 'incident.acknowledgedHint', took.acknowledged],
    ['incident.resolvedIn', 'incident.resolvedHint', took.resolved],
  ] as const;
  return (
    <dl class="numbers" aria-label={t('incident.durations')}>
      {parts.map(([name, hint, value]) => (
        <div key={name}>
          <dt>{t(name)}</dt>
          <dd>
            {value === null ? <span class="dim none">{t('incident.notYet')}</span> : <b>{t('incident.seconds', { seconds: value.toFixed(1) })}</b>}
            <span class="dim">{t(hint)}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** By which way whom, when, and whether the provider took it. */
export function Told({ incident, zone }: PartProps) {
  const to = incident.destination && Object.entries(incident.destination).map(([kind, name]) => `${kind} ${name}`).join(', ');
  return (
    <section aria-labelledby="incident-told">
      <h2 id="incident-told">{t('incident.toldHow')}</h2>
      {incident.told.length === 0 && <p class="dim">{t('incident.toldNobody')}</p>}
      {incident.told.length > 0 && (
        <table>
          <thead><tr><th scope="col">{t('incident.toldWay')}</th><th scope="col">{t('incident.toldAt')}</th><th scope="col">{t('incident.toldCertain')}</th></tr></thead>
          <tbody>
            {incident.told.map((one) => (
              <tr key={one.name}>
                <th scope="row">{one.name}</th>
                <td>{pointLabel(parseInstant(one.at), zone)}</td>
                <td>{t(one.certain ? 'incident.certain' : 'incident.uncertain')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {to && <p class="dim">{t('incident.goesTo', { to })}</p>}
    </section>
  );
}

export function Labels({ incident }: { incident: Incident }) {
  return (
    <section aria-labelledby="incident-labels">
      <h2 id="incident-labels">{t('incident.labels')}</h2>
      <dl class="labels">
        {Object.entries(incident.labels).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      </dl>
    </section>
  );
}

export function Alerts({ incident, zone }: PartProps) {
  const { alerts, alerts_firing: firing, alerts_total: total } = incident;
  const shared = new Set(Object.entries(incident.labels).map(([name, value]) => `${name}=${value}`));
  return (
    <section aria-labelledby="incident-alerts">
      <h2 id="incident-alerts">{t('incident.alerts')} <small>{t('incident.alertsCount', { firing: String(firing), total: String(total) })}</small></h2>
      <ul class="rows">
        {alerts.map((alert) => {
          // What all alerts share stands under "Labels" already.
          const own = Object.entries(alert.labels).filter(([name, value]) => !shared.has(`${name}=${value}`));
          const ended = alert.ends_at !== null && ` ${t('incident.alertEnd')} ${pointLabel(parseInstant(alert.ends_at), zone)}`;
          return (
            <li key={alert.fingerprint}>
              {alert.status === 'firing' ? <StatusWord status={alert.severity} /> : <span class="dim">{t('incident.alertResolved')}</span>}{' '}
              <b>{alert.labels.alertname}</b> {own.map(([name, value]) => `${name}=${value}`).join(' ')} {alert.annotations.summary}{' '}
              <span class="dim">{t('incident.alertSince')} {pointLabel(parseInstant(alert.starts_at), zone)}{ended}</span>
            </li>
          );
        })}
      </ul>
      {total > alerts.length && <p class="dim">{t('incident.alertsMore', { count: String(total - alerts.length) })}</p>}
    </section>
  );
}
