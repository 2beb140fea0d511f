// What is drawn is really drawn, on phones too, in both languages and themes; hostile names are only text.

import { CHINESE, HOSTILE, QUOTED } from '../support/seed.ts';
import { expect, serving, shifted, test, watch, type Page } from '../support/test.ts';

// An unknown function is a 404 of the API, which the browser reports.
test.use({ allowed: [/404/] });
const server = serving('seeded');
const path = (name: string) => `/f/${name.split('/').map(encodeURIComponent).join('/')}`;
const paths = async () => ['/', '/f/guide/feed', path('guide/hostile'), path(`store/${HOSTILE}`), '/incidents', `/incidents/${(await server.now.incident()).id}`, '/rules', '/system', '/nowhere', '/f/guide/unknown'];

/** The page has what it is going to show. */
async function settled(page: Page): Promise<void> {
  await expect(page.locator('main h1, main [data-testid=verdict]').first()).toBeAttached();
  if (/\/f\/guide\/(feed|hostile)/.test(page.url())) await expect(page.getByTestId('chart-outcomes').locator('canvas')).toBeVisible();
}

/** Pixels that have a colour of their own, not the grey of texts and hairlines. */
const coloured = (page: Page, chart: string) =>
  page.getByTestId(chart).locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
      const [red, green, blue, alpha] = [data[at]!, data[at + 1]!, data[at + 2]!, data[at + 3]!];
      if (alpha > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) found += 1;
    }
    return found;
  });

for (const theme of ['light', 'dark']) {
  test(`no chart is blank (${theme})`, async ({ page }) => {
    await page.goto(`${server.now.url}/f/guide/feed?theme=${theme}`);
    for (const chart of ['chart-qps', 'chart-success', 'chart-latency', 'chart-outcomes']) {
      await expect.poll(() => coloured(page, chart), { message: chart }).toBeGreaterThan(100);
    }
    await page.goto(`${server.now.url}/incidents/${(await server.now.incident()).id}?theme=${theme}`);
    await expect.poll(() => coloured(page, 'chart-qps')).toBeGreaterThan(100);
  });
}

test('nothing scrolls sideways on a narrow phone', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const wide: string[] = [];
  for (const lang of ['en', 'zh']) {
    for (const one of await paths()) {
      await page.goto(`${server.now.url}${one}?lang=${lang}`);
      await settled(page);
      const [whole, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      if (whole! > seen!) wide.push(`${one} (${lang}): ${whole} in ${seen}`);
    }
  }
  expect(wide).toEqual([]);
});

for (const lang of ['en', 'zh']) {
  for (const theme of ['light', 'dark']) {
    test(`every page has its words (${lang}, ${theme})`, async ({ page }) => {
      for (const one of await paths()) {
        await page.goto(`${server.now.url}${one}?lang=${lang}&theme=${theme}`);
        await settled(page);
        await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
        const text = await page.locator('body').innerText();
        const labels = await page.locator('[aria-label], [title], [placeholder]').evaluateAll((all) =>
          all.map((each) => ['aria-label', 'title', 'placeholder'].map((name) => each.getAttribute(name) ?? '').join(' ')).join('\n'));
        expect(`${text}\n${labels}`, one).not.toMatch(/\b(shell|fleet|function|incidents?|chart|rules|system|status|verdict|outcome|dimension|part)\.[a-zA-Z]+/);
        expect(`${text}\n${labels}`, one).not.toMatch(/\{[a-z]+\}|\bundefined\b|\bNaN\b|Invalid Date|\[object/);
        if (lang === 'zh') expect(text, one).toMatch(/\p{Script=Han}{2}/u);
      }
    });
  }
}

test('contrast: text and ground differ enough in both themes', async ({ page }) => {
  for (const theme of ['light', 'dark']) {
    await page.goto(`${server.now.url}/?theme=${theme}`);
    await expect(page.getByTestId('fleet-row').first()).toBeVisible();
    const ratios = await page.evaluate(() => {
      const light = (colour: string) => {
        const canvas = document.createElement('canvas').getContext('2d')!;
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
      };
      const style = getComputedStyle(document.documentElement);
      const ground = light(style.getPropertyValue('--page'));
      return ['--text', '--dim', '--accent', '--critical', '--warning'].map((name) => {
        const own = light(style.getPropertyValue(name));
        return [name, (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05)] as const;
      });
    });
    for (const [name, ratio] of ratios) expect(ratio, `${name} (${theme})`).toBeGreaterThanOrEqual(4.5);
  }
});

test('hostile names are only text', async ({ page }) => {
  for (const one of [...(await paths()), path(`store/${QUOTED}`), path(`guide/${CHINESE}`), '/f/guide/hostile?by=unit', '/f/guide/hostile?by=version']) {
    const answer = await page.goto(server.now.url + one);
    expect(answer?.headers()['content-security-policy'], one).toContain(`default-src 'self'`);
    await settled(page);
    if (one.startsWith('/f/guide/hostile')) {
      await page.getByTestId('chart-qps').getByTestId('view-as-table').click();
      await expect(page.getByTestId('breakdown-unit')).toContainText(HOSTILE);
    }
    expect(await page.locator('img, iframe, object, embed, body script, [onerror], [onload]').count(), one).toBe(0);
  }
  await page.goto(`${server.now.url}/?q=${encodeURIComponent('<img')}`);
  await expect(page.getByTestId('fleet-row')).toHaveCount(1);
  await page.getByTestId('fleet-row').getByRole('link').click();
  await expect(page.locator('h1')).toContainText(HOSTILE);
  await page.goto(`${server.now.url}${path(`guide/${CHINESE}`)}`);
  await expect(page.locator('h1')).toContainText(`guide/${CHINESE}`);
  await expect(page.getByTestId('chart-qps').locator('canvas')).toBeVisible();
});

test('no request leaves the server', async ({ browser }) => {
  const context = await browser.newContext();
  await shifted(context, server.now.shift);
  const wrong = watch(context, []);
  const page = await context.newPage();
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(server.now.url) && !request.url().startsWith('data:')) elsewhere.push(request.url());
  });
  for (const one of (await paths()).filter((each) => !/nowhere|unknown/.test(each))) {
    await page.goto(server.now.url + one);
    await settled(page);
  }
  expect(elsewhere).toEqual([]);
  expect(wrong).toEqual([]);
  await context.close();
});
