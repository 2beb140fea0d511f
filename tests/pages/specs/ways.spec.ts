// Ways in and wrong ways.

import { TOKENS } from '../support/server.ts';
import { expect, serving, test, untilHeard } from '../support/test.ts';

test.use({ allowed: [/401|404/] });

test.describe('with data', () => {
  const server = serving('seeded');

  test('j, k and Enter walk the list; g and a letter change the page; ? tells the keys', async ({ page }) => {
    await page.goto(`${server.now.url}/?sort=function&dir=asc`);
    await expect(page.getByTestId('fleet-row').first()).toBeVisible();
    const chosen = page.locator('[data-testid=fleet-row][aria-selected=true]');
    await untilHeard(page, 'j', (patience) => expect(chosen).toHaveCount(1, patience));
    const first = Number(await chosen.getAttribute('aria-rowindex'));
    for (const key of ['j', 'j', 'j', 'k']) await page.keyboard.press(key);
    await expect(chosen).toHaveAttribute('aria-rowindex', String(first + 2));
    const name = await chosen.getByRole('link').innerText();
    await page.keyboard.press('Enter');
    await expect(page.locator('h1')).toContainText(name);
    for (const [letter, end] of [['i', '/incidents'], ['r', '/rules'], ['s', '/system'], ['f', '/']]) {
      await page.keyboard.press('g');
      await page.keyboard.press(letter!);
      await expect.poll(() => new URL(page.url()).pathname).toBe(end);
    }
    await page.keyboard.press('?');
    await expect(page.getByRole('dialog')).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await page.getByTestId('filter').focus();
    await page.keyboard.type('gj?', { delay: 150 });
    await expect(page.getByTestId('filter')).toHaveValue('gj?');
    await expect(page.getByRole('dialog')).toHaveCount(0);
  });

  test('a function that is not known is told with others that are like it', async ({ page }) => {
    await page.goto(`${server.now.url}/f/guide/fed`);
    await expect(page.getByTestId('missing')).toContainText('guide/fed');
    await page.getByTestId('missing').getByRole('link', { name: 'guide/feed' }).click();
    await expect(page.getByTestId('numbers')).toBeVisible();
  });

  test('incidents and pages that are not known say so', async ({ page }) => {
    await page.goto(`${server.now.url}/incidents/zzzzzzzz`);
    await expect(page.getByTestId('missing')).toContainText('zzzzzzzz');
    for (const path of ['/nowhere', '/f/guide', '/f/guide/feed/more', '/incidents/a/b', '/%E0%A4%A']) {
      await page.goto(server.now.url + path);
      await expect(page.getByTestId('missing'), path).toBeVisible();
    }
    await page.getByTestId('missing').getByRole('link').click();
    await expect(page.getByTestId('fleet-row').first()).toBeVisible();
  });

  test('every chart can be read as a table', async ({ page }) => {
    await page.goto(`${server.now.url}/f/guide/feed`);
    for (const name of ['chart-qps', 'chart-success', 'chart-latency', 'chart-outcomes']) {
      const chart = page.getByTestId(name);
      await chart.getByTestId('view-as-table').click();
      await expect(chart.locator('tbody tr').nth(100)).toBeAttached();
      await expect(chart.locator('canvas')).toBeHidden();
      await chart.getByTestId('view-as-table').click();
      await expect(chart.locator('canvas')).toBeVisible();
    }
  });

  test('sources and rules stand on their pages', async ({ page }) => {
    await page.goto(`${server.now.url}/system`);
    await expect(page.getByTestId('source-row').filter({ hasText: 'sdk' })).toHaveCount(1);
    await page.goto(`${server.now.url}/rules`);
    await expect(page.locator('#SuccessRateLow')).toContainText('guide/feed');
  });
});

test.describe('without data', () => {
  const server = serving('empty');

  test('an empty system says how the first call comes in', async ({ page }) => {
    await page.goto(`${server.now.url}/`);
    await expect(page.getByTestId('empty')).toContainText(`curl ${server.now.url}/api/v1/invocations`);
    await page.goto(`${server.now.url}/incidents`);
    await expect(page.getByTestId('empty')).toBeVisible();
    await page.goto(`${server.now.url}/`);
    await expect(page.getByTestId('empty')).toBeVisible();
    await server.now.send(['{"namespace":"guide","function":"first","outcome":"ok","duration_ms":12}']);
    await expect(page.getByTestId('fleet-row')).toContainText('guide/first');
  });
});

test.describe('with tokens', () => {
  const server = serving('tokens', false);

  test('a wrong token is told, a right one lets in and is kept for the tab', async ({ page }) => {
    await page.goto(`${server.now.url}/f/guide/feed`);
    await expect(page.getByTestId('signin')).toBeVisible();
    await expect(page.getByRole('alert')).toHaveCount(0);
    const field = page.getByTestId('signin').getByLabel('Token');
    await field.fill('not-a-token');
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('signin').getByRole('alert')).toBeVisible();
    await field.fill(TOKENS.viewer.token);
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('numbers')).toBeVisible();
    await expect(page.getByTestId('data-age')).toHaveClass(/live|polling/);
    await page.reload();
    await expect(page.getByTestId('numbers')).toBeVisible();
    expect(page.url()).not.toContain(TOKENS.viewer.token);
  });
});

test.describe('below a path', () => {
  const server = serving('below');

  test('every link, asset and request stays below it', async ({ page }) => {
    const outside: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(`${server.now.url}/guard/`) && !request.url().startsWith('data:')) outside.push(request.url());
    });
    await page.goto(`${server.now.url}/guard/`);
    await page.getByRole('link', { name: 'guide/feed', exact: true }).click();
    await expect(page.getByTestId('numbers')).toBeVisible();
    expect(new URL(page.url()).pathname).toBe('/guard/f/guide/feed');
    await page.reload();
    await expect(page.getByTestId('chart-qps').locator('canvas')).toBeVisible();
    for (const [name, path] of [['Incidents', 'incidents'], ['Rules', 'rules'], ['System', 'system'], ['Functions', '']] as const) {
      await page.getByRole('navigation').getByRole('link', { name }).click();
      expect(new URL(page.url()).pathname).toBe(`/guard/${path}`);
    }
    await expect(page.getByTestId('fleet-row').first()).toBeVisible();
    expect(outside).toEqual([]);
  });
});
