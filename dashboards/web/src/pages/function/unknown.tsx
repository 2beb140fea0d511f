// A function that nobody knows: what it might have meant, and where to look.

import { useEffect, useState } from 'preact/hooks';
import { get } from '../../api/client';
import type { FunctionList } from '../../api/types';
import { t } from '../../i18n';
import { href } from '../../lib/url';

/** How many letters must change to make one name of the other. */
export function distance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1;
      line.push(Math.min(above[column] + 1, line[column - 1] + 1, above[column - 1] + same));
    }
    above = line;
  }
  return above[other.length];
}

/** The names most like `wanted`, best first; none that have nothing in common with it. */
export function similar(wanted: string, names: readonly string[], most: number): string[] {
  const plain = wanted.toLowerCase().slice(0, 200);
  const last = plain.split('/').pop() ?? plain;
  return names
    .map((name) => {
      const own = name.toLowerCase();
      const ownLast = own.split('/').pop() ?? own;
      // The right name under the wrong namespace is the commonest slip.
      const far = Math.min(distance(plain, own), ownLast === last ? 0.5 : distance(last, ownLast) + 1);
      return { name, far: own.includes(last) && last.length > 2 ? Math.min(far, 1) : far };
    })
    .filter(({ name, far }) => far <= Math.max(2, name.length / 3))
    .sort((a, b) => a.far - b.far || a.name.localeCompare(b.name))
    .slice(0, most)
    .map(({ name }) => name);
}

export function UnknownFunction({ name }: { name: string }) {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    get<FunctionList>('api/v1/functions', stop.signal)
      .then((list) => setNames(similar(name, list.functions.map((row) => `${row.namespace}/${row.function}`), 5)))
      // Without suggestions the page still says what to do.
      .catch(() => undefined);
    return () => stop.abort();
  }, [name]);
  return (
    <section class="notice" data-testid="missing">
      <h1>{t('function.unknown', { name })}</h1>
      <p>{t('function.unknownHint')}</p>
      {names.length > 0 && (
        <>
          <h2>{t('function.unknownSimilar')}</h2>
          <ul>
            {names.map((one) => <li key={one}><a href={href(`f/${one.split('/').map(encodeURIComponent).join('/')}`)}>{one}</a></li>)}
          </ul>
        </>
      )}
      <p><a href={href('')}>{t('function.toFleet')}</a> · <a href={href('system')}>{t('function.toSystem')}</a></p>
    </section>
  );
}
