// Light or dark: what the address says, else what the system prefers.

import { useEffect } from 'preact/hooks';
import type { ViewState } from './url';

const dark = () => matchMedia('(prefers-color-scheme: dark)');

/** Dresses the page. Charts read their colours when they are drawn, so this comes before. */
export function dress(theme: ViewState['theme']): void {
  document.documentElement.dataset.theme = theme === 'auto' ? (dark().matches ? 'dark' : 'light') : theme;
}

/** Follows the address and the system. */
export function useDress(theme: ViewState['theme']): void {
  useEffect(() => {
    const preference = dark();
    const apply = () => dress(theme);
    apply();
    preference.addEventListener('change', apply);
    return () => preference.removeEventListener('change', apply);
  }, [theme]);
}
