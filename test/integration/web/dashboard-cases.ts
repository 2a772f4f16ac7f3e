import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CandidateEvidence } from '../../../src/adaptation/candidate/candidate-evidence.ts';
import { createApiKey, readApiKeys } from '../../../src/server/api-keys-file.ts';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer, post } from '../server/toy-server.ts';
import { addVersions, openToyStore } from '../server/toy-versions.ts';
import { findFaults, keepPictures, phoneOverflow, type WebHarness } from './web-harness.ts';

const measured: NonNullable<CandidateEvidence['measured']> = {
  heldOut: {
    examples: 24,
    lossDifference: { value: -0.412, interval: [-0.61, -0.24] },
    wantedRatio: { value: 0.71, interval: [0.62, 0.8] },
    unwantedFactor: { value: 0.33, interval: [0.2, 0.52] },
  },
  base: [
    {
      ...{ text: 'stories', documents: 40, bitsPerByte: [1.628, 1.634] },
      ratio: { value: 1.0037, interval: [0.999, 1.009] },
    },
  ],
  notRun: [{ text: 'wikitext-2', reason: 'The dataset is not on this machine.' }],
  variants: [{ variant: 'int8', passed: true, sentence: 'int8 on stories: +0.12%, within the 1% allowed.' }],
  latency: { value: 1.004, interval: [0.98, 1.03], rounds: 15 },
};
const findings = [
  { name: 'heldOut', passed: true, sentence: 'Held-out feedback is significantly better: -0.412 nats a token.' },
  { name: 'base', passed: false, sentence: 'Bits per byte on stories: beyond the 2% allowed.' },
];

