// Everything that a copied link must carry lives in the address.

import { BEGIN } from '../support/seed.ts';
import { expect, serving, shifted, test, type Page } from '../support/test.ts';

const server = serving('seeded');

const query = (page: Page) => Object.fromEntries(new URL(page.url()).searchParams);

test('what is chosen on the list survives reload and a look elsewhere', async ({ page }) => {
  await page.goto(`${server.now.url}/`);
  await page.getByTestId('filter').fill('guide');
  await page.getByRole('button', { name: 'Errors' }).or(page.locator('th.errors button')).first().click();
  await page.getByLabel('Time zone').selectOption('America/New_York');
  await page.getByLabel('Theme').selectOption('dark');
  await page.getByLabel('Language').selectOption('zh');
  const kept = { q: 'guide', sort: 'errors', tz: 'America/New_York', theme: 'dark', lang: 'zh' };
  const same = async () => {
    await expect(page.getByTestId('filter')).toHaveValue('guide');
    expect(query(page)).toEqual(kept);
    await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
    await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN');
    await expect(page.locator('th.errors')).toHaveAttribute('aria-sort', 'descending');
    await expect(page.getByTestId('fleet-row').first()).toContainText('guide/');
    await expect(page.getByTestId('fleet-row').filter({ hasText: 'travel' })).toHaveCount(0);
  };
  await same();
  await page.reload();
  await same();
  await page.getByRole('link', { name: 'guide/feed' }).first().click();
  await expect(page.getByTestId('chart-qps')).toBeVisible();
  expect(query(page)).toEqual({ tz: 'America/New_York', theme: 'dark', lang: 'zh' });
  await page.goBack();
  await same();
});

test('what is chosen on a function survives reload, and the back button takes back a range', async ({ page }) => {
  await page.goto(`${server.now.url}/f/guide/feed`);
  await page.getByRole('button', { name: '15m', exact: true }).click();
  await page.getByRole('button', { name: '1h', exact: true }).click();
  await page.getByRole('button', { name: 'Yesterday' }).click();
  await page.getByLabel('split by').selectOption('unit');
  expect(query(page)).toEqual({ range: '1h', compare: '7d', by: 'unit' });
  await page.reload();
  await expect(page.getByRole('button', { name: '1h', exact: true })).toHaveAttribute('aria-pressed', 'true');
  await expect(page.getByRole('button', { name: 'Yesterday' })).toHaveAttribute('aria-pressed', 'false');
  await expect(page.getByLabel('split by')).toHaveValue('unit');
  await page.goBack();
  await expect(page.getByRole('button', { name: '15m', exact: true })).toHaveAttribute('aria-pressed', 'true');
});

test('bad values in an address fall back instead of breaking the page', async ({ page }) => {
  await page.goto(`${server.now.url}/f/guide/feed?range=99y&compare=x&by=%3Cimg%3E&tz=Moon/Base&lang=xx&theme=pink&from=9&to=3&dir=up`);
  await expect(page.getByRole('button', { name: '5m', exact: true })).toHaveAttribute('aria-pressed', 'true');
  await expect(page.getByTestId('chart-qps').locator('canvas')).toBeVisible();
});

/** The curve as a table says it. */
async function table(page: Page): Promise<string[]> {
  const chart = page.getByTestId('chart-qps');
  await chart.getByTestId('view-as-table').click();
  await expect(chart.locator('tbody tr').nth(20)).toBeVisible();
  return chart.locator('tbody tr').allInnerTexts();
}

test('a copied link shows somebody else the same curve, later too', async ({ page, context, browser }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(`${server.now.url}/f/guide/feed?range=5m&tz=Asia/Shanghai`);
  await expect(page.getByTestId('chart-qps').locator('canvas')).toBeVisible();
  await page.getByTestId('copy-link').click();
  let link = '';
  await expect.poll(async () => (link = await page.evaluate(() => navigator.clipboard.readText()))).toContain('from=');
  const { from, to, tz } = Object.fromEntries(new URL(link).searchParams);
  expect(Number(to) - Number(from)).toBe(300);
  expect(Math.abs(Number(to) * 1000 - BEGIN)).toBeLessThan(90_000);
  expect(tz).toBe('Asia/Shanghai');
  await page.goto(link);
  const first = await table(page);
  expect(new Set(first).size).toBeGreaterThan(100);
  expect(first.filter((line) => /\s[1-9][\d.]*\s/.test(line)).length).toBeGreaterThan(100);
  await page.waitForTimeout(3_000);
  const others = await browser.newContext({ timezoneId: 'America/New_York' });
  await shifted(others, server.now.shift);
  const other = await others.newPage();
  await other.goto(link);
  expect(await table(other)).toEqual(first);
  await others.close();
});
