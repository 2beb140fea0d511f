// Every rule as declared and what it says now; alerts link here by the rule's name.

import { useEffect } from 'preact/hooks';
import { useLive } from '../api/live';
import type { LabelSet, Rule, RuleList } from '../api/types';
import { t } from '../i18n';
import { count } from '../lib/format';
import { StatusWord } from '../lib/status';
import { formatInstant, parseInstant } from '../lib/time';
import { href, useView } from '../lib/url';
import { Waiting } from './trouble';

const REQUEST = { poll: { rules: 'api/v1/rules' } };
/** What is said of a rule's state, besides what was declared. */
const SAID = new Set(['last_evaluation', 'label_sets', 'unknown', 'last_unknown', 'beyond_limit', 'error', 'states', 'truncated']);

export function RulesPage() {
  const live = useLive<RuleList>(REQUEST, (_, name, body) => (name === 'rules' ? (body as RuleList) : undefined));
  const [view] = useView();
  const list = live.data;
  const ready = list !== undefined;
  useEffect(() => {
    document.title = `${t('rules.title')} · Rampart`;
    const name = decodeURIComponent(location.hash.slice(1));
    if (ready && name) document.getElementById(name)?.scrollIntoView();
  }, [ready]);
  if (!list) return <Waiting error={live.error} />;
  return (
    <>
      <h1>{t('rules.title')}</h1>
      <p class="dim">{list.rules.length === 0 ? t('rules.none') : t('rules.sum', { n: list.rules.length, mode: list.mode })}</p>
      {list.rules.map((rule) => <OneRule key={rule.alert} rule={rule} zone={view.tz} />)}
    </>
  );
}

/** The declared fields as YAML lists them. */
function declared(rule: Rule): string {
  const line = (value: unknown, indent: string): string => {
    if (value !== null && typeof value === 'object') {
      return Object.entries(value).map(([key, inner]) => `\n${indent}${Array.isArray(value) ? '-' : `${key}:`}${line(inner, `${indent}  `)}`).join('');
    }
    return ` ${String(value)}`;
  };
  return Object.entries(rule).filter(([key]) => !SAID.has(key)).map(([key, value]) => `${key}:${line(value, '  ')}`).join('\n');
}

function OneRule({ rule, zone }: { rule: Rule; zone: string }) {
  const active = rule.states.filter((state) => state.phase !== 'inactive');
  return (
    <section id={rule.alert} class="rule" aria-label={rule.alert}>
      <h2>{rule.alert} {rule.severity && <span class="dim">{t(`status.${rule.severity}`)}</span>}</h2>
      {rule.summary && <p>{rule.summary}</p>}
      {rule.error !== null && <p class="status critical">{t('rules.error', { error: rule.error })}</p>}
      {rule.error === null && active.length === 0 && <p class="dim"><StatusWord status="inactive" /> {t('rules.quiet', { n: count(rule.label_sets) })}</p>}
      {rule.unknown > 0 && <p class="dim">{t('rules.unknown', { n: count(rule.unknown), why: rule.last_unknown ?? '' })}</p>}
      {active.length > 0 && (
        <ul class="rows">
          {active.map((state) => <Active key={JSON.stringify(state.labels)} state={state} zone={zone} />)}
        </ul>
      )}
      {rule.truncated && <p class="dim">{t('rules.more')}</p>}
      <details>
        <summary class="dim">{t('rules.declared')}</summary>
        <pre>{declared(rule)}</pre>
      </details>
    </section>
  );
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 4 });
}

function Active({ state, zone }: { state: LabelSet; zone: string }) {
  const { labels } = state;
  const named = labels.namespace && labels.function ? `${labels.namespace}/${labels.function}` : '';
  const others = Object.entries(labels).filter(([name]) => !(named && (name === 'namespace' || name === 'function')));
  return (
    <li>
      <StatusWord status={state.phase} />{' '}
      {named && <a href={href(`f/${encodeURIComponent(labels.namespace ?? '')}/${encodeURIComponent(labels.function ?? '')}`)}>{named}</a>}{' '}
      {others.map(([name, value]) => `${name}=${value}`).join(' ')}{' '}
      <span class="dim">
        {state.since !== null && t('rules.since', { at: formatInstant(parseInstant(state.since), zone, 'full') })}
        {state.value !== null && ` · ${t('rules.measured', { value: number(state.value) })}`}
        {state.baseline !== null && ` · ${t('rules.expected', { value: number(state.baseline) })}`}
        {state.remaining !== null && ` · ${t('rules.remaining', { left: state.remaining })}`}
      </span>
    </li>
  );
}
