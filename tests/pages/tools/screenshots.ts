// The pictures of the documentation, from the real pages over calls that are made up but the same each time.

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, serving, test } from '../support/test.ts';

const FOLDER = resolve(import.meta.dirname, '../../../docs/images');
const server = serving('pictures', false);

const save = async (page: Page, name: string) => {
  // Lines reach the present and everything that loads has loaded.
  await page.waitForTimeout(2_500);
  await page.mouse.move(0, 0);
  await page.screenshot({ path: resolve(FOLDER, `${name}.png`) });
};

test('pictures', async ({ page }) => {
  mkdirSync(FOLDER, { recursive: true });
  const end = server.now.goOn();
  const { id } = await server.now.incident();
  await page.waitForTimeout(15_000);
  await page.goto(`${server.now.url}/?tz=Asia/Shanghai&theme=light`);
  await expect(page.getByTestId('fleet-row').first()).toBeVisible();
  await save(page, 'fleet');
  await page.goto(`${server.now.url}/?tz=Asia/Shanghai&lang=zh&theme=dark`);
  await expect(page.getByTestId('fleet-row').first()).toBeVisible();
  await save(page, 'fleet-dark-zh');
  await page.goto(`${server.now.url}/f/guide/feed?tz=Asia/Shanghai&theme=light`);
  await expect(page.getByTestId('chart-outcomes').locator('canvas')).toBeVisible();
  await save(page, 'function');
  await page.goto(`${server.now.url}/incidents/${id}?tz=Asia/Shanghai&theme=light`);
  await expect(page.getByTestId('chart-qps').locator('canvas')).toBeVisible();
  await save(page, 'incident');
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`${server.now.url}/f/guide/feed?tz=Asia/Shanghai&theme=light`);
  await expect(page.getByTestId('chart-qps').locator('canvas')).toBeVisible();
  await save(page, 'function-phone');
  end();
});
