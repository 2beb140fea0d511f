// What the rules that watch a function say about its charts and its verdict.

import type { Rule } from '../../api/types';
import type { Threshold } from '../../chart/model';

/** `99%`, `99.5 %`, `0.99` as a share; null when it is none. */
export function shareOf(text: unknown): number | null {
  if (typeof text === 'number') return text > 0 && text <= 1 ? text : null;
  const found = typeof text === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(text) : null;
  if (!found) return null;
  const share = Number(found[1]) / (found[2] ? 100 : 1);
  return share > 0 && share <= 1 ? share : null;
}

function condition(rule: Rule, word: string): Record<string, unknown> | null {
  const found = rule[word];
  return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : null;
}

/** The lines below which a success rate is called failing; of equal ones the first. */
export function thresholds(rules: readonly Rule[], label: (rule: string, share: number) => string): Threshold[] {
  const found = new Map<number, Threshold>();
  for (const rule of rules) {
    const value = shareOf(condition(rule, 'success_rate')?.below);
    if (value !== null && !found.has(value)) found.set(value, { value, label: label(rule.alert, value) });
  }
  return [...found.values()];
}

/** What a rule watches; undefined when it is not known. */
export function watches(rules: readonly Rule[], name: string | undefined): 'success_rate' | 'qps' | 'telemetry' | undefined {
  const rule = rules.find((one) => one.alert === name);
  if (!rule) return undefined;
  if (condition(rule, 'success_rate')) return 'success_rate';
  return condition(rule, 'qps') ? 'qps' : 'telemetry';
}
