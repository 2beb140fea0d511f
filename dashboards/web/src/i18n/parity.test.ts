import { expect, test } from 'vitest';
import { WORDS } from './testing';

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

test('both languages have the same keys and places, and nothing is empty', () => {
  const { en, zh } = WORDS;
  expect(Object.keys(en).length).toBeGreaterThan(100);
  expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    expect(text, key).not.toBe('');
    // Chinese sentences follow each other without a space.
    if (key !== 'verdict.between') expect(zh[key]?.trim(), key).not.toBe('');
    expect(places(zh[key] ?? ''), key).toEqual(places(text));
  }
});
