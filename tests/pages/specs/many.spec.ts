// Ten thousand functions: all can be reached, few are in the document.

import { expect, serving, test, untilHeard } from '../support/test.ts';

const server = serving('many');

test('scrolls to the end, finds one, and keeps few rows in the document', async ({ page }) => {
  await page.goto(`${server.now.url}/?sort=function&dir=asc`);
  const rows = page.getByTestId('fleet-row');
  await expect(rows.first()).toContainText('space-0/function-00000');
  await expect(page.getByTestId('fleet-table')).toHaveAttribute('aria-rowcount', '10001');
  expect(await rows.count()).toBeLessThan(120);
  for (const part of [0.25, 0.5, 0.75, 1]) {
    await page.evaluate((share) => scrollTo(0, document.documentElement.scrollHeight * share), part);
    await expect(rows.first()).toBeVisible();
    expect(await rows.count()).toBeLessThan(120);
  }
  await expect(rows.last()).toHaveAttribute('aria-rowindex', '10001');
  await expect(rows.last()).toBeInViewport();

  await page.getByTestId('filter').fill('function-07777');
  await expect(rows).toHaveCount(1);
  await expect(rows.first()).toContainText('space-17/function-07777');
  await expect(rows.first()).toBeInViewport();
});

test('no key is lost, however fast they come', async ({ page }) => {
  await page.goto(`${server.now.url}/`);
  await expect(page.getByTestId('fleet-row').first()).toBeVisible();
  await untilHeard(page, '/', (patience) => expect(page.getByTestId('filter')).toBeFocused(patience));
  await page.keyboard.type('function-07777');
  await expect(page.getByTestId('filter')).toHaveValue('function-07777');
  await expect(page.getByTestId('fleet-row')).toHaveCount(1);
  await page.keyboard.press('Escape');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await expect(page.locator('h1')).toContainText('space-17/function-07777');
});
