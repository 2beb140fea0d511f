// The same instant reads the same in axis, tooltip, table and file, in the zone that was chosen.

import { readFile } from 'node:fs/promises';
import { BEGIN } from '../support/seed.ts';
import { expect, serving, shifted, test } from '../support/test.ts';

const server = serving('seeded');
const FROM = Math.floor(BEGIN / 1000) - 300;
const ADDRESS = (tz: string) => `/f/guide/feed?from=${FROM}&to=${FROM + 250}&tz=${tz}`;

for (const [zone, first, clock] of [
  ['Asia/Shanghai', '2026-11-11 00:00:00 +08:00', '00:0'],
  ['America/New_York', '2026-11-10 11:00:00 -05:00', '11:0'],
] as const) {
  test(`one time everywhere in ${zone}`, async ({ page }) => {
    await page.addInitScript(() => {
      const drawn: string[] = [];
      Object.assign(globalThis, { drawn });
      const plain = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...more) {
        drawn.push(text);
        return plain.call(this, text, ...more);
      };
    });
    await page.goto(server.now.url + ADDRESS(zone));
    const chart = page.getByTestId('chart-qps');
    await chart.locator('.chart-plot').focus();
    await page.keyboard.press('Home');
    const tooltip = chart.locator('.chart-reading p').first();
    await expect(tooltip).toHaveText(first);
    await page.keyboard.press('ArrowRight');
    await expect(tooltip).not.toHaveText(first);
    const second = await tooltip.innerText();
    const spoken = await chart.locator('[aria-live=polite]').innerText();
    expect(spoken.startsWith(second)).toBe(true);

    await chart.getByTestId('view-as-table').click();
    const times = await chart.locator('tbody th').allInnerTexts();
    expect(times.slice(0, 2)).toEqual([first, second]);

    const [download] = await Promise.all([page.waitForEvent('download'), chart.getByTestId('download-csv').click()]);
    const lines = (await readFile(await download.path(), 'utf8')).split('\r\n');
    expect(lines.slice(1, 3).map((line) => line.split(',')[0])).toEqual([first, second]);

    // The axis is painted; what it painted must be clock times of the table (the day stands at midnight).
    const drawn = await page.evaluate(() => (globalThis as unknown as { drawn: string[] }).drawn);
    const ticks = [...new Set(drawn.filter((text) => /^\d\d:\d\d(:\d\d)?$/.test(text)))];
    expect(ticks.length).toBeGreaterThan(2);
    for (const tick of ticks) {
      expect(tick.startsWith(clock), tick).toBe(true);
      expect(times.some((time) => time.split(' ')[1]?.startsWith(tick)), tick).toBe(true);
    }
  });
}

test('a file of values protects against formulas and keeps numbers as they are', async ({ page }) => {
  await page.goto(`${server.now.url}/f/guide/hostile?from=${FROM + 120}&to=${FROM + 240}&by=version`);
  const chart = page.getByTestId('chart-qps');
  await expect(chart.locator('canvas')).toBeVisible();
  const [download] = await Promise.all([page.waitForEvent('download'), chart.getByTestId('download-csv').click()]);
  const text = await readFile(await download.path(), 'utf8');
  expect(text.startsWith('\ufeff')).toBe(true);
  const [head = '', ...rows] = text.slice(1).split('\r\n');
  expect(head).toContain(`'=1+1`);
  expect(head).not.toMatch(/(^|,)"?[=+\-@]/);
  expect(rows.filter(Boolean).length).toBeGreaterThan(50);
  for (const row of rows.filter(Boolean)) expect(row).toMatch(/^2026-11-1\d \d\d:\d\d:\d\d [+-]\d\d:\d\d(,[\d.e-]*)+$/);
  expect(download.suggestedFilename()).toMatch(/^[\p{L}\p{N}.-]+\.csv$/u);
});

test('a browser whose clock is wrong shows the same numbers', async ({ browser }) => {
  const errors: string[] = [];
  for (const wrong of [0, -3 * 3_600_000]) {
    const context = await browser.newContext();
    await shifted(context, server.now.shift + wrong);
    const page = await context.newPage();
    await page.goto(`${server.now.url}/f/guide/feed?range=1h`);
    await expect(page.getByTestId('numbers')).toBeVisible();
    errors.push((await page.getByTestId('numbers').innerText()).split('\n').find((line) => /^[1-9][\d,]*$/.test(line)) ?? 'none');
    await context.close();
  }
  expect(errors[0]).not.toBe('none');
  expect(errors[1]).toBe(errors[0]);
});
