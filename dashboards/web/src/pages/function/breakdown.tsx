// The same calls by unit, version and zone: shares as hairlines, so that what differs is seen.

import type { Slice } from '../../api/types';
import { t } from '../../i18n';
import { count, ms, percent } from '../../lib/format';

const SHOWN = 8;

export type Place = 'unit' | 'version' | 'zone';

interface BreakdownProps {
  dimension: Place;
  slices: Slice[];
  window: string;
  /** Whether quantiles are known for this stretch. */
  quantiles: boolean;
}

export function Breakdown({ dimension, slices, window, quantiles }: BreakdownProps) {
  const calls = slices.reduce((sum, slice) => sum + slice.calls, 0);
  const errors = slices.reduce((sum, slice) => sum + slice.errors, 0);
  const shown = slices.slice(0, SHOWN);
  return (
    <section class="breakdown" data-testid={`breakdown-${dimension}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('function.breakdown', { dimension: t(`dimension.${dimension}`) })}</th>
            <th scope="col" class="number">{t('function.sliceCalls')}</th>
            <th scope="col" class="number">{t('function.sliceErrors')}</th>
            <th scope="col" class="number">{t('function.sliceSuccess')}</th>
            {quantiles && <th scope="col" class="number">{t('function.sliceP99')}</th>}
          </tr>
        </thead>
        <tbody>
          {shown.map((slice) => (
            <tr key={slice.value}>
              <th scope="row">
                {slice.value === '' ? <span class="dim">{t('dimension.none')}</span> : slice.value}
                <Share part={slice.calls} of={calls} kind="calls" />
                <Share part={slice.errors} of={errors} kind="errors" />
              </th>
              <td class="number">{count(slice.calls)}<small>{percent(calls > 0 ? slice.calls / calls : null, 0)}</small></td>
              <td class="number">{count(slice.errors)}<small>{errors > 0 && percent(slice.errors / errors, 0)}</small></td>
              <td class="number">{percent(slice.success_rate)}</td>
              {quantiles && <td class="number">{ms(slice.p99_ms)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {slices.length === 0 && <p class="dim">{t('function.noSlices', { window })}</p>}
      {slices.length > SHOWN && <p class="dim">{t('function.moreSlices', { more: String(slices.length - SHOWN) })}</p>}
    </section>
  );
}

/** A hairline as long as the share is large. The numbers beside it say the same. */
function Share({ part, of, kind }: { part: number; of: number; kind: 'calls' | 'errors' }) {
  const share = of > 0 ? part / of : 0;
  return <span class={`share ${kind}`} style={{ width: `${(share * 100).toFixed(1)}%` }} aria-hidden="true" />;
}
