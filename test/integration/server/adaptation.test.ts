import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scenarioFile } from '../../../src/adaptation/scenarios.ts';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer, get, post } from './toy-server.ts';
import { openToyStore } from './toy-versions.ts';

let toy: Awaited<ReturnType<typeof openToyStore>>;
let server: Server;
beforeAll(async () => {
  toy = await openToyStore();
  server = await createToyServer({
    ...{ store: toy.store, versionsDir: toy.versionsDir, liveCheckMs: 1500, pollMs: 200 },
    adaptation: { automatic: { negatives: 50 }, steps: 30, variants: [], baseTexts: ['stories'] },
  });
});
afterAll(async () => {
  await server.close();
  await toy.remove();
});

const json = async (url: string) => JSON.parse((await get(server, url)).text);
const ask = async () => (await post(server, '/infer', { input_text: 'So Ann and Ben', max_length: 4 })).body;

it('learns from feedback by itself once there is enough, answers meanwhile, and serves what passed the gate', async () => {
  expect((await ask()).model_version).toBe('v1');
  const lines = (await readFile(scenarioFile('phrase'), 'utf8')).trim().split('\n');
  for (const line of lines) {
    const { prompt, output, rating, correct, correction, client } = JSON.parse(line);
    const said = { prompt, output, user_rating: rating, correctness: correct, correction, client };
    const given = await post(server, '/feedback', said);
    expect(given.status, JSON.stringify(given.body)).toBe(200);
  }
  let during: { readonly energy: object } | undefined;
  for (let tries = 0; ; tries++) {
    const [run] = (await json('/v1/adaptations')).data;
    if (run && run.status !== 'running') break;
    if (run) during = await ask();
    expect(tries).toBeLessThan(600);
    await sleep(200);
  }
  expect(during?.energy).toMatchObject({ status: 'estimated' });
  const [run] = (await json('/v1/adaptations')).data;
  expect(run, JSON.stringify(run.findings)).toMatchObject({
    status: 'promoted',
    trigger: 'negativeFeedback',
    candidate: 'v2',
  });
  expect(run.findings.map(({ passed }: { passed: boolean }) => passed)).not.toContain(false);
  for (let tries = 0; (await ask()).model_version !== 'v2'; tries++) {
    expect(tries).toBeLessThan(100);
    await sleep(50);
  }
  expect((await post(server, '/v1/rollback', {})).body).toMatchObject({ promoted: 'v1' });
  expect((await ask()).model_version).toBe('v1');
}, 150_000);
