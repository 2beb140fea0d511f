// One function: is it well, since when not, where.

import { useEffect, useMemo } from 'preact/hooks';
import type { FunctionDetail, Rule } from '../../api/types';
import type { Marker } from '../../chart/model';
import { spoken } from '../../chart/surroundings';
import { serverNow } from '../../api/live';
import { t } from '../../i18n';
import { count, percent } from '../../lib/format';
import { formatAge, formatInstant, parseInstant } from '../../lib/time';
import { useView } from '../../lib/url';
import { Waiting } from '../trouble';
import { windowOf } from './ask';
import { Breakdown } from './breakdown';
import { Charts, axisPercent } from './charts';
import { Controls, CopyLink } from './controls';
import { Alerts, Explanations, Samples } from './evidence';
import { Numbers } from './numbers';
import { useCurves, useFunctionNow, useIncidentsOf, useLocated, useRules, useStretch, useUnknown } from './read';
import { thresholds, watches } from './rules';
import { UnknownFunction } from './unknown';
import { type Voice, isHalf, verdict } from './verdict';

/** Within this age a time of day says enough. */
const SAME_DAY = 20 * 3_600;

export default function FunctionPage({ namespace, name }: { namespace: string; name: string }) {
  const whole = `${namespace}/${name}`;
  const unknown = useUnknown(whole);
  useEffect(() => {
    document.title = `${whole} · Rampart`;
  }, [whole]);
  return unknown ? <UnknownFunction name={whole} /> : <Known key={whole} name={whole} />;
}

function Known({ name }: { name: string }) {
  const [view, change] = useView();
  const language = spoken();
  const window = windowOf(view);
  const live = useFunctionNow(name, view);
  const { shown, error, settled } = useCurves(name, view, live.data?.newest);
  const located = useLocated(name, view, settled || error !== undefined);
  const detail = useStretch(name, view, live.detail, shown?.curves, located);
  const rules = useRules(name);
  const markers = useMarkers(name, live.detail, language);
  const limits = useMemo(
    () => thresholds(rules, (rule, share) => t('function.threshold', { rule, limit: `${axisPercent(share)} %` })),
    [rules, language],
  );
  const asOf = live.asOf ?? serverNow();
  const span = formatAge(window.seconds, t);
  const zone = view.tz;
  const to = window.to ?? Math.floor(asOf);
  const range = { from: window.from ?? to - window.seconds, to };
  const stale = live.state === 'stale' || live.state === 'error' ? Math.max(live.age, 1) : null;
  const explanations = located && located.explanations.length > 0 ? located.explanations : (detail?.explanations ?? []);
  if (!live.detail && live.error) return <Waiting error={live.error} />;
  return (
    <section class="function">
      <header class="function-head">
        <h1>{name} <small class="dim">{live.detail ? (live.detail.function.owner ?? t('function.nobody')) : ''}</small></h1>
        <CopyLink view={view} change={change} asOf={asOf} />
        <Controls view={view} change={change} zone={zone} />
      </header>
      <Sentence detail={window.past ? detail : live.detail} past={window.past} now={asOf} staleFor={stale} rules={rules} zone={zone} />
      {detail && <Numbers row={detail.function} window={formatAge(detail.range_seconds, t)} worst={!window.fine} />}
      {error && !shown && <p role="alert">{t('function.seriesFailed')}: {error.message} {error.hint}</p>}
      {shown && (
        <Charts
          name={name} curves={shown.curves} by={shown.by} zone={zone} span={span} range={range} thresholds={limits} markers={markers} language={language}
          places={detail && (
            <div class="places" role="group" aria-label={t('function.where')}>
              {(['unit', 'version', 'zone'] as const).map((dimension) => (
                <Breakdown key={dimension} dimension={dimension} slices={detail.by[dimension]} window={formatAge(detail.range_seconds, t)} quantiles={window.fine} />
              ))}
            </div>
          )}
          onSelect={(from, until) => change({ from, to: until }, 'push')}
          onBack={() => window.past && change({ from: undefined, to: undefined }, 'push')}
        />
      )}
      <div class="evidence">
        {live.detail && <Alerts alerts={live.detail.alerts} zone={zone} now={asOf} />}
        {detail && <Explanations explanations={explanations} failures={detail.function.errors} window={span} />}
      </div>
      {located && <Samples samples={located.samples} zone={zone} window={span} />}
    </section>
  );
}

/** The function's incidents as marks on its charts. */
function useMarkers(name: string, detail: FunctionDetail | undefined, language: string): Marker[] {
  const firing = (detail?.alerts ?? []).map((alert) => alert.incident ?? alert.rule).sort().join();
  const incidents = useIncidentsOf(name, firing);
  return useMemo(() => incidents.map((incident) => ({
    from: parseInstant(incident.opened_at),
    to: incident.resolved ? parseInstant(incident.resolved.at) : null,
    label: `${t('function.incident')} ${incident.number}`,
    colour: `--${incident.severity === 'info' ? 'idle' : incident.severity}`,
  })), [incidents, language]);
}

const ICONS = { critical: '▲', warning: '◆', info: '■', ok: '●', idle: '○', unknown: '◌' };

interface SentenceProps {
  detail: FunctionDetail | undefined;
  past: boolean;
  now: number;
  staleFor: number | null;
  rules: Rule[];
  zone: string;
}

function Sentence({ detail, past, now, staleFor, rules, zone }: SentenceProps) {
  if (!detail) return <p class="verdict unknown" data-testid="verdict"> </p>;
  const voice: Voice = {
    instant: (seconds) => formatInstant(seconds, zone, now - seconds < SAME_DAY ? 'seconds' : 'full'),
    age: (seconds) => formatAge(seconds, t),
    percent,
    share: (share) => percent(share, 0),
    count,
    span: (seconds) => formatAge(seconds, t),
    dimension: (dimension) => t(`dimension.${dimension}`),
    part: (share) => (isHalf(share) ? t('part.half') : t('part.share', { share: percent(share, 0) })),
  };
  const { tone, phrases } = verdict({ detail, now, staleFor, past, watches: watches(rules, detail.alerts[0]?.rule) }, voice);
  return (
    <p class={`verdict ${tone}`} data-testid="verdict">
      <span class="icon" aria-hidden="true">{ICONS[tone]}</span>
      {phrases.map(({ key, params }) => t(key, params)).join(t('verdict.between'))}
    </p>
  );
}
