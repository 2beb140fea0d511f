// The pages' words, in English and Chinese. Every area has its own dictionary; a test holds both languages
// to the same keys and places.

import { useEffect, useState } from 'preact/hooks';
import { useView } from '../lib/url';
export type Language = 'en' | 'zh';
type Words = Record<string, string>;
type Params = Record<string, string | number>;

const LOAD: Record<Language, () => Promise<{ default: Words }>> = {
  en: () => import('./en/index'),
  zh: () => import('./zh/index'),
};

const loaded: Partial<Record<Language, Words>> = {};
let words: Words = {};

/** Loads a language's words. When the server is gone, the pages go on in the language they have. */
export function learn(language: Language): Promise<void> {
  return LOAD[language]().then(
    (module) => {
      loaded[language] = module.default;
    },
    () => undefined,
  );
}

/** Speaks a language as soon as its words are there; the last one goes on until then. */
export function useWords(language: Language): boolean {
  const [, again] = useState(0);
  const known = loaded[language];
  useEffect(() => {
    if (!known) void learn(language).then(() => again((n) => n + 1));
  }, [language, known]);
  if (known) words = known;
  return Object.keys(words).length > 0;
}

/** The words for a key, with `{places}` filled in. A key nobody knows shows itself. */
export function t(key: string, params?: Params): string {
  return fill(words, key, params);
}

export function fill(from: Words, key: string, params?: Params): string {
  const text = from[key] ?? key;
  if (!params) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in params ? String(params[name]) : whole));
}

/** The language of the page. */
export function useLanguage(): Language {
  return useView()[0].lang;
}
