// Newer seconds flow into curves that are already shown.

export interface CurveLike {
  labels: Record<string, string>;
  measure: string;
  values: (number | null)[];
}

export interface CurvesLike {
  time: number[];
  step_seconds: number;
  series: CurveLike[];
  as_of: string;
  complete_until: number | null;
}

/** What tells a curve from all others. */
export function curveKey(curve: CurveLike): string {
  const labels = Object.keys(curve.labels).sort();
  return [curve.measure, ...labels.map((name) => `${name}=${curve.labels[name]}`)].join('\u0000');
}

/**
 * Puts `newer` over `held` by time: a time that both know takes the newer values, for late rows still
 * change the last seconds. Times before `from` fall away. A curve that `newer` does not carry (last
 * week's) keeps what it has; a new one has gaps before it began.
 */
export function mergeCurves<C extends CurvesLike>(held: C, newer: C, from: number): C {
  if (newer.time.length === 0) return { ...held, as_of: newer.as_of, complete_until: newer.complete_until };
  const time = [...new Set([...held.time, ...newer.time])].filter((at) => at >= from).sort((a, b) => a - b);
  const place = new Map(time.map((at, index) => [at, index]));
  const merged = new Map<string, CurveLike>();
  const lay = (curves: C) => {
    for (const curve of curves.series) {
      const key = curveKey(curve);
      const into = merged.get(key) ?? { ...curve, values: new Array<number | null>(time.length).fill(null) };
      curves.time.forEach((at, index) => {
        const to = place.get(at);
        if (to !== undefined) into.values[to] = curve.values[index] ?? null;
      });
      merged.set(key, into);
    }
  };
  lay(held);
  lay(newer);
  quietOutcomes(newer, merged, place);
  return { ...held, time, series: [...merged.values()], as_of: newer.as_of, complete_until: newer.complete_until };
}

/** Lays the curves of earlier days, which `earlier` carries among others, on the times of `held`. */
export function withEarlier<C extends CurvesLike>(held: C, earlier: Pick<C, 'time' | 'series'>): C {
  const place = new Map(earlier.time.map((at, index) => [at, index]));
  const laid = earlier.series.filter((curve) => curve.labels.compare).map((curve) => ({
    ...curve,
    values: held.time.map((at) => curve.values[place.get(at) ?? -1] ?? null),
  }));
  return { ...held, series: [...held.series, ...laid] };
}

// An outcome without calls is not sent at all: in the newer seconds it stands at zero, it is not unknown.
function quietOutcomes(newer: CurvesLike, merged: Map<string, CurveLike>, place: Map<number, number>): void {
  if (!newer.series.some((curve) => curve.measure === 'outcome')) return;
  const told = new Set(newer.series.map(curveKey));
  for (const [key, curve] of merged) {
    if (curve.measure !== 'outcome' || curve.labels.compare || told.has(key)) continue;
    for (const at of newer.time) {
      const to = place.get(at);
      if (to !== undefined) curve.values[to] = 0;
    }
  }
}
