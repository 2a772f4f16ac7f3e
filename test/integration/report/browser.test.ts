import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe, { type AxeResults } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderHtml } from '../../../src/report/html.ts';
import { chromiumPath, requirement } from '../../requirements.ts';
import { wholeReport } from '../../unit/report/example-report.ts';

let dir: string;
let url: string;
let browser: Browser;

const wide = { viewport: { width: 1280, height: 900 } };
const narrow = { viewport: { width: 390, height: 844 } };

/** The report in a page, and whatever went wrong in it: refusals of its policy, faults of its script, requests. */
async function open(options: BrowserContextOptions = wide): Promise<{ page: Page; errors: string[] }> {
  const page = await (await browser.newContext(options)).newPage();
  const errors: string[] = [];
  page.on('console', (message) => errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => {
    if (request.url().split('#')[0] !== url) errors.push(`request of ${request.url()}`);
  });
  page.setDefaultTimeout(10_000);
  await page.goto(url);
  return { page, errors };
}

describe.skipIf(!requirement('chromium').available)('the report in Chromium', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'itera-report-page-'));
    await writeFile(join(dir, 'index.html'), renderHtml(wholeReport));
    url = pathToFileURL(join(dir, 'index.html')).href;
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'];
    browser = await chromium.launch({ executablePath: chromiumPath, args });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(dir, { recursive: true, force: true });
  });

  it.each([
    ['a desk', wide],
    ['a telephone', narrow],
  ])('has no serious fault of accessibility on %s, in light and in dark', async (_place, options) => {
    const { page, errors } = await open(options);
    const { scrollWidth, clientWidth } = await page.evaluate(() => {
      const { documentElement: root } = document;
      return { scrollWidth: root.scrollWidth, clientWidth: root.clientWidth };
    });
    expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
    // By the debugger, which the page's policy does not bind.
    await page.evaluate(axe.source);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      // Rules take their time: only colours differ in the dark, and rows of one kind are all alike.
      const rules = colorScheme === 'light' ? '{}' : '{ runOnly: ["color-contrast"] }';
      const parts = '{ include: ["html"], exclude: [".part-records tr:nth-child(n+6)"] }';
      const { violations, passes } = await page.evaluate<AxeResults>(`axe.run(${parts}, ${rules})`);
      expect(passes.map(({ id }) => id)).toContain('color-contrast');
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(serious.map(({ id, nodes }) => `${colorScheme} ${id}: ${nodes[0]?.html}`)).toEqual([]);
    }
    expect(errors).toEqual([]);
  });

  it('tells of a mark what it stands for, by pointer and by keyboard, and leads to its record', async () => {
    const { page, errors } = await open();
    const mark = page.locator('.wide [aria-label^="Bits per byte"] a[data-mark="0"]');
    const tip = page.locator('.tip');
    await mark.hover();
    expect(await tip.textContent()).toBe('articles, test, 1.800 [1.769, 1.834]');
    await page.keyboard.press('Escape');
    expect(await tip.isVisible()).toBe(false);
    await mark.focus();
    expect(await tip.isVisible()).toBe(true);
    await page.keyboard.press('Enter');
    const row = page.locator(`tr${await mark.getAttribute('href')}`);
    await row.waitFor();
    expect(await row.locator('code').textContent()).toBe(wholeReport.records[0]?.id);
    expect(errors).toEqual([]);
  });

  it('hides and shows a series by its button', async () => {
    const { page } = await open();
    const figure = page.locator('figure.chart', { has: page.locator('.wide [aria-label^="Word perplexity"]') });
    const marks = figure.locator('.wide [data-series="int8"]');
    const button = figure.getByRole('button', { name: 'int8' });
    expect(await marks.first().isVisible()).toBe(true);
    await button.click();
    expect(await button.getAttribute('aria-pressed')).toBe('false');
    expect(await marks.first().isVisible()).toBe(false);
    expect(await figure.locator('.wide [data-series="int4"]').first().isVisible()).toBe(true);
    await button.press('Space');
    expect(await marks.first().isVisible()).toBe(true);
  });

  it('can be read without its script', async () => {
    const { page } = await open({ ...narrow, javaScriptEnabled: false });
    const text = (await page.locator('main').textContent()) ?? '';
    for (const { id } of wholeReport.records) expect(text).toContain(id);
    const chart = page.locator('.narrow svg').first();
    expect(await chart.isVisible()).toBe(true);
    expect(await page.locator('.wide svg').first().isVisible()).toBe(false);
    // Text as large as it says, for the chart is not made smaller to fit.
    expect((await chart.boundingBox())?.width).toBeGreaterThan(340);
    await page.locator('details > summary').click();
    expect(await page.locator('#record-1').isVisible()).toBe(true);
  });

  it('prints on several pages, its last part included', async () => {
    const { page } = await open();
    const pdf = await page.pdf({ preferCSSPageSize: true, tagged: true, outline: true });
    const text = pdf.toString('latin1');
    expect(text.match(/\/Type ?\/Page\b/g)?.length).toBeGreaterThan(3);
    expect(text.match(/\/MediaBox ?\[0 0 (\d+)/)?.[1]).toMatch(/59[456]/);
    // Titles of its outline: the first and the last heading.
    expect(text).toMatch(/\/Title ?\(Summary\)/);
    expect(text).toMatch(/\/Title ?\(Records\)/);
    await page.emulateMedia({ media: 'print' });
    expect(await page.locator('.on-paper').isVisible()).toBe(true);
    expect(await page.locator('nav').isVisible()).toBe(false);
    // At the width of the paper nothing is wider than it.
    await page.setViewportSize({ width: 703, height: 1000 });
    const cut = await page.evaluate(() =>
      [...document.querySelectorAll('main table')]
        .filter((table) => table.getBoundingClientRect().right > innerWidth + 1)
        .map((table) => table.querySelector('caption')?.textContent),
    );
    expect(cut).toEqual([]);
  });
});
