// Both languages at once, for tests.

import en from './en/index';
import { fill, type Language } from './index';
import zh from './zh/index';

export const WORDS: Record<Language, Record<string, string>> = { en, zh };

export function translate(language: Language, key: string, params?: Record<string, string | number>): string {
  // No-break spaces keep a number and its unit together; tests are written with plain ones.
  return fill(WORDS[language], key, params).replaceAll('\u00a0', ' ');
}
