// What the pages weigh and how fast they are on this machine. Prints; asserts nothing about time.

import { readdirSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Page } from '@playwright/test';
import { Server } from '../support/server.ts';
import { expect, shifted, test } from '../support/test.ts';

const DIST = resolve(import.meta.dirname, '../../../dashboards/web/dist');
const TIMES = 9;

const say = (name: string, value: string) => process.stdout.write(`\r${name.padEnd(52)} ${value}\n`);
const milliseconds = (value: number) => `${value.toFixed(1)} ms`;
function sorted(values: number[]): number[] {
  return [...values].sort((a, b) => a - b);
}
const median = (values: number[]) => sorted(values)[Math.floor(values.length / 2)]!;
const highest = (values: number[]) => Math.max(...values);

test('weight', () => {
  const processor = cpus();
  say('machine', `${processor.length} × ${processor[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`);
  let whole = 0;
  for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(js|css)$/.test(entry.name)) continue;
    const bytes = gzipSync(readFileSync(resolve(entry.parentPath, entry.name)), { level: 9 }).length;
    whole += bytes;
    say(`gzip ${entry.name}`, `${bytes} bytes`);
  }
  say('gzip JS and CSS together', `${whole} bytes`);
});

const FIRST_CHART = 'first chart at ';

/** Tells when the first canvas has a coloured point, counted from the navigation. It is told by the console:
 * a function that the page has to be asked for is more script, and runs just when the page is drawn. */
async function firstChart(page: Page, url: string): Promise<number> {
  await page.addInitScript(() => {
    const look = () => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-testid=chart-qps] canvas');
      if (canvas && canvas.width > 0) {
        const { data } = canvas.getContext('2d', { willReadFrequently: true })!.getImageData(0, 0, canvas.width, canvas.height);
        for (let at = 0; at < data.length; at += 4) {
          const red = data[at]!, green = data[at + 1]!, blue = data[at + 2]!;
          if (data[at + 3]! > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) {
            console.info(`first chart at ${performance.now()}`);
            return;
          }
        }
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  const [told] = await Promise.all([
    page.waitForEvent('console', (message) => message.text().startsWith(FIRST_CHART)),
    page.goto(url, { waitUntil: 'commit' }),
  ]);
  return Number(told.text().slice(FIRST_CHART.length));
}

test('first chart', async ({ browser }) => {
  const server = await Server.start('seeded');
  try {
    await server.incident();
    const took: number[] = [];
    for (let time = 0; time < TIMES; time += 1) {
      // A new context each time: nothing is in its cache.
      const context = await browser.newContext();
      await shifted(context, server.shift);
      const page = await context.newPage();
      took.push(await firstChart(page, `${server.url}/f/guide/feed`));
      await context.close();
    }
    say(`function page: navigation to first chart, median of ${TIMES}`, milliseconds(median(took)));
    say('function page: navigation to first chart, slowest', milliseconds(highest(took)));
  } finally {
    await server.stop();
  }
});

test('ten thousand functions', async ({ browser }) => {
  const server = await Server.start('many');
  try {
    const answers: number[] = [];
    let bytes = 0;
    for (let time = 0; time < TIMES; time += 1) {
      const began = performance.now();
      const answer = await fetch(`${server.url}/api/v1/functions?range=5m&compare=7d&spark=30`);
      bytes = (await answer.arrayBuffer()).byteLength;
      answers.push(performance.now() - began);
    }
    say(`GET /api/v1/functions of 10,000, median of ${TIMES}`, `${milliseconds(median(answers))} (${bytes} bytes)`);
    const context = await browser.newContext({ viewport: { width: 1360, height: 850 } });
    await shifted(context, server.shift);
    const page = await context.newPage();
    await page.goto(`${server.url}/`);
    await expect(page.getByTestId('fleet-row').first()).toBeVisible();
    await page.getByTestId('filter').focus();
    await page.evaluate(() => {
      const painted: number[] = [];
      Object.assign(globalThis, { painted });
      addEventListener('keydown', (event) => {
        const pressed = event.timeStamp;
        // The frame after the one that holds the change: by then it was painted.
        requestAnimationFrame(() => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => painted.push(performance.now() - pressed);
          port2.postMessage(0);
        });
      }, true);
    });
    for (const key of 'tion-0123'.slice(0, TIMES)) {
      await page.keyboard.press(key);
      await page.waitForTimeout(400);
    }
    const painted = await page.evaluate(() => (globalThis as unknown as { painted: number[] }).painted);
    say(`filter key over 10,000 rows to painted frame, median of ${painted.length}`, milliseconds(median(painted)));
    say('filter key over 10,000 rows to painted frame, slowest', milliseconds(highest(painted)));
    await context.close();
  } finally {
    await server.stop();
  }
});
