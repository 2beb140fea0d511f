// Every page of every test: its clock goes with the server's, and nothing may complain.

import { test as plain, expect, type BrowserContext, type Page } from '@playwright/test';
import { Server, type Kind } from './server.ts';

export { expect };
export type { Page };

interface Watched {
  /** What the console may say, besides nothing. */
  allowed: RegExp[];
}

/** The clock of a context's pages, shifted like the server's. */
export async function shifted(context: BrowserContext, shift: number): Promise<void> {
  await context.addInitScript((by) => {
    const Real = Date;
    class Shifted extends Real {
      constructor(...given: ConstructorParameters<DateConstructor> | []) {
        if (given.length === 0) super(Real.now() + by);
        else super(...(given as ConstructorParameters<DateConstructor>));
      }
      static override now() {
        return Real.now() + by;
      }
    }
    globalThis.Date = Shifted as DateConstructor;
  }, shift);
}

/** Remembers the token as signing in would. */
export async function signedIn(context: BrowserContext, token: string): Promise<void> {
  await context.addInitScript((value) => {
    // A page that has no address yet has no storage either.
    if (location.protocol.startsWith('http')) sessionStorage.setItem('rampart-token', value);
  }, token);
}

/** Collects what goes wrong in a context's pages. */
export function watch(context: BrowserContext, allowed: RegExp[]): string[] {
  const wrong: string[] = [];
  const note = (text: string) => {
    if (!allowed.some((pattern) => pattern.test(text))) wrong.push(text);
  };
  context.on('console', (message) => message.type() === 'error' && note(`console: ${message.text()}`));
  context.on('weberror', (error) => note(`error: ${error.error().message}`));
  context.on('dialog', (dialog) => {
    note(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return wrong;
}

export const test = plain.extend<Watched>({
  allowed: [[], { option: true }],
  context: async ({ context, allowed }, use) => {
    const wrong = watch(context, allowed);
    await use(context);
    expect(wrong).toEqual([]);
  },
});

/** One server for the tests of a file. */
export function serving(kind: Kind, incident = kind === 'seeded' || kind === 'tokens'): { readonly now: Server } {
  let server: Server | undefined;
  test.beforeAll(async () => {
    test.setTimeout(90_000);
    server = await Server.start(kind);
    if (incident) await server.incident();
  });
  test.beforeEach(async ({ context }) => {
    if (server) await shifted(context, server.shift);
  });
  test.afterAll(async () => server?.stop());
  return {
    get now() {
      if (!server) throw new Error('the server does not stand');
      return server;
    },
  };
}

/** Presses a key until the page hears it: it begins to listen a frame after it is seen. */
export async function untilHeard(page: Page, key: string, heard: (patience: { timeout: number }) => Promise<void>): Promise<void> {
  await expect(async () => {
    await page.keyboard.press(key);
    await heard({ timeout: 1_000 });
  }).toPass({ timeout: 10_000 });
}
