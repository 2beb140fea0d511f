// The questions of the function's page: which stretch, at which address.

import { type ViewState, secondsOf } from '../../lib/url';

/** As far back as the server counts by the second; longer stretches are summed up from curves. */
export const SECONDS_KEPT = 900;
export const MEASURES = 'qps,success_rate,outcomes,latency,limited,cold_starts';
const POINTS = 1_200;

/** What is looked at: the last seconds, or a stretch for good. */
export interface Window {
  past: boolean;
  seconds: number;
  from?: number;
  to?: number;
  /** Whether the server answers for it from its counts per second. */
  fine: boolean;
}

export function windowOf(view: ViewState): Window {
  if (view.from !== undefined && view.to !== undefined) {
    return { past: true, seconds: view.to - view.from, from: view.from, to: view.to, fine: false };
  }
  const seconds = secondsOf(view.range);
  return { past: false, seconds, fine: seconds <= SECONDS_KEPT };
}

export const pathOf = (name: string): string => `api/v1/functions/${name.split('/').map(encodeURIComponent).join('/')}`;

/**
 * The curves of the window. Of the last seconds they come without earlier days: those are read from minutes
 * on disk, which takes the server much longer, and the first picture should not wait for them.
 */
export function curvesPath(name: string, view: ViewState): string {
  const window = windowOf(view);
  const query = new URLSearchParams(window.past ? { from: String(window.from), to: String(window.to) } : { range: view.range });
  query.set('points', String(POINTS));
  query.set('measures', MEASURES);
  if (view.by) query.set('by', view.by);
  if (!window.fine && view.compare.length > 0) query.set('compare', view.compare.join(','));
  return `${pathOf(name)}/series?${query}`;
}

/** Earlier days behind the last seconds; `null` where there is nothing more to ask. */
export function earlierPath(name: string, view: ViewState): string | null {
  // Split curves are compared with each other, not with what was.
  if (!windowOf(view).fine || view.compare.length === 0 || view.by !== '') return null;
  const query = new URLSearchParams({ range: view.range, measures: 'qps', compare: view.compare.join(',') });
  return `${pathOf(name)}/series?${query}`;
}
