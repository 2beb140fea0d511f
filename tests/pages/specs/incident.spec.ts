// Who has it: by keys alone, from two places at once, and never by merely looking.

import { TOKENS } from '../support/server.ts';
import { expect, serving, shifted, signedIn, test, untilHeard, watch } from '../support/test.ts';

// The browser itself reports the refusal that is wanted here.
test.use({ allowed: [/403/] });
const server = serving('tokens');

interface Whole {
  status: string;
  acknowledged: { by: string } | null;
  timeline: { kind: string; by?: string }[];
}
const whole = async () => server.now.get<Whole>(`/api/v1/incidents/${(await server.now.incident()).id}`);

test('looking at pages never acknowledges', async ({ context, page }) => {
  await signedIn(context, TOKENS.first.token);
  const { id } = await server.now.incident();
  const heard = server.now.heard[0] as { acknowledge_url: string };
  const phone = server.now.url + new URL(heard.acknowledge_url).pathname;
  for (const path of ['/', '/incidents', `/incidents/${id}`, '/f/guide/feed', '/rules', '/system']) {
    await page.goto(server.now.url + path);
    await expect(page.getByTestId('data-age')).not.toHaveText(/loading/i);
  }
  for (const method of ['GET', 'HEAD']) expect((await fetch(phone, { method })).status).toBeLessThan(500);
  await page.goto(phone);
  await expect(page.locator('body')).toContainText('guide/feed');
  expect((await whole()).status).toBe('open');
});

test('a viewer is told why not', async ({ browser }) => {
  const context = await browser.newContext();
  await shifted(context, server.now.shift);
  await signedIn(context, TOKENS.viewer.token);
  const page = await context.newPage();
  await page.goto(`${server.now.url}/incidents/${(await server.now.incident()).id}`);
  await page.getByTestId('acknowledge').click();
  await expect(page.locator('.said')).toContainText(/role|may not|responder/i);
  expect((await whole()).status).toBe('open');
  await context.close();
});

test('a silence is seen on the incident, and so is its end', async ({ context, page }) => {
  await signedIn(context, TOKENS.first.token);
  const { id } = await server.now.incident();
  const asked = (method: string, path: string, body?: object) =>
    fetch(server.now.url + path, {
      method,
      headers: { authorization: `Bearer ${TOKENS.first.token}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
  const instant = (seconds: number) => new Date(Date.now() + server.now.shift + seconds * 1000).toISOString();
  const matchers = [{ name: 'namespace', value: 'guide', isRegex: false, isEqual: true }];
  const silence = { matchers, startsAt: instant(-1), endsAt: instant(3_600), createdBy: 'ann', comment: 'deploy' };
  const made = await asked('POST', '/api/v2/silences', silence);
  expect(made.status).toBe(200);
  const { silenceID } = (await made.json()) as { silenceID: string };
  await page.goto(`${server.now.url}/incidents/${id}`);
  await expect(page.getByTestId('muted')).toContainText('silenced by ann');
  await expect(page.getByTestId('timeline')).toContainText('Muted');
  expect((await asked('DELETE', `/api/v2/silence/${silenceID}`)).status).toBe(200);
  await expect(page.getByTestId('muted')).toHaveCount(0);
});

test('keys alone acknowledge; a second time is harmless and says who has it', async ({ context, page, browser }) => {
  await signedIn(context, TOKENS.first.token);
  const others = await browser.newContext();
  await shifted(others, server.now.shift);
  await signedIn(others, TOKENS.second.token);
  const wrong = watch(others, []);
  const other = await others.newPage();
  const { id } = await server.now.incident();
  await other.goto(`${server.now.url}/incidents/${id}`);
  await expect(other.getByTestId('acknowledge')).toBeVisible();

  await page.goto(`${server.now.url}/incidents`);
  await expect(page.getByTestId('incident-row')).toHaveCount(1);
  await untilHeard(page, 'j', (patience) => expect(page.getByTestId('incident-row').locator('.what a')).toBeFocused(patience));
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('acknowledge')).toBeVisible();
  await untilHeard(page, 'a', (patience) => expect(page.getByTestId('acknowledge')).toBeFocused(patience));
  expect((await whole()).status, 'the key a alone must not act').toBe('open');
  await page.keyboard.press('Enter');
  await expect(page.locator('.standing')).toContainText('Li Lei');
  const first = await whole();
  expect(first.status).toBe('acknowledged');
  expect(first.acknowledged?.by).toContain('Li Lei');

  await expect(other.locator('.standing')).toContainText('Li Lei');
  await other.getByTestId('acknowledge').click();
  await expect(other.locator('.said')).toContainText('Li Lei');
  const second = await whole();
  expect(second.status).toBe('acknowledged');
  expect(second.acknowledged?.by).toBe(first.acknowledged?.by);
  expect(second.timeline.filter((entry) => entry.kind === 'acknowledged')).toHaveLength(1);
  expect(wrong).toEqual([]);
  await others.close();
});

test('the button is reached by Tab', async ({ context, page }) => {
  await signedIn(context, TOKENS.first.token);
  await page.goto(`${server.now.url}/incidents/${(await server.now.incident()).id}`);
  const button = page.getByTestId('acknowledge');
  await expect(button).toBeVisible();
  for (let press = 0; press < 20; press += 1) {
    await page.keyboard.press('Tab');
    if (await button.evaluate((element) => element === document.activeElement)) break;
  }
  await expect(button).toBeFocused();
  const outline = await button.evaluate((element) => getComputedStyle(element).outlineStyle);
  expect(outline).not.toBe('none');
});
