import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import axe, { type AxeResults } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { chromiumPath } from '../../requirements.ts';

/** A page, and what went wrong in it. */
export interface OpenPage {
  readonly page: Page;
  /** Errors of the console and of scripts, refusals of the content security policy among them; reading empties it. */
  takeErrors(): string[];
}

export interface WebHarness {
  /** The built pages, for `webDir` of a server. */
  readonly webDir: string;
  open(url: string, options?: BrowserContextOptions): Promise<OpenPage>;
  close(): Promise<void>;
}

/** Builds the pages and starts Chromium. */
export async function startWebHarness(): Promise<WebHarness> {
  const webDir = await mkdtemp(join(tmpdir(), 'itera-web-'));
  await build({ configFile: 'web/vite.config.ts', logLevel: 'silent', build: { outDir: webDir } });
  const browser = await launch();
  return {
    webDir,
    async open(url, options = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
      const page = await context.newPage();
      let errors: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
      });
      page.on('pageerror', (error) => errors.push(error.message));
      // Whatever is asked of another origin than the server's is a fault.
      page.on('request', (request) => {
        if (new URL(request.url()).origin !== new URL(url).origin) errors.push(`request to ${request.url()}`);
      });
      page.setDefaultTimeout(10_000);
      await page.goto(url);
      return {
        page,
        takeErrors() {
          const taken = errors;
          errors = [];
          return taken;
        },
      };
    },
    async close() {
      await browser.close();
      await rm(webDir, { recursive: true, force: true });
    },
  };
}

function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
}

/** Serious and critical faults of accessibility, in light and in dark. */
export async function findFaults(page: Page): Promise<string[]> {
  const found: string[] = [];
  // As a command of the debugger, which the page's policy does not bind.
  await page.evaluate(axe.source);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate<AxeResults>('axe.run(document)');
    for (const { id, impact, nodes } of violations) {
      if (impact !== 'serious' && impact !== 'critical') continue;
      found.push(...nodes.map(({ html, failureSummary }) => `${colorScheme} ${id}: ${html}\n${failureSummary}`));
    }
  }
  await page.emulateMedia({ colorScheme: null });
  return found;
}

/** Pixels by which a page is wider than a phone. */
export async function phoneOverflow(page: Page): Promise<number> {
  const { width = 1280, height = 900 } = page.viewportSize() ?? {};
  await page.setViewportSize({ width: 390, height: 844 });
  const pixels = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
  await page.setViewportSize({ width, height });
  return pixels;
}

/** Keeps pictures of a page for whoever wants to look at it, in the folder that `ITERA_SCREENSHOTS` names. */
export async function keepPictures(page: Page, name: string): Promise<void> {
  const dir = process.env['ITERA_SCREENSHOTS'];
  if (dir === undefined) return;
  await mkdir(dir, { recursive: true });
  for (const [kind, width, colorScheme] of [
    ['light', 1280, 'light'],
    ['dark', 1280, 'dark'],
    ['phone', 390, 'light'],
  ] as const) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    // Charts follow the width of their place with the next drawing.
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(dir, `${name}-${kind}.png`), fullPage: true });
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize({ width: 1280, height: 900 });
}
