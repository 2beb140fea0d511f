// What a person does about an incident. Doing it twice is harmless, and says who was first.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ApiError, post } from '../../api/client';
import type { Incident } from '../../api/types';
import { pointLabel } from '../../chart/instants';
import { t } from '../../i18n';
import { parseInstant } from '../../lib/time';
import { isTyping } from '../keys';

const SNOOZES = ['15m', '30m', '1h', '2h', '8h'];

interface ActionsProps {
  incident: Incident;
  zone: string;
  /** The incident as it stands after the act. */
  changed(incident: Incident): void;
}

type Act = (verb: string, body: unknown, said: (before: Incident, after: Incident) => string) => Promise<boolean>;

export function Actions({ incident, zone, changed }: ActionsProps) {
  const [acting, setActing] = useState(false);
  const [said, setSaid] = useState('');
  const [resolving, setResolving] = useState(false);
  const [noting, setNoting] = useState(false);
  const at = (instant: string) => pointLabel(parseInstant(instant), zone);
  const act: Act = async (verb, body, words) => {
    if (acting) return false;
    setActing(true);
    setSaid(t('incident.acting'));
    try {
      const after = await post<Incident>(`api/v1/incidents/${encodeURIComponent(incident.id)}/${verb}`, body);
      setSaid(words(incident, after));
      changed(after);
      return true;
    } catch (error) {
      const why = error instanceof ApiError ? [error.detail, error.hint].filter(Boolean).join('; ') : String(error);
      setSaid(t('incident.failed', { why: why.endsWith('.') ? why : `${why}.` }));
      return false;
    } finally {
      setActing(false);
    }
  };
  const acknowledge = () => act('acknowledge', {}, (before, after) => acknowledged(before, after, at));
  const over = incident.status === 'resolved';
  return (
    <div class="actions">
      <div class="buttons">
        {!over && <Acknowledge incident={incident} acting={acting} at={at} onClick={acknowledge} />}
        {!over && (
          <button type="button" aria-disabled={acting} onClick={() => act('escalate', {}, () => t('incident.didEscalate'))}>
            {t('incident.escalate')}
          </button>
        )}
        {!over && <Snooze acting={acting} act={act} at={at} />}
        {!over && <button type="button" aria-expanded={resolving} onClick={() => setResolving(!resolving)}>{t('incident.resolve')}</button>}
        <button type="button" aria-expanded={noting} onClick={() => setNoting(!noting)}>{t('incident.note')}</button>
      </div>
      <p class="said" role="status">{said}</p>
      {resolving && !over && <Resolve act={act} done={() => setResolving(false)} />}
      {noting && <Note act={act} done={() => setNoting(false)} />}
    </div>
  );
}

/** Whether this act did it, or somebody was first. */
function acknowledged(before: Incident, after: Incident, at: (instant: string) => string): string {
  if (after.status === 'resolved') return t('incident.alreadyResolved');
  const who = after.acknowledged;
  // An answer that is no younger than what was shown, or older than this press, is somebody else's.
  const first = before.acknowledged?.at ?? who?.at;
  const own = who && before.acknowledged === null && after.timeline.at(-1)?.kind === 'acknowledged';
  if (!who || own) return t('incident.didAcknowledge');
  return t('incident.alreadyAcknowledged', { by: who.by, at: at(first ?? who.at) });
}

/** The one button that matters. `a` puts the focus here and Enter acts, so that no key alone does. */
function Acknowledge({ incident, acting, at, onClick }: { incident: Incident; acting: boolean; at(instant: string): string; onClick(): void }) {
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== 'a' || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      button.current?.focus();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
  const who = incident.acknowledged;
  return (
    <button
      ref={button} type="button" class={who ? 'main taken' : 'main'} data-testid="acknowledge" aria-disabled={acting} aria-keyshortcuts="a"
      title={who ? t('incident.alreadyAcknowledged', { by: who.by, at: at(who.at) }) : undefined} onClick={onClick}
    >
      {t('incident.acknowledge')}
    </button>
  );
}

function Snooze({ acting, act, at }: { acting: boolean; act: Act; at(instant: string): string }) {
  const [length, setLength] = useState('30m');
  const said = (_: Incident, after: Incident) =>
    t('incident.didSnooze', { at: after.acknowledged?.until ? at(after.acknowledged.until) : length });
  return (
    <span class="snooze">
      <button type="button" aria-disabled={acting} onClick={() => act('snooze', { for: length }, said)}>{t('incident.snooze')}</button>
      <select aria-label={t('incident.snooze')} value={length} onChange={(event) => setLength(event.currentTarget.value)}>
        {SNOOZES.map((one) => <option key={one} value={one}>{one}</option>)}
      </select>
    </span>
  );
}

function Resolve({ act, done }: { act: Act; done(): void }) {
  const [reason, setReason] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const resolve = async (why: string) => {
    if (await act('resolve', { reason: why }, () => t('incident.didResolve'))) done();
  };
  return (
    <form
      class="act"
      onSubmit={(event) => {
        event.preventDefault();
        if (reason.trim() !== '') void resolve(reason.trim());
      }}
      onKeyDown={(event) => event.key === 'Escape' && done()}
    >
      <label>
        {t('incident.resolveReason')}{' '}
        <input ref={field} type="text" required maxLength={1000} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      <button type="submit">{t('incident.resolveDo')}</button>
      <button type="button" onClick={() => resolve('false_alarm')} aria-describedby="false-alarm-hint">{t('incident.falseAlarmDo')}</button>
      <button type="button" class="plain" onClick={done}>{t('incident.cancel')}</button>
      <p class="dim" id="false-alarm-hint">{t('incident.falseAlarmHint')}</p>
    </form>
  );
}

function Note({ act, done }: { act: Act; done(): void }) {
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <form
      class="act"
      onSubmit={async (event) => {
        event.preventDefault();
        if (text.trim() !== '' && (await act('note', { text: text.trim() }, () => t('incident.didNote')))) done();
      }}
      onKeyDown={(event) => event.key === 'Escape' && done()}
    >
      <label>
        {t('incident.note')}{' '}
        <textarea ref={field} rows={2} required maxLength={1000} placeholder={t('incident.notePlaceholder')} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button type="submit">{t('incident.noteDo')}</button>
      <button type="button" class="plain" onClick={done}>{t('incident.cancel')}</button>
    </form>
  );
}
