import { appendFile, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { promoteVersion } from '../../../src/adaptation/deployment.ts';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer, get, post } from './toy-server.ts';
import { addVersions, openToyStore } from './toy-versions.ts';

let toy: Awaited<ReturnType<typeof openToyStore>>;
let server: Server;
beforeEach(async () => {
  toy = await openToyStore();
});
afterEach(async () => {
  await server.close();
  await toy.remove();
});
const start = async (options: object = {}): Promise<void> => {
  const { store, versionsDir } = toy;
  server = await createToyServer({ store, versionsDir, liveCheckMs: 10, pollMs: 50, ...options });
};

const ask = (more: object = {}) => post(server, '/infer', { input_text: 'Once upon a time', max_length: 8, ...more });
const json = async (url: string) => JSON.parse((await get(server, url)).text);
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries > 200) throw new Error('Expected it to become so within 4 seconds.');
    await sleep(20);
  }
}

describe('a store without versions', () => {
  it('keeps inferences and feedback on them; the base model answers as v1', async () => {
    await start();
    const { body } = await ask({ client: 'anna', seed: 1 });
    expect(body.model_version).toBe('v1');
    const judged = { feedback_id: body.inference_id, user_rating: 2, comments: 'dull', tags: ['tone'], client: 'bob' };
    const given = await post(server, '/feedback', judged);
    expect(given).toMatchObject({ status: 200, body: { duplicate: false } });
    const [item] = await toy.store.listFeedback();
    expect(item).toMatchObject({
      ...{ id: given.body.id, prompt: 'Once upon a time', output: body.output_text, rating: 2, comment: 'dull' },
      ...{ client: 'anna', version: 'v1', tags: ['tone'] },
    });
    expect((await post(server, '/feedback', judged)).body).toEqual({ id: null, duplicate: true });
    const whole = { prompt: 'The dog', output: ' ran.', correctness: false, correction: ' sat.', client: 'bob' };
    expect((await post(server, '/feedback', whole)).status).toBe(200);
    const { recent, ...summary } = await json('/v1/feedback');
    expect(summary).toEqual({
      ...{ total: 2, negative: 2, corrections: 1, ratings: { 2: 1 } },
      versions: expect.arrayContaining([
        { version: 'v1', total: 1, negative: 1 },
        { total: 1, negative: 1 },
      ]),
    });
    expect(recent).toMatchObject([
      { prompt: 'The dog', correctness: false },
      { id: given.body.id, user_rating: 2 },
    ]);
    expect(await json('/v1/versions')).toEqual({ data: [], deployment: null, serving: { promoted: 'v1' } });
    expect((await post(server, '/v1/rollback', {})).status).toBe(404);
    expect(await json('/ready')).toMatchObject({ status: 'ready', store: 'reachable' });
  });

  it('keeps completions too, each text by its own id, without the prompt that it echoes', async () => {
    await start();
    const body = { prompt: ['The dog', 'The cat'], max_tokens: 6, seed: 1, echo: true, user: 'anna' };
    const { choices } = (await post(server, '/v1/completions', body)).body;
    for (const { inference_id: id, text } of choices) {
      const { status } = await post(server, '/feedback', { feedback_id: id, correctness: true });
      expect(status).toBe(200);
      const item = (await toy.store.listFeedback()).at(-1);
      expect(`${item?.prompt}${item?.output}`).toBe(text);
      expect(item).toMatchObject({ client: 'anna', version: 'v1' });
    }
    const payload = { prompt: 'The dog', max_tokens: 6, stream: true };
    const stream = await server.app.inject({ method: 'POST', url: '/v1/completions', payload });
    const events = stream.body.split('\n\n').filter((line) => line.startsWith('data: {'));
    const ids = events.map((line) => JSON.parse(line.slice(6)).choices[0].inference_id);
    expect(ids.slice(0, -1).every((id) => id === undefined)).toBe(true);
    expect((await post(server, '/feedback', { feedback_id: ids.at(-1), user_rating: 5 })).status).toBe(200);
  });

  it('refuses feedback that says nothing, or of nothing', async () => {
    await start();
    const wrong: readonly object[] = [
      { inference_id: '00000000-0000-4000-8000-000000000000', user_rating: 1 },
      { prompt: 'a', output: 'b' },
      { prompt: 'a', user_rating: 1 },
      { user_rating: 1 },
      { prompt: 'a', output: 'b', user_rating: 1, version: 'v9' },
      { prompt: 'a', output: 'b', user_rating: 6 },
      { prompt: 'a', output: 'b', user_rating: 1, stars: 1 },
    ];
    for (const body of wrong) {
      const answer = await post(server, '/feedback', body);
      expect([answer.status, answer.body.error.type], JSON.stringify(body)).toEqual([400, 'invalid_request_error']);
    }
  });

  it('records no inference if that is not wanted', async () => {
    await start({ recordInferences: false });
    expect((await ask()).body.inference_id).toBeNull();
  });

  it('starts a run in the background, one at a time, and lists it', async () => {
    await start({ adaptation: { variants: [] } });
    const starts = await Promise.all([post(server, '/adapt', {}), post(server, '/adapt', {})]);
    const [first, second] = starts.toSorted((a, b) => a.status - b.status);
    expect([first?.status, second?.status]).toEqual([202, 409]);
    expect(second?.body.error.code).toBe('run_in_progress');
    const { id } = first?.body.run ?? {};
    await until(async () => (await json(`/v1/adaptations/${id}`)).status !== 'running');
    const run = await json(`/v1/adaptations/${id}`);
    expect(run).toMatchObject({
      id,
      status: 'skipped',
      trigger: 'manual',
      reason: expect.stringContaining('too little feedback'),
    });
    expect((await json('/v1/adaptations')).data.map((one: { id: string }) => one.id)).toEqual([id]);
    expect((await get(server, '/v1/adaptations/none')).status).toBe(404);
  });
});

