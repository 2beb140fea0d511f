// One browser, one worker: two servers at a time would only make each other late.

import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: './specs',
  workers: 1,
  fullyParallel: false,
  retries: 0,
  forbidOnly: true,
  reporter: 'list',
  timeout: 30_000,
  expect: { timeout: 10_000 },
  outputDir: './node_modules/.results',
  use: {
    browserName: 'chromium',
    viewport: { width: 1360, height: 850 },
    locale: 'en-GB',
    timezoneId: 'Asia/Shanghai',
    launchOptions: {
      executablePath: process.env.RAMPART_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox'],
    },
  },
});
