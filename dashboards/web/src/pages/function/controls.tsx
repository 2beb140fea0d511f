// What is looked at: window, comparison, split; and the link that shows the same again.

import { useEffect, useState } from 'preact/hooks';
import { pointLabel } from '../../chart/instants';
import { t } from '../../i18n';
import { RANGES, type ViewState, frozen, secondsOf } from '../../lib/url';

const SPLITS = ['', 'unit', 'version', 'zone'] as const;

interface ControlsProps {
  view: ViewState;
  change(patch: Partial<ViewState>, how?: 'push' | 'replace'): void;
  zone: string;
}

export function Controls({ view, change, zone }: ControlsProps) {
  const past = view.from !== undefined && view.to !== undefined;
  return (
    <div class="controls">
      <div role="group" aria-label={t('function.range')}>
        {RANGES.map((range) => (
          <button
            key={range} type="button" class="choice" aria-pressed={!past && view.range === range}
            onClick={() => change({ range, from: undefined, to: undefined }, 'push')}
          >{range}</button>
        ))}
      </div>
      <Comparison view={view} change={change} />
      <label class="split">
        {t('function.by')}{' '}
        <select value={view.by} onChange={(event) => change({ by: event.currentTarget.value as ViewState['by'] }, 'replace')}>
          {SPLITS.map((by) => <option key={by} value={by}>{t(by === '' ? 'function.byNone' : `dimension.${by}`)}</option>)}
        </select>
      </label>
      {past && (
        <p class="stretch">
          {t('function.frozen', { from: pointLabel(view.from!, zone), to: pointLabel(view.to!, zone) })}{' '}
          <button type="button" class="plain" onClick={() => change({ from: undefined, to: undefined }, 'push')}>{t('function.resume')}</button>
        </p>
      )}
    </div>
  );
}

function Comparison({ view, change }: Pick<ControlsProps, 'view' | 'change'>) {
  const toggle = (back: string) => {
    const compare = view.compare.includes(back) ? view.compare.filter((one) => one !== back) : [...view.compare, back].sort();
    change({ compare }, 'replace');
  };
  return (
    <div role="group" aria-label={t('function.compare')}>
      {([['1d', 'function.compareDay'], ['7d', 'function.compareWeek']] as const).map(([back, key]) => (
        <button key={back} type="button" class="choice" aria-pressed={view.compare.includes(back)} onClick={() => toggle(back)}>
          {t(key)}
        </button>
      ))}
    </div>
  );
}

interface CopyProps extends Pick<ControlsProps, 'view' | 'change'> {
  /** The moment of the newest data, where a copied link ends. */
  asOf: number;
}

/** Copies a link to this stretch as it is; where the browser refuses, the address bar takes it. */
export function CopyLink({ view, asOf, change }: CopyProps) {
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => setSaid(''), 4_000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(frozen(view, asOf));
      setSaid(t('function.copied'));
    } catch {
      const seconds = secondsOf(view.range);
      change({ from: view.from ?? Math.floor(asOf) - seconds, to: view.to ?? Math.floor(asOf) }, 'replace');
      setSaid(t('function.copyFailed'));
    }
  };
  return (
    <span class="copy">
      <button type="button" class="plain" data-testid="copy-link" onClick={copy}>{t('function.copy')}</button>{' '}
      <span class="dim" role="status">{said}</span>
    </span>
  );
}