describe('a store with versions', () => {
  it('promotes, goes back, and lets a canary answer some', async () => {
    await addVersions(toy.store, toy.versionsDir, 2);
    await start();
    expect((await json('/v1/versions')).data.map(({ id }: { id: string }) => id)).toEqual(['v1', 'v2']);
    expect((await json('/v1/adaptations')).data[0]).toMatchObject({ candidate: 'v2', findings: [{ passed: false }] });
    expect((await ask()).body.model_version).toBe('v1');
    expect((await post(server, '/v1/versions/v2/promote', {})).body).toMatchObject({ promoted: 'v2', previous: 'v1' });
    expect((await ask()).body.model_version).toBe('v2');
    expect((await post(server, '/v1/versions/v2/promote', {})).status).toBe(400);
    expect((await post(server, '/v1/versions/v9/promote', {})).status).toBe(404);
    expect((await post(server, '/v1/rollback', {})).body).toMatchObject({ promoted: 'v1' });
    expect((await ask()).body.model_version).toBe('v1');
    const canary = { canary_percent: 50 };
    expect((await post(server, '/v1/versions/v2/promote', canary)).body.canary).toEqual({ version: 'v2', percent: 50 });
    const people = Array.from({ length: 24 }, (_, at) => `reader-${at}`);
    const versions = await Promise.all(people.map(async (client) => (await ask({ client })).body.model_version));
    expect(new Set(versions)).toEqual(new Set(['v1', 'v2']));
    const again = await Promise.all(people.map(async (client) => (await ask({ client })).body.model_version));
    expect(again).toEqual(versions);
  });

  it('swaps under load without a request that fails', async () => {
    await addVersions(toy.store, toy.versionsDir, 2);
    await start();
    const seen: [status: number, version: string][] = [];
    let isOver = false;
    const readers = Array.from({ length: 16 }, async () => {
      while (!isOver) {
        const { status, body } = await ask({ max_length: 12 });
        seen.push([status, body.model_version]);
      }
    });
    for (let swap = 0; swap < 3; swap++) {
      await sleep(100);
      expect((await post(server, '/v1/versions/v2/promote', {})).status).toBe(200);
      const before = seen.length;
      // What is asked from now on is answered by the new version.
      expect((await ask()).body.model_version).toBe('v2');
      await until(async () => seen.length > before + 20);
      expect((await post(server, '/v1/rollback', {})).body.promoted).toBe('v1');
    }
    isOver = true;
    await Promise.all(readers);
    expect(seen.length).toBeGreaterThan(60);
    expect(seen.filter(([status]) => status !== 200)).toEqual([]);
    expect(new Set(seen.map(([, version]) => version))).toEqual(new Set(['v1', 'v2']));
  });

  it('finds a promotion by someone else, and keeps the old version if the new one does not load', async () => {
    await addVersions(toy.store, toy.versionsDir, 3);
    await start();
    await promoteVersion(toy.store, toy.versionsDir, 'v2');
    await until(async () => (await ask()).body.model_version === 'v2');
    await promoteVersion(toy.store, toy.versionsDir, 'v1');
    await until(async () => (await ask()).body.model_version === 'v1');
    const from = await toy.store.deployment();
    await appendFile(join(toy.versionsDir, 'v3', 'model.safetensors'), 'x');
    const next = { promoted: 'v3', previous: 'v1' };
    await toy.store.changeDeployment(from as NonNullable<typeof from>, { action: 'promote', next, reason: 'a test' });
    await until(async () => (await json('/ready')).fault !== undefined);
    expect(await json('/ready')).toMatchObject({
      status: 'ready',
      version: 'v1',
      fault: { version: 'v3', reason: 'VERSION_CORRUPT' },
    });
    expect((await ask()).body.model_version).toBe('v1');
    await post(server, '/v1/rollback', {});
    await until(async () => (await json('/ready')).fault === undefined);
  });

  it('is not ready, and says so to all, when its model stops and does not load any more', async () => {
    await addVersions(toy.store, toy.versionsDir, 1);
    await start({ isolate: true });
    expect(await json('/ready')).toMatchObject({ status: 'ready' });
    await rename(toy.versionsDir, `${toy.versionsDir}-away`);
    const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8');
    const models = await Promise.all(
      children
        .trim()
        .split(' ')
        .map(async (pid) => [pid, await readFile(`/proc/${pid}/cmdline`, 'utf8')] as const),
    );
    for (const [pid, line] of models) if (line.includes('model-process')) process.kill(Number(pid), 'SIGKILL');
    await until(async () => (await ask()).status === 503);
    const answer = await ask();
    expect([answer.status, answer.body.error.code, answer.headers['retry-after']]).toEqual([
      ...[503, 'model_unavailable', '5'],
    ]);
    const ready = await get(server, '/ready');
    expect(ready.status).toBe(503);
    expect(JSON.parse(ready.text)).toMatchObject({ fault: { version: 'v1', reason: 'MODEL_UNAVAILABLE' } });
    await rename(`${toy.versionsDir}-away`, toy.versionsDir);
    await until(async () => (await ask()).status === 200);
    expect(await json('/ready')).toMatchObject({ status: 'ready' });
  });

  it('is rolled back when live feedback on the new version is worse', async () => {
    await addVersions(toy.store, toy.versionsDir, 2);
    await promoteVersion(toy.store, toy.versionsDir, 'v2');
    await start();
    expect((await ask()).body.model_version).toBe('v2');
    for (let at = 0; at < 24; at++) {
      const item = { prompt: `They number ${at}`, output: ' lived.', client: `reader-${at}` };
      expect((await post(server, '/feedback', { ...item, version: 'v1', user_rating: 5 })).status).toBe(200);
      expect((await post(server, '/feedback', { ...item, version: 'v2', user_rating: 1 })).status).toBe(200);
    }
    await until(async () => (await ask()).body.model_version === 'v1');
    expect((await toy.store.deployment())?.promoted).toBe('v1');
  });
});
