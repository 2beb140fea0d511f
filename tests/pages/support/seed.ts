// Calls that are the same at every run, told relative to one instant.

/** The clock of a seeded server begins here. */
export const BEGIN = Date.parse('2026-11-11T00:05:00+08:00');

export const HOSTILE = '<img src=x onerror=alert(1)>';
export const QUOTED = `o'neil"s`;
export const CHINESE = '推荐流';
export const FORMULA = '=1+1';

const DAY = 86_400_000;

interface Call {
  namespace: string;
  function: string;
  completed_at: string;
  duration_ms: number;
  outcome: string;
  [field: string]: string | number | boolean;
}

/** A small generator of numbers in 0..1: the same ones every time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

interface Stretch {
  namespace: string;
  name: string;
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  perSecond: number;
  fields?: (at: number, random: () => number) => Partial<Call>;
}

function* calls(stretch: Stretch): Generator<Call> {
  const random = numbers(stretch.name.length * 7919 + Math.floor(stretch.from / 1000) % 100_003);
  const step = 1000 / stretch.perSecond;
  // Traffic breathes: not a call every so many milliseconds, and slowly more or less.
  for (let at = stretch.from + step * random(); at < stretch.to; at += step * (0.4 + 1.2 * random()) * (1 + 0.15 * Math.sin(at / 70_000))) {
    yield {
      namespace: stretch.namespace,
      function: stretch.name,
      completed_at: new Date(at).toISOString(),
      duration_ms: Math.round((8 + 40 * random() ** 4) * 100) / 100,
      outcome: 'ok',
      ...(stretch.fields?.(at, random) as Record<string, string | number>),
    };
  }
}

/** The feed: unit b fails in the last 40 seconds before `now`. */
function feed(now: number): Stretch {
  return {
    namespace: 'guide', name: 'feed', from: now - 14 * 60_000, to: now - 500, perSecond: 20,
    fields: (at, random) => {
      const unit = random() < 0.5 ? 'a' : 'b';
      const place = { unit, version: random() < 0.9 ? '41' : '42', zone: unit === 'a' ? 'hz-1' : 'hz-2', instance: `pod-${unit}-${Math.floor(random() * 3)}` };
      const failing = unit === 'b' && at > now - 40_000 && random() < 0.6;
      if (!failing) return { ...place, cold_start: random() < 0.01 };
      return { ...place, outcome: 'timeout', error_type: 'UpstreamTimeout', request_id: `r-${Math.floor(at)}`, duration_ms: 3_000, http_status: 504 };
    },
  };
}

function hostile(now: number): Stretch {
  return {
    namespace: 'guide', name: 'hostile', from: now - 4 * 60_000, to: now - 500, perSecond: 3,
    fields: (_, random) => ({
      version: random() < 0.5 ? HOSTILE : FORMULA,
      unit: random() < 0.5 ? HOSTILE : QUOTED,
      ...(random() < 0.3 ? { outcome: 'function_error', error_type: HOSTILE, request_id: `"><script>alert(2)</script>`, error_message: HOSTILE } : {}),
    }),
  };
}

const quiet = (now: number, namespace: string, name: string, perSecond: number): Stretch => ({
  namespace, name, from: now - 12 * 60_000, to: now - 500, perSecond,
  fields: (_, random) => ({
    unit: random() < 0.5 ? 'a' : 'b', version: '7', cold_start: random() < 0.004,
    ...(random() < 0.002 ? { outcome: 'limited' } : random() < 0.000_5 ? { outcome: 'function_error', error_type: 'TypeError' } : {}),
  }),
});

const earlier = (now: number, back: number, perSecond: number): Stretch => ({
  namespace: 'guide', name: 'feed', from: now - back - 15 * 60_000, to: now - back + 5 * 60_000, perSecond,
  fields: (_, random) => ({ unit: random() < 0.5 ? 'a' : 'b', version: '40' }),
});

/** What everyday looks like, with one trouble. */
function stretches(now: number): Stretch[] {
  const others: [string, string, number][] = [
    ['guide', 'search', 6], ['guide', CHINESE, 4], ['guide', 'thumbnails', 9], ['travel', 'flights', 8], ['travel', 'hotels', 2],
    ['travel', 'visa-check', 1], ['store', 'checkout', 10], ['store', 'cart', 7], ['store', 'price', 12], ['store', 'stock', 3],
  ];
  return [earlier(now, 7 * DAY, 14), earlier(now, DAY, 18), feed(now), ...others.map(([namespace, name, rate]) => quiet(now, namespace, name, rate))];
}

/** Everyday, as the documentation's pictures show it. */
export function everyday(now: number): string[] {
  return stretches(now).flatMap((stretch) => batches(calls(stretch)));
}

/** The next moments of it. */
export function goingOn(from: number, to: number): string {
  const next = stretches(BEGIN).filter((stretch) => stretch.to > BEGIN - DAY / 2).map((stretch) => ({ ...stretch, from, to }));
  return next.flatMap((stretch) => batches(calls(stretch))).join('\n');
}

/** Everyday with names and texts that would like to be more than text. */
export function seeded(now: number): string[] {
  const bad = [hostile(now), quiet(now, 'store', QUOTED, 1), quiet(now, 'store', HOSTILE, 1)];
  return [...everyday(now), ...bad.flatMap((stretch) => batches(calls(stretch)))];
}

/** Ten thousand functions with a few calls each. */
export function many(now: number, functions = 10_000): string[] {
  function* all(): Generator<Call> {
    const random = numbers(4711);
    for (let index = 0; index < functions; index += 1) {
      const name = `function-${String(index).padStart(5, '0')}`;
      for (let call = 0; call < 3; call += 1) {
        yield {
          namespace: `space-${index % 20}`, function: name, unit: 'a', version: '1',
          completed_at: new Date(now - 1_000 - Math.floor(random() * 200_000)).toISOString(),
          duration_ms: 5 + Math.floor(random() * 50), outcome: random() < 0.01 ? 'function_error' : 'ok',
        };
      }
    }
  }
  return batches(all());
}

function batches(rows: Iterable<Call>): string[] {
  const bodies: string[] = [];
  let lines: string[] = [];
  for (const row of rows) {
    lines.push(JSON.stringify(row));
    if (lines.length === 20_000) {
      bodies.push(lines.join('\n'));
      lines = [];
    }
  }
  if (lines.length > 0) bodies.push(lines.join('\n'));
  return bodies;
}
