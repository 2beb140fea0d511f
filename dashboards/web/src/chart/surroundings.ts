// What a canvas cannot see by itself: its width, and the colours of the page around it.

import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { t } from '../i18n';

/** The width of an element in CSS pixels; 0 before it is known. */
export function useWidth(element: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const observed = element.current;
    if (!observed) return;
    const measure = () => {
      // A hidden element has no width worth drawing for.
      if (observed.clientWidth > 0) setWidth(observed.clientWidth);
    };
    // The observer calls back only after a paint, which would show an empty frame.
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(observed);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** Changes once other words are spoken, which is a moment after another language is chosen. What keeps
 * words (a canvas, memoized names) is made anew then. */
export function spoken(): string {
  return t('chart.time');
}

/** Changes with the page's theme. */
export function useTheme(): number {
  const [version, setVersion] = useState(0);
  useEffect(() => {
    const changed = () => setVersion((held) => held + 1);
    const observer = new MutationObserver(changed);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    const preference = matchMedia('(prefers-color-scheme: dark)');
    preference.addEventListener('change', changed);
    return () => {
      observer.disconnect();
      preference.removeEventListener('change', changed);
    };
  }, []);
  return version;
}
