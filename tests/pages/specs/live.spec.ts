// Fresh data in every tab, and the truth when there is none.

import { expect, serving, test } from '../support/test.ts';

test.use({ allowed: [/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_SOCKET_NOT_CONNECTED|ERR_EMPTY_RESPONSE/] });
const server = serving('seeded');

test('seven tabs all get data; three at most hold a stream', async ({ context, page: first }) => {
  const pages = [first];
  while (pages.length < 7) pages.push(await context.newPage());
  await Promise.all(pages.map((page, index) => page.goto(`${server.now.url}/${index % 2 === 0 ? '' : 'f/guide/feed'}`)));
  for (const [index, page] of pages.entries()) {
    await expect(page.getByTestId(index % 2 === 0 ? 'fleet-row' : 'verdict').first()).toContainText(/\w/);
    await expect(page.getByTestId('data-age')).toHaveClass(/live|polling/);
  }
  // Data goes on in each of them, and none counts as old.
  const ages = () => Promise.all(pages.map((page) => page.getByTestId('data-age').innerText()));
  const before = await ages();
  await expect.poll(async () => (await ages()).filter((text, index) => text !== before[index]).length).toBe(7);
  const states = () => Promise.all(pages.map((page) => page.getByTestId('data-age').getAttribute('class')));
  const count = async (state: string) => (await states()).filter((one) => one?.includes(state)).length;
  // Two tabs that took the same place at the same moment find out when they renew it.
  await expect.poll(() => count('live')).toBeLessThanOrEqual(3);
  await expect.poll(() => count('live')).toBeGreaterThanOrEqual(1);
  await expect.poll(() => count('polling')).toBeGreaterThanOrEqual(4);
  for (const page of pages) await expect(page.getByTestId('stale')).toHaveCount(0);
});

test('when the server is gone, old data stays and is called old', async ({ context, page }) => {
  const other = await context.newPage();
  await page.goto(`${server.now.url}/`);
  await other.goto(`${server.now.url}/f/guide/feed`);
  await expect(page.getByTestId('fleet-row').first()).toContainText('guide/feed');
  await expect(other.getByTestId('chart-qps').locator('canvas')).toBeVisible();
  await expect(page.getByTestId('data-age')).toHaveClass(/live/);
  const verdict = await other.getByTestId('verdict').innerText();
  await server.now.kill();
  await Promise.all([page, other].map((one) => expect(one.getByTestId('stale')).toBeVisible({ timeout: 8_000 })));
  await expect(page.getByTestId('fleet-row').first()).toContainText('guide/feed');
  await expect(other.getByTestId('numbers')).toBeVisible();
  await expect(other.getByTestId('chart-qps').locator('canvas')).toBeVisible();
  await expect(other.getByTestId('verdict')).not.toHaveText(verdict);
  await expect(page.locator('main')).toHaveClass(/stale/);
});
