// The same points as a table, as a file of values, and as a picture.

import { downloadCsv, download, fileName } from '../lib/csv';
import { t } from '../i18n';
import { pointLabel } from './instants';
import { type ChartSeries, thinPlaces } from './model';
import { themeColour, themeFont } from './paint';

/** The most lines of a table; the file has all. */
const LINES_MAX = 600;

interface TableProps {
  title: string;
  unit: string;
  time: number[];
  series: ChartSeries[];
  zone: string;
  format(value: number | null): string;
}

export function ChartTable({ title, unit, time, series, zone, format }: TableProps) {
  const places = thinPlaces(series[0]?.values ?? time, LINES_MAX);
  return (
    <div class="chart-table" tabIndex={0} role="region" aria-label={t('chart.tableOf', { title })}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('chart.time')}</th>
            {series.map((one) => <th key={one.key} scope="col" class="number">{one.label}</th>)}
          </tr>
        </thead>
        <tbody>
          {places.map((place) => (
            <tr key={time[place]}>
              <th scope="row">{pointLabel(time[place], zone)}</th>
              {series.map((one) => <td key={one.key} class="number">{format(one.values[place] ?? null)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="dim">
        {unit}
        {places.length < time.length && ` · ${t('chart.thinned', { shown: String(places.length), all: String(time.length) })}`}
      </p>
    </div>
  );
}

/** Saves every point; numbers as they are, so shares are 0 to 1. */
export function saveCsv(name: string[], headings: { time: string; unit: string }, time: number[], series: ChartSeries[], zone: string): void {
  const columns = [headings.time, ...series.map((one) => `${one.label} (${headings.unit})`)];
  const rows = time.map((at, index) => [pointLabel(at, zone), ...series.map((one) => one.values[index] ?? null)]);
  downloadCsv(fileName(name, 'csv'), columns, rows);
}

/** Saves the picture with its caption, on the page's own ground. */
export function savePicture(name: string[], caption: string, canvas: HTMLCanvasElement, pixel: number): void {
  const head = 24 * pixel;
  const picture = document.createElement('canvas');
  picture.width = canvas.width;
  picture.height = canvas.height + head;
  const ctx = picture.getContext('2d');
  if (!ctx) return;
  ctx.fillStyle = themeColour('--page');
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.fillStyle = themeColour('--text');
  ctx.font = themeFont(12 * pixel);
  ctx.textBaseline = 'middle';
  ctx.fillText(caption, 8 * pixel, head / 2);
  ctx.drawImage(canvas, 0, head);
  picture.toBlob((blob) => blob && download(fileName(name, 'png'), blob), 'image/png');
}
