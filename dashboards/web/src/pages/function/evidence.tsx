// What fires, what explains the failures, and the latest calls that failed.

import type { Explanation, FiringAlert, Located } from '../../api/types';
import { pointLabel } from '../../chart/instants';
import { t } from '../../i18n';
import { count, ms, percent } from '../../lib/format';
import { StatusWord } from '../../lib/status';
import { formatAge, parseInstant } from '../../lib/time';
import { href } from '../../lib/url';

export function Alerts({ alerts, zone, now }: { alerts: FiringAlert[]; zone: string; now: number }) {
  return (
    <section aria-labelledby="function-alerts">
      <h2 id="function-alerts">{t('function.alerts')}</h2>
      {alerts.length === 0 && <p class="dim">{t('function.noAlerts')}</p>}
      <ul class="rows">
        {alerts.map((alert) => {
          const since = parseInstant(alert.since);
          return (
            <li key={`${alert.rule}|${JSON.stringify(alert.labels)}`}>
              <StatusWord status={alert.severity} />{' '}
              <b>{alert.rule}</b> {alert.summary}{' '}
              <span class="dim">{t('function.alertSince', { at: pointLabel(since, zone), age: formatAge(now - since, t) })}</span>{' '}
              <a href={`${href('rules')}#${encodeURIComponent(alert.rule)}`}>{t('function.toRule')}</a>
              {alert.incident !== null && <>{' '}<a href={href(`incidents/${encodeURIComponent(alert.incident)}`)}>{t('function.toIncident')}</a></>}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

export function Explanations({ explanations, failures, window }: { explanations: Explanation[]; failures: number; window: string }) {
  return (
    <section aria-labelledby="function-explanations">
      <h2 id="function-explanations">{t('function.explanations')}</h2>
      {explanations.length === 0 && (
        <p class="dim">{failures === 0 ? t('function.noFailures', { window }) : t('function.noExplanations')}</p>
      )}
      <ul class="rows">
        {explanations.map((one) => (
          <li key={`${one.dimension}|${one.value}`}>
            {t(`dimension.${one.dimension}`)} <b>{one.value}</b>:{' '}
            {[
              t('function.explained', { share: percent(one.failures_share, 0) }) + ` (${count(one.failures)})`,
              one.calls_share !== null && t('function.explainedCalls', { share: percent(one.calls_share, 0) }),
              one.success_rate !== null && t('function.explainedSuccess', { share: percent(one.success_rate) }),
            ].filter(Boolean).join(', ')}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Samples({ samples, zone, window }: { samples: Located['samples']; zone: string; window: string }) {
  const headings = ['sampleTime', 'sampleOutcome', 'sampleDuration', 'sampleError', 'sampleStatus', 'sampleWhere', 'sampleRequest'] as const;
  return (
    <section aria-labelledby="function-samples">
      <h2 id="function-samples">{t('function.samples')}</h2>
      {samples.length === 0 && <p class="dim">{t('function.noSamples', { window })}</p>}
      {samples.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label={t('function.samples')}>
          <table>
            <thead><tr>{headings.map((name) => <th key={name} scope="col">{t(`function.${name}`)}</th>)}</tr></thead>
            <tbody>
              {samples.map((call, index) => (
                <tr key={call.request_id ?? index}>
                  <th scope="row">{pointLabel(parseInstant(call.ts), zone)}</th>
                  <td>{t(`outcome.${call.outcome}`)}</td>
                  <td class="number">{ms(call.duration_ms)}</td>
                  <td class="message">{call.error_type ?? '–'}</td>
                  <td class="number">{call.http_status ?? '–'}</td>
                  <td>{[call.unit, call.version, call.zone, call.instance].map((value) => value ?? '–').join(' / ')}</td>
                  <td class="id">{call.request_id ?? '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
