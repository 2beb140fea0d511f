// One incident: what, since when, who has it, what comes next, what happened.

import { useEffect, useState } from 'preact/hooks';
import { ApiError, get } from '../../api/client';
import { serverNow, useLive } from '../../api/live';
import type { Incident, IncidentList, IncidentShort } from '../../api/types';
import { pointLabel } from '../../chart/instants';
import { spoken } from '../../chart/surroundings';
import { t } from '../../i18n';
import { download, fileName } from '../../lib/csv';
import { StatusWord } from '../../lib/status';
import { formatAge, parseInstant } from '../../lib/time';
import { href, useView } from '../../lib/url';
import { Waiting } from '../trouble';
import { Actions } from './actions';
import { Around } from './around';
import { countdown } from './durations';
import { Alerts, Durations, Labels, Timeline, Told } from './parts';
import { report } from './report';

/** What nobody announced is seen after this long at the latest. */
const AGAIN_EVERY = 30_000;

interface News {
  short?: IncidentShort;
  whole?: Incident;
}

/** Follows one incident: the list announces a change, then the whole is read. */
function useIncident(id: string) {
  const path = `api/v1/incidents/${encodeURIComponent(id)}`;
  const live = useLive<News>({ stream: { topics: 'incidents' }, poll: { incident: path } }, (data, name, body) => {
    if (name === 'incidents') return { ...data, short: (body as IncidentList).incidents.find((one) => one.id === id) };
    return name === 'incident' ? { ...data, whole: body as Incident } : (data ?? {});
  });
  const [held, setHeld] = useState<Incident>();
  const [error, setError] = useState<ApiError>();
  // An answer that was on its way while somebody acted must not undo what is seen.
  const take = (incident: Incident) => setHeld((known) => (known && known.changed_at > incident.changed_at ? known : incident));
  const announced = live.data?.short?.changed_at;
  useEffect(() => {
    const stop = new AbortController();
    const read = () =>
      get<Incident>(path, stop.signal).then(
        (incident) => {
          take(incident);
          setError(undefined);
        },
        (cause) => cause instanceof ApiError && setError(cause),
      );
    void read();
    const timer = setInterval(() => document.hidden || void read(), AGAIN_EVERY);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [path, announced]);
  const polled = live.data?.whole;
  useEffect(() => {
    if (polled) take(polled);
  }, [polled]);
  return { incident: held, error, take, now: live.asOf === undefined ? serverNow() : live.asOf + live.age };
}

export default function IncidentPage({ id }: { id: string }) {
  const [view] = useView();
  const language = spoken();
  const { incident, error, take, now } = useIncident(id);
  useEffect(() => {
    document.title = incident ? `${incident.title} · Rampart` : 'Rampart';
  }, [incident?.title]);
  if (!incident) return error?.status === 404 ? <Unknown id={id} /> : <Waiting error={error} />;
  const zone = view.tz;
  return (
    <article class="incident">
      <Head incident={incident} zone={zone} now={now} />
      <Actions incident={incident} zone={zone} changed={take} />
      <Durations incident={incident} />
      <div class="incident-body">
        <div>
          <Timeline incident={incident} zone={zone} />
          <p><button type="button" class="plain" data-testid="export" onClick={() => save(incident, zone, now)}>{t('incident.export')}</button></p>
        </div>
        <div>
          <Told incident={incident} zone={zone} />
          {incident.function !== null && <Around incident={incident} zone={zone} language={language} />}
          <Alerts incident={incident} zone={zone} />
          <Labels incident={incident} />
        </div>
      </div>
    </article>
  );
}

function Head({ incident, zone, now }: { incident: Incident; zone: string; now: number }) {
  return (
    <header class={incident.status === 'resolved' ? 'incident-head over' : 'incident-head'}>
      <p class="dim">
        {t('incident.heading', { number: incident.number })}{' · '}
        <StatusWord status={incident.severity} />
        {incident.function !== null && <>{' · '}<a href={href(`f/${incident.function.split('/').map(encodeURIComponent).join('/')}`)}>{incident.function}</a></>}
        {incident.false_alarm && ` · ${t('incident.falseAlarm')}`}
      </p>
      <h1>{incident.title}</h1>
      <p class="standing">
        <StatusWord status={incident.status} /> {standing(incident, zone, now)}
      </p>
      {incident.status !== 'resolved' && <Next incident={incident} zone={zone} now={now} />}
    </header>
  );
}

/** Where it stands and since when, in a sentence. */
function standing(incident: Incident, zone: string, now: number): string {
  const at = (instant: string) => pointLabel(parseInstant(instant), zone);
  const since = (instant: string) => formatAge(now - parseInstant(instant), t);
  const { acknowledged, resolved } = incident;
  if (resolved) {
    const reason = resolved.reason === 'false_alarm' ? t('incident.reasonFalseAlarm') : resolved.reason;
    const lasted = formatAge(parseInstant(resolved.at) - parseInstant(incident.opened_at), t);
    const params = { at: at(resolved.at), lasted, reason, by: resolved.by ?? '' };
    return t(resolved.by === null ? 'incident.resolvedAt' : 'incident.resolvedBy', params);
  }
  if (acknowledged) return t('incident.ackSince', { by: acknowledged.by, at: at(acknowledged.at), age: since(acknowledged.at) });
  return t('incident.openSince', { at: at(incident.opened_at), age: since(incident.opened_at) });
}

/** What comes next if nobody does anything, counting down. */
function Next({ incident, zone, now }: { incident: Incident; zone: string; now: number }) {
  const { acknowledged, muted } = incident;
  if (muted) return <p data-testid="muted">{t('incident.mutedNow', { at: pointLabel(parseInstant(muted.since), zone), why: muted.why })}</p>;
  const left = countdown(incident.next_step_at, now);
  if (acknowledged) {
    const quiet = countdown(acknowledged.until, now);
    if (quiet === null) return null;
    const until = pointLabel(parseInstant(acknowledged.until!), zone);
    return <p>{t('incident.ackUntil', { at: until, left: formatAge(quiet, t) })}</p>;
  }
  return (
    <>
      {incident.reach === 'unreached' && <p class="status critical">{t('incident.unreachedNow')}</p>}
      <p class="countdown" data-testid="countdown">
        {left === null ? t('incident.noNextStep') : left === 0 ? t('incident.nextStepDue') : t('incident.nextStep', { left: formatAge(left, t) })}
      </p>
    </>
  );
}

function save(incident: Incident, zone: string, now: number): void {
  const instant = (at: string) => pointLabel(parseInstant(at), zone);
  const text = report(incident, { t, instant, now: pointLabel(now, zone) });
  download(fileName(['incident', String(incident.number), incident.title], 'md'), new Blob([text], { type: 'text/markdown;charset=utf-8' }));
}

function Unknown({ id }: { id: string }) {
  return (
    <section class="notice" data-testid="missing">
      <h1>{t('incident.unknown', { id })}</h1>
      <p>{t('incident.unknownHint')}</p>
      <p><a href={href('incidents')}>{t('incident.toList')}</a></p>
    </section>
  );
}
