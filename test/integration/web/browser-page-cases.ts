import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compressModel } from '../../../src/compression/compress-model.ts';
import { writeVariants } from '../../../src/compression/write-variants-file.ts';
import type { VariantName } from '../../../src/models/variants.ts';
import { loadModel, openModel } from '../../../src/runtime/load-model-file.ts';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer } from '../server/toy-server.ts';
import { findFaults, keepPictures, phoneOverflow, type WebHarness } from './web-harness.ts';

const prompt = 'Once upon a time';
const newTokens = 24;

/** Tests of the page that runs the model; the harness is there once tests run. */
export function testBrowserPage(use: () => WebHarness): void {
  let harness: WebHarness;
  let dir: string;
  let server: Server;
  let url: string;
  beforeAll(async () => {
    harness = use();
    dir = await mkdtemp(join(tmpdir(), 'itera-web-model-'));
    const folder = await openModel('itera-lite-micro');
    const settings = { variants: ['fp16'], calibration: { seed: 1, tokens: 1000 }, version: '0.0.0' } as const;
    const compressed = await writeVariants(folder, await compressModel(folder, settings), join(dir, 'model'));
    server = await createToyServer({ folder: compressed, webDir: harness.webDir });
    url = `${await server.listen()}/ui/browser.html`;
  });
  afterAll(async () => {
    await server?.close();
    if (dir) await rm(dir, { recursive: true, force: true });
  });

  async function greedyInNode(variant: VariantName): Promise<string> {
    const model = await loadModel(join(dir, 'model'), { variant });
    let text = '';
    for await (const piece of model.generate(prompt, { maxNewTokens: newTokens, temperature: 0 })) text += piece.text;
    await model.release();
    return text;
  }

  async function greedyInPage(page: Page, variant: VariantName): Promise<string> {
    await page.getByLabel('Variant').selectOption(variant);
    await page.getByRole('button', { name: 'Load' }).click();
    await page.getByText(`${variant} is loaded:`).waitFor({ timeout: 30_000 });
    await page.getByLabel('Most tokens').fill(`${newTokens}`);
    await page.getByLabel('Temperature').fill('0');
    await page.getByRole('button', { name: 'Generate' }).click();
    await page.getByText(`Done, ${newTokens} tokens`).waitFor();
    return (await page.locator('.generated').textContent()) ?? '';
  }

  it('generates what Node does, in fp32 and fp16, and without the server once loaded', {
    timeout: 60_000,
  }, async () => {
    const { page, takeErrors } = await harness.open(url);
    expect(await greedyInPage(page, 'fp16')).toBe(await greedyInNode('fp16'));
    const expected = await greedyInNode('fp32');
    expect(await greedyInPage(page, 'fp32')).toBe(expected);

    await page.context().setOffline(true);
    await page.getByRole('button', { name: 'Generate' }).click();
    await page.getByText('Generating').waitFor({ state: 'hidden' });
    expect(await page.locator('.generated').textContent()).toBe(expected);

    await page.getByLabel('Most tokens').fill('4000');
    await page.getByRole('button', { name: 'Generate' }).click();
    await page.getByText('tokens/s').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText(/^Stopped after/).waitFor();
    expect(await findFaults(page)).toEqual([]);
    expect(await phoneOverflow(page)).toBeLessThanOrEqual(0);
    await keepPictures(page, 'browser');
    expect(takeErrors()).toEqual([]);
    await page.context().close();
  });

  it('runs a folder of the computer, and says what one lacks', { timeout: 60_000 }, async () => {
    const { page, takeErrors } = await harness.open(url);
    await page.getByLabel('a folder of this computer').check();
    await page.getByLabel('Model folder').setInputFiles(join(dir, 'model'));
    expect(await greedyInPage(page, 'fp32')).toBe(await greedyInNode('fp32'));
    await page.getByLabel('Model folder').setInputFiles('texts');
    expect(await page.getByRole('button', { name: 'Load' }).isDisabled()).toBe(true);
    expect(takeErrors()).toEqual([]);
    await page.context().close();
  });
}
