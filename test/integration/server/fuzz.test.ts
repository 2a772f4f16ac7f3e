import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { createApiKey, readApiKeys } from '../../../src/server/api-keys-file.ts';
import type { Server } from '../../../src/server/server.ts';
import type { ServerOptions } from '../../../src/server/server-options.ts';
import { checkAnswer } from './fuzz/answer-check.ts';
import { fuzzRequests, type Operation, readOperations } from './fuzz/http-requests.ts';
import { createToyServer, get, post } from './toy-server.ts';
import { addVersions, openToyStore } from './toy-versions.ts';

/** Requests to each of the three servers. */
const count = Math.ceil(Number(process.env['ITERA_FUZZ_REQUESTS'] ?? 600) / 3);
const timeLimitMs = 10_000;

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function start(options: Partial<ServerOptions>): Promise<Server> {
  const limits = { maxNewTokens: 8, maxPromptTokens: 200, maxConcurrent: 8, deadlineMs: timeLimitMs };
  const server = await createToyServer({ ...limits, ...options });
  endings.push(() => server.close());
  return server;
}

interface FuzzOptions {
  readonly seed: number;
  /** Of runs. */
  readonly ids?: readonly string[];
  readonly skips?: (operation: Operation) => boolean;
  /** The header of those who may do everything, and others. */
  readonly keys?: readonly string[];
}

/** Sends requests one after the other, and checks each answer, and that the model says the same before and after. */
async function fuzz(server: Server, { seed, ids, skips, keys }: FuzzOptions): Promise<ReadonlyMap<number, number>> {
  const operations = readOperations(JSON.parse((await get(server, '/openapi.json')).text));
  const authorized = keys?.[0] === undefined ? {} : { authorization: keys[0] };
  const say = () => post(server, '/infer', { input_text: 'The dog', max_length: 8, seed: 1 }, authorized);
  const before = await say();
  expect(before.status).toBe(200);
  const statuses = new Map<number, number>();
  const chosen = operations.filter((operation) => !skips?.(operation));
  const authorization = keys && fc.oneof(fc.constantFrom(...keys), fc.constant(undefined));
  await fc.assert(
    fc.asyncProperty(fuzzRequests(chosen, ids, authorization), async (request) => {
      const { method, url, headers, payload } = request;
      const began = performance.now();
      const answer = await server.app.inject({
        ...{ method: method as 'GET', url, headers },
        ...(payload && { payload }),
      });
      expect(performance.now() - began).toBeLessThan(timeLimitMs);
      statuses.set(answer.statusCode, (statuses.get(answer.statusCode) ?? 0) + 1);
      checkAnswer(request, answer);
    }),
    { numRuns: count, seed },
  );
  const after = await say();
  expect([after.status, after.body.output_text]).toEqual([200, before.body.output_text]);
  return statuses;
}

it('answers whatever its document allows, and what it does not, without a store', async () => {
  const statuses = await fuzz(await start({}), { seed: 7 });
  for (const status of [200, 400, 404, 503]) expect(statuses.has(status)).toBe(true);
}, 3_600_000);

it('does with a store, versions and runs', async () => {
  const { store, versionsDir, remove } = await openToyStore();
  endings.push(remove);
  await addVersions(store, versionsDir, 2);
  const server = await start({ store, versionsDir });
  // It would begin to learn from what was said here.
  const skips = ({ path }: Operation): boolean => path === '/adapt';
  const ids = (await store.listRuns()).map(({ id }) => id);
  const statuses = await fuzz(server, { seed: 8, ids, skips });
  for (const status of [200, 400, 404]) expect(statuses.has(status)).toBe(true);
  expect(statuses.has(503)).toBe(false);
}, 3_600_000);

it('does with keys, and lets nobody in without', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'itera-fuzz-'));
  endings.push(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'keys.json');
  const all = await createApiKey(path, 'all', ['infer', 'feedback', 'admin']);
  const some = await createApiKey(path, 'some', ['feedback']);
  const server = await start({ keys: await readApiKeys(path) });
  // Most requests are to get past the keys.
  const right = Array.from({ length: 12 }, () => `Bearer ${all}`);
  const given = [...right, `bearer ${some}`, all, `Basic ${all}`, 'Bearer ', `Bearer ${all}x`, 'Bearer \xe9'];
  const statuses = await fuzz(server, { seed: 9, keys: given });
  for (const status of [200, 401, 403]) expect(statuses.has(status)).toBe(true);
}, 3_600_000);
