// Six numbers, each with its unit and its window.

import type { FunctionRow } from '../../api/types';
import { t } from '../../i18n';
import { change, count, ms, percent, qps } from '../../lib/format';

interface Shown {
  name: string;
  value: string;
  unit: string;
  more?: string;
}

export function Numbers({ row, window, worst }: { row: FunctionRow; window: string; worst: boolean }) {
  const cold = row.calls > 0 ? row.cold_starts / row.calls : null;
  const shown: Shown[] = [
    {
      name: t('function.qps'), value: qps(row.qps), unit: t('function.perSecond'),
      more: row.qps_before ? t('function.change', { change: change(row.qps, row.qps_before) }) : t('function.changeNone'),
    },
    { name: t('function.success'), value: percent(row.success_rate), unit: t('function.ofCalls') },
    { name: t('function.errors'), value: count(row.errors), unit: t('function.errorsUnit') },
    { name: t(worst ? 'function.p99Worst' : 'function.p99'), value: ms(row.p99_ms), unit: t('function.duration') },
    { name: t('function.limited'), value: count(row.limited), unit: t('function.limitedUnit') },
    { name: t('function.cold'), value: percent(cold), unit: t('function.coldUnit') },
  ];
  return (
    <dl class="numbers" data-testid="numbers">
      {shown.map(({ name, value, unit, more }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <b>{value}</b>
            <span class="dim">{unit}<span class="span">{t('function.per', { window })}</span></span>
            {more && <span class="dim">{more}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
