import { afterAll, beforeAll, describe } from 'vitest';
import { requirement } from '../../requirements.ts';
import { testBrowserPage } from './browser-page-cases.ts';
import { testDashboard } from './dashboard-cases.ts';
import { testPlayground } from './playground-cases.ts';
import { startWebHarness, type WebHarness } from './web-harness.ts';

const browserNeeded = requirement('chromium');

// One file, so that the pages are built once and all tests share a browser.
describe.skipIf(!browserNeeded.available)(`the web interface ${browserNeeded.reason}`, () => {
  let harness: WebHarness;
  beforeAll(async () => {
    harness = await startWebHarness();
  }, 120_000);
  afterAll(() => harness?.close());
  const use = (): WebHarness => harness;

  describe('playground', () => testPlayground(use));
  describe('dashboard', () => testDashboard(use));
  describe('in-browser page', () => testBrowserPage(use));
});