/** Tests of the dashboard; the harness is there once tests run. */
export function testDashboard(use: () => WebHarness): void {
  let harness: WebHarness;
  let toy: Awaited<ReturnType<typeof openToyStore>>;
  let server: Server;
  let url: string;
  beforeAll(async () => {
    harness = use();
    toy = await openToyStore();
    const { store, versionsDir } = toy;
    await addVersions(store, versionsDir, 2);
    const run = await store.startRun({ trigger: 'negativeFeedback', seed: 1, parent: 'v1', settings: {} });
    await store.endRun(run.id, { status: 'rejected', evidence: { findings, measured } });
    server = await createToyServer({ store, versionsDir, webDir: harness.webDir });
    url = await server.listen();
    for (const rating of [1, 4, 5, 5]) {
      const output = ` a day with ${rating} <b>trees</b>.`;
      await post(server, '/feedback', { prompt: 'It was', output, user_rating: rating, version: 'v1' });
    }
    await post(server, '/feedback', { prompt: 'It was', output: ' not.', correction: ' sunny.', correctness: false });
  });
  afterAll(async () => {
    await server?.close();
    await toy?.remove();
  });

  it('draws live numbers', async () => {
    const { page, takeErrors } = await harness.open(`${url}/ui/dashboard.html`);
    const tokens = page.locator('.tiles > div', { hasText: 'Tokens drawn' }).locator('dd');
    await tokens.waitFor();
    const before = Number(await tokens.textContent());
    await post(server, '/infer', { input_text: 'Once', max_length: 20, seed: 1 });
    await expect.poll(() => tokens.textContent(), { timeout: 10_000 }).toBe(`${before + 20}`);
    const figure = page.locator('figure', { has: page.getByRole('img', { name: 'Tokens drawn' }) });
    await figure.locator('svg.itera-chart').waitFor();
    expect(await figure.locator('figcaption').textContent()).toMatch(/^ ?tokens\s[\d.]+ per s$/);
    expect(await page.getByRole('img', { name: 'Latency of requests' }).count()).toBe(1);
    expect(takeErrors()).toEqual([]);
    await page.context().close();
  });

  it('shows feedback as text, and the evidence of a run with its chart', async () => {
    const { page, takeErrors } = await harness.open(`${url}/ui/dashboard.html`);
    await page.getByText('a day with 5 <b>trees</b>.').first().waitFor();
    await page.getByRole('img', { name: 'Ratings' }).waitFor();
    await page.getByRole('button', { name: /^Show/ }).first().click();
    await page.getByText('Bits per byte on stories: beyond the 2% allowed.').waitFor();
    const evidence = page.getByRole('region', { name: 'Evidence of the run' });
    expect(await evidence.textContent()).toContain('0.71 [0.62, 0.8]');
    expect(await evidence.textContent()).toContain('The dataset is not on this machine.');
    await page.getByRole('img', { name: 'After adaptation by before' }).waitFor();

    expect(await findFaults(page)).toEqual([]);
    expect(await phoneOverflow(page)).toBeLessThanOrEqual(0);
    await keepPictures(page, 'dashboard');
    expect(takeErrors()).toEqual([]);
    await page.context().close();
  });

  it('promotes a version, for some or for all, and rolls back', async () => {
    const { page, takeErrors } = await harness.open(`${url}/ui/dashboard.html`);
    await page.getByRole('button', { name: 'Promote v2' }).click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Promote v2' }).click();
    await page.getByLabel('Only for this share').fill('25');
    expect(await findFaults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Promote', exact: true }).click();
    await page.getByText('v2 answers 25% of clients, v1 the others.').waitFor();
    await page.getByText('canary, 25%').waitFor();

    await page.getByRole('button', { name: 'Promote v2' }).click();
    await page.getByRole('button', { name: 'Promote', exact: true }).click();
    await page.getByText('v2 answers.').waitFor();
    expect((await toy.store.deployment())?.promoted).toBe('v2');
    await page.locator('.served').getByText('v2').waitFor();

    await page.getByRole('button', { name: 'Roll back' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
    await page.getByText('v1 answers.').waitFor();
    expect((await toy.store.deployment())?.promoted).toBe('v1');
    expect(takeErrors()).toEqual([]);
    await page.context().close();
  });

  it('compares variants with one prompt', async () => {
    const { page, takeErrors } = await harness.open(`${url}/ui/dashboard.html`);
    await page.getByRole('button', { name: 'Compare', exact: true }).click();
    const result = page.locator('.comparison article');
    await result.getByText('tokens/s').waitFor();
    expect(await result.locator('h3').allInnerTexts()).toEqual(['fp32']);
    expect(takeErrors()).toEqual([]);
    await page.context().close();
  });

  it('says why a run does not start', async () => {
    const going = await toy.store.startRun({ trigger: 'manual', seed: 1, parent: 'v1', settings: {} });
    const { page } = await harness.open(`${url}/ui/dashboard.html`);
    await page.getByRole('button', { name: 'Start a run' }).click();
    await page.getByText(/An adaptation run goes on already/).waitFor();
    expect(await page.locator('.fault').textContent()).toContain('shows it');
    await toy.store.endRun(going.id, { status: 'failed', reason: 'ended by the test' });
    await page.context().close();
  });

  it('is whole without a store', async () => {
    const plain = await createToyServer({ webDir: harness.webDir });
    const { page, takeErrors } = await harness.open(`${await plain.listen()}/ui/dashboard.html`);
    await page.getByText('This server has no store').waitFor();
    await page.getByRole('img', { name: 'Generations' }).waitFor();
    expect(takeErrors()).toEqual([]);
    await page.context().close();
    await plain.close();
  });

  it('shows what the key allows, and says of the rest that it does not', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'itera-web-keys-'));
    const key = await createApiKey(join(dir, 'keys.json'), 'reader', ['infer']);
    const keys = await readApiKeys(join(dir, 'keys.json'));
    const own = await openToyStore();
    const guarded = await createToyServer({
      store: own.store,
      versionsDir: own.versionsDir,
      keys,
      webDir: harness.webDir,
    });
    const { page } = await harness.open(`${await guarded.listen()}/ui/dashboard.html`);
    await page.getByRole('textbox', { name: 'Key' }).fill(key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.locator('.tiles').first().waitFor();
    await page.getByText('fp32', { exact: true }).waitFor();
    const refused = page.getByText(/The key does not allow this/);
    await expect.poll(() => refused.count()).toBe(3);
    await page.context().close();
    await guarded.close();
    await own.remove();
    await rm(dir, { recursive: true });
  });
}
