import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiKey, readApiKeys } from '../../../src/server/api-keys-file.ts';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer } from '../server/toy-server.ts';
import { openToyStore } from '../server/toy-versions.ts';
import { findFaults, keepPictures, phoneOverflow, type WebHarness } from './web-harness.ts';

/** Tests of the playground; the harness is there once tests run. */
export function testPlayground(use: () => WebHarness): void {
  let harness: WebHarness;
  beforeAll(() => {
    harness = use();
  });

  describe('of a server with a store', () => {
    let toy: Awaited<ReturnType<typeof openToyStore>>;
    let server: Server;
    let url: string;
    beforeAll(async () => {
      toy = await openToyStore();
      server = await createToyServer({ store: toy.store, versionsDir: toy.versionsDir, webDir: harness.webDir });
      url = await server.listen();
    });
    afterAll(async () => {
      await server?.close();
      await toy?.remove();
    });

    it('is where the root of the server leads, without a key, and says so itself', async () => {
      const { page, takeErrors } = await harness.open(url);
      expect(page.url()).toBe(`${url}/ui/`);
      await page.getByRole('heading', { name: 'Playground', level: 1 }).waitFor();
      await page.getByText('itera-lite-micro').first().waitFor();
      expect(takeErrors()).toEqual([]);
      await page.context().close();
    });

    it('shows tokens as they come, with probabilities and alternatives for keyboard and pointer', async () => {
      const { page, takeErrors } = await harness.open(`${url}/ui/`);
      await page.getByLabel('Seed').fill('7');
      await page.getByLabel('Most tokens').fill('150');
      await page.getByRole('button', { name: 'Generate' }).click();
      const tokens = page.getByRole('option').and(page.locator('.token'));
      await tokens.first().waitFor();
      const early = await tokens.count();
      await page.getByText('Done, 150 tokens').waitFor();
      expect(early).toBeLessThan(150);
      expect(await tokens.count()).toBe(150);

      const list = page.getByRole('listbox', { name: 'Tokens of the output' });
      await list.focus();
      await page.getByText('Token 1:').waitFor();
      await page.keyboard.press('ArrowRight');
      await page.getByText('Token 2:').waitFor();
      await page.keyboard.press('End');
      await page.getByText('Token 150:').waitFor();
      await tokens.nth(4).hover();
      await page.getByText('Token 5:').waitFor();
      expect(await page.locator('.alternatives tbody tr').count()).toBeGreaterThanOrEqual(5);
      expect(await page.locator('.alternatives tbody tr.drawn').count()).toBe(1);
      await page.getByText('tokens/s').waitFor();
      await page.locator('.facts').getByText('Energy').waitFor();

      expect(await findFaults(page)).toEqual([]);
      expect(await phoneOverflow(page)).toBeLessThanOrEqual(0);
      await keepPictures(page, 'playground');
      expect(takeErrors()).toEqual([]);
      await page.context().close();
    });

    it('sends a thumb, stars and a correction to the store', async () => {
      const { page, takeErrors } = await harness.open(`${url}/ui/`);
      await page.getByLabel('Prompt').fill('The little dog');
      await page.getByLabel('Most tokens').fill('8');
      await page.getByRole('button', { name: 'Generate' }).click();
      await page.getByText(/^Done/).waitFor();
      const output = (await page.locator('.tokens .token').allInnerTexts()).join('');
      await page.getByRole('button', { name: 'Bad' }).click();
      await page.getByRole('radio', { name: '2 stars' }).check();
      await page.getByLabel('What should have come instead').fill(' ran home.');
      await page.getByLabel('Comment').fill('too sad');
      await page.getByRole('button', { name: 'Send feedback' }).click();
      await page.getByText('Your feedback is kept.').waitFor();
      const [item] = await toy.store.listFeedback();
      expect(item).toMatchObject({
        ...{ prompt: 'The little dog', correct: false, rating: 2, correction: ' ran home.', comment: 'too sad' },
      });
      expect(item?.output?.trim().slice(0, 3)).toBe(output.trim().slice(0, 3));
      expect(takeErrors()).toEqual([]);
      await page.context().close();
    });

    it('stops at Escape, and then takes feedback on what there is', async () => {
      const { page, takeErrors } = await harness.open(`${url}/ui/`);
      await page.getByLabel('Most tokens').fill('1000');
      await page.getByLabel('Prompt').press('Control+Enter');
      await page.locator('.tokens .token').nth(3).waitFor();
      await page.keyboard.press('Escape');
      await page.getByText(/^Stopped after/).waitFor();
      await page.getByRole('button', { name: 'Good' }).click();
      await page.getByRole('button', { name: 'Send feedback' }).click();
      await page.getByText('Your feedback is kept.').waitFor();
      const kept = await toy.store.listFeedback();
      expect(kept.at(-1)).toMatchObject({ prompt: 'Once upon a time', correct: true });
      expect(takeErrors()).toEqual([]);
      await page.context().close();
    });

    it('suggests words while someone types, and leaves the Tab key alone', async () => {
      const { page, takeErrors } = await harness.open(`${url}/ui/`);
      const field = page.getByLabel('Prompt');
      await field.fill('');
      await field.pressSequentially('Once upon a ti');
      const group = page.getByRole('group', { name: 'Suggestions' });
      await group.getByRole('button').first().waitFor();
      const first = (await group.locator('.suggestion-text').first().textContent()) ?? '';
      await page.keyboard.press('Control+Space');
      expect(await field.inputValue()).toBe(`Once upon a ti${first}`);
      await group.getByRole('button').nth(1).waitFor();
      await page.keyboard.press('Alt+2');
      expect((await field.inputValue()).length).toBeGreaterThan(`Once upon a ti${first}`.length);
      await page.keyboard.press('Tab');
      expect(await field.evaluate('document.activeElement.id')).not.toBe('prompt');
      await page.getByLabel('Suggest', { exact: true }).uncheck();
      await group.getByText('Suggestions are off.').waitFor();
      expect(takeErrors()).toEqual([]);
      await page.context().close();
    });
  });

  it('says without a store how to start one', async () => {
    const server = await createToyServer({ webDir: harness.webDir });
    const { page, takeErrors } = await harness.open(`${await server.listen()}/ui/`);
    await page.getByLabel('Most tokens').fill('4');
    await page.getByRole('button', { name: 'Generate' }).click();
    await page.getByText('This server keeps no feedback.').waitFor();
    expect(await page.getByRole('button', { name: 'Send feedback' }).count()).toBe(0);
    expect(takeErrors()).toEqual([]);
    await page.context().close();
    await server.close();
  });

  it('asks for a key that the server wants, and keeps it in the tab only', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'itera-web-keys-'));
    const key = await createApiKey(join(dir, 'keys.json'), 'anna', ['infer', 'feedback']);
    const keys = await readApiKeys(join(dir, 'keys.json'));
    const server = await createToyServer({ keys, webDir: harness.webDir });
    const { page } = await harness.open(`${await server.listen()}/ui/`);
    await page.getByRole('textbox', { name: 'Key' }).fill('itera_wrong');
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByRole('heading', { name: 'This key is not known' }).waitFor();
    await page.getByRole('textbox', { name: 'Key' }).fill(key);
    await page.getByRole('button', { name: 'Use this key' }).click();
    await page.getByLabel('Most tokens').fill('4');
    await page.getByRole('button', { name: 'Generate' }).click();
    await page.getByText('Done, 4 tokens').waitFor();
    expect(await page.evaluate('[...Array(localStorage.length)].map((_, at) => localStorage.key(at))')).toEqual([]);
    expect(JSON.stringify(await page.context().storageState())).not.toContain(key);
    await page.context().close();
    await server.close();
    await rm(dir, { recursive: true });
  });
}
