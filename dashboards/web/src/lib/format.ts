// Numbers as people read them. What is not known is a dash, never a zero.

const DASH = '–';
type Maybe = number | null | undefined;

const writers: Intl.NumberFormat[] = [];

function fixed(value: number, digits: number): string {
  writers[digits] ??= new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return writers[digits].format(value);
}

/** Calls per second: 0.05, 1.25, 34.1, 1,204. */
export function qps(value: Maybe): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const size = Math.abs(value);
  if (size >= 1000) return fixed(value, 0);
  if (size >= 10) return fixed(value, 1);
  return size === 0 ? '0' : fixed(value, 2);
}

/** A share as a percentage. A share below 1 never reads 100, and one above 0 never reads 0. */
export function percent(share: Maybe, digits = 2): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return DASH;
  if (share === 1) return '100 %';
  if (share === 0) return '0 %';
  const scale = 10 ** digits;
  let value = share * 100;
  if (share > 0 && share < 1) value = Math.min(Math.max(value, 1 / scale), 100 - 1 / scale);
  if (share > 0.99 && share < 1) value = Math.floor(value * scale) / scale;
  return `${fixed(value, digits)} %`;
}

/** Milliseconds, and seconds from ten of them on. */
export function ms(value: Maybe): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value >= 10_000) return `${fixed(value / 1000, 1)} s`;
  if (value >= 100) return `${fixed(value, 0)} ms`;
  return `${fixed(value, value >= 10 ? 1 : 2)} ms`;
}

export function count(value: Maybe): string {
  return value === null || value === undefined ? DASH : fixed(Math.round(value), 0);
}

export function bytes(value: Maybe): string {
  if (value === null || value === undefined) return DASH;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${fixed(size, unit === 0 || size >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** How much more or less than before: +12 %, −3 %, ×4.2. */
export function change(now: Maybe, before: Maybe): string {
  if (now === null || now === undefined || before === null || before === undefined || before <= 0) return DASH;
  const ratio = now / before;
  if (ratio >= 3) return `×${fixed(ratio, 1)}`;
  const delta = Math.round((ratio - 1) * 100);
  if (delta === 0) return '±0 %';
  return `${delta > 0 ? '+' : '−'}${Math.abs(delta)} %`;
}
