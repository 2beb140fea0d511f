// The incident as a Markdown file for people who were not there, from the same data as the page.

import type { Incident } from '../../api/types';
import { durations, folded, offset } from './durations';

export interface ReportWords {
  t(key: string, params?: Record<string, string>): string;
  instant(at: string): string;
  now: string;
}

/** A text inside a line of Markdown: nothing in it becomes a link, a picture, a table or HTML. */
export function plain(text: string): string {
  return text
    .replace(/[\r\n\t]+/g, ' ')
    .replace(/[\\`*_{}[\]()#+!|~]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}

/** The whole report. */
export function report(incident: Incident, words: ReportWords): string {
  const { t, instant } = words;
  const took = durations(incident);
  const number = String(incident.number);
  const facts: [string, string][] = [
    [t('incident.reportStatus'), status(incident, t)],
    [t('incident.reportSeverity'), t(`status.${incident.severity}`)],
    ...(incident.function ? [[t('incident.reportFunction'), incident.function] as [string, string]] : []),
    [t('incident.reportOpened'), instant(incident.opened_at)],
    ...(incident.acknowledged ? [[t('incidents.columnWho'), incident.acknowledged.by] as [string, string]] : []),
  ];
  const times: [string, string, number | null][] = [
    [t('incident.noticed'), t('incident.noticedHint'), took.noticed],
    [t('incident.told'), t('incident.toldHint'), took.told],
    [t('incident.acknowledgedIn'), t('incident.acknowledgedHint'), took.acknowledged],
    [t('incident.resolvedIn'), t('incident.resolvedHint'), took.resolved],
  ];
  const spent = (value: number | null) => (value === null ? t('incident.notYet') : t('incident.seconds', { seconds: value.toFixed(1) }));
  const events = folded(incident.timeline).map(({ entry, times: count }) => {
    const text = count > 1 ? `${entry.text} (${t('incident.times', { count: String(count) })})` : entry.text;
    return `| ${instant(entry.at)} | ${offset(entry.at, incident.opened_at)} | ${plain(text)} |`;
  });
  return [
    `# ${plain(t('incident.reportTitle', { number, title: incident.title }))}`,
    '',
    ...facts.map(([name, value]) => `- ${name}: ${plain(value)}`),
    '',
    `## ${t('incident.durations')}`,
    '',
    ...times.map(([name, hint, value]) => `- ${name} (${hint}): ${spent(value)}`),
    '',
    `## ${t('incident.timeline')}`,
    '',
    `| ${t('chart.time')} | + | ${t('incident.reportEvent')} |`,
    '|---|---|---|',
    ...events,
    '',
    t('incident.reportWritten', { at: words.now }),
    '',
  ].join('\n');
}

function status(incident: Incident, t: ReportWords['t']): string {
  const word = t(`status.${incident.status}`);
  return incident.false_alarm ? `${word} (${t('incident.falseAlarm')})` : word;
}
