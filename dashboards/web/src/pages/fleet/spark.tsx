// A small curve of calls, with failed calls in the colour of trouble.

import { memo } from './memo';

const WIDTH = 96;
const HEIGHT = 20;

/** The outline of values as an SVG path, filling the height when `top` is the largest. */
export function outline(values: number[], top: number): string {
  if (values.length < 2 || top <= 0) return '';
  const step = WIDTH / (values.length - 1);
  return values.map((value, at) => `${at === 0 ? 'M' : 'L'}${(at * step).toFixed(1)} ${(HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(1)}`).join('');
}

export const Spark = memo(
  ({ calls, errors, label }: { calls: number[]; errors: number[] | undefined; label: string }) => {
    const top = Math.max(...calls, 1);
    return (
      <svg class="spark" role="img" aria-label={label} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT}>
        <path d={outline(calls, top)} />
        {errors && <path class="failed" d={outline(errors, top)} />}
      </svg>
    );
  },
  (before, after) => before.label === after.label && before.calls.join() === after.calls.join() && before.errors?.join() === after.errors?.join(),
);
