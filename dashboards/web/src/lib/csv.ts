// Comma-separated values (RFC 4180) that a spreadsheet reads as data, never as a formula.

export type Cell = string | number | null | undefined;

// A spreadsheet calculates a cell that begins like this (OWASP, "CSV Injection").
const CALCULATED = /^[=+\-@\t\r]/;

/** One cell. Texts that a spreadsheet would calculate get an apostrophe in front; numbers stay numbers. */
export function cell(value: Cell): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  const safe = CALCULATED.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows with a line of headings, lines ended by CR LF. */
export function csv(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [headings, ...rows].map((row) => row.map(cell).join(',') + '\r\n').join('');
}

/** A name that every file system takes. */
export function fileName(parts: readonly string[], ending: string): string {
  const name = parts.join('-').replace(/[^\p{L}\p{N}.]+/gu, '-').replace(/^[-.]+|[-.]+$/g, '');
  return `${name.slice(0, 100) || 'rampart'}.${ending}`;
}

/** Hands a file to the browser's downloads. */
export function download(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads the address after this turn.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Downloads rows as a file; the mark in front makes spreadsheets read it as UTF-8. */
export function downloadCsv(name: string, headings: readonly string[], rows: readonly (readonly Cell[])[]): void {
  download(name, new Blob(['\ufeff', csv(headings, rows)], { type: 'text/csv;charset=utf-8' }));
}
