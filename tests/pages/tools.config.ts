// Not tests: pictures for the documentation and measurements. They run the same way as the tests do.

import { defineConfig } from '@playwright/test';
import plain from './playwright.config.ts';

export default defineConfig({ ...plain, testDir: './tools', testMatch: '*.ts', reporter: 'line', timeout: 400_000 });
