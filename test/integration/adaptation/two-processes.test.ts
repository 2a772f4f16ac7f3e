import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runAdaptation } from '../../../src/adaptation/adapt.ts';
import { openStore } from '../../../src/adaptation/store/store.ts';
import { findVersionFaults } from '../../../src/adaptation/version-folder.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { requirement } from '../../requirements.ts';
import { type PostgresServer, startPostgresServer } from '../../unit/adaptation/postgres-server.ts';
import { writeStories } from '../../unit/compression/toy-folder.ts';
import { startProcess } from '../cli/command-line.ts';
import { shortFeedback, shortOptions } from './short-feedback.ts';

const postgresql = requirement('postgresql');

let dir: string;
let text: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-two-'));
  text = await writeStories(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Two adaptations of one store at once, from nothing: neither has recorded the base model yet. */
async function adaptTwice(location: string, versionsDir: string) {
  const store = await openStore(location);
  await store.addFeedback(shortFeedback);
  await store.close();
  const given = [...shortOptions(text), '--store', location, '--versions', versionsDir, '--json'];
  const ended = await Promise.all([0, 1].map(() => startProcess('adapt', ...given).ended));
  return ended.toSorted((a, b) => Number(a.code) - Number(b.code));
}

/** The one run went through, and everything about it is whole. */
async function checkStore(location: string, versionsDir: string): Promise<void> {
  const store = await openStore(location);
  expect((await store.listRuns()).map(({ status }) => status)).toEqual(['promoted']);
  const versions = await store.listVersions();
  expect(versions.map(({ id }) => id)).toEqual(['v1', 'v2']);
  for (const version of versions) expect(await findVersionFaults(version, versionsDir)).toEqual([]);
  expect((await readdir(versionsDir)).sort()).toEqual(['store.json', 'v1', 'v2']);
  expect(await store.verifyAudit()).not.toHaveProperty('fault');
  await store.close();
}

describe.skipIf(!postgresql.available)(`two adaptations on a PostgreSQL server ${postgresql.reason}`, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgresServer();
  });
  afterAll(() => server?.stop());

  it('are one that goes through and one that is refused', async () => {
    const [location, versionsDir] = [await server.createDatabase(), join(dir, 'server')];
    const [first, second] = await adaptTwice(location, versionsDir);
    expect([first?.code, second?.code], `${first?.stderr}${second?.stderr}`).toEqual([0, 1]);
    expect(second?.stderr).toMatch(/^RUN_IN_PROGRESS: .*Wait until it ends/m);
    await checkStore(location, versionsDir);
  }, 90_000);

  it('record the base model once, also when both find none', async () => {
    const folder = await openModel('itera-lite-micro');
    for (let round = 0; round < 10; round++) {
      const versionsDir = join(dir, `round-${round}`);
      const location = await server.createDatabase();
      const stores = [await openStore(location), await openStore(location), await openStore(location)];
      const options = { versionsDir, seed: 1, threads: 1, version: '0' };
      const ended = await Promise.allSettled(
        stores.map((store) => runAdaptation(store, folder, 'itera-lite-micro', options)),
      );
      // There is no feedback: who has its turn finds nothing to learn.
      const outcomes = ended.map((end) => (end.status === 'fulfilled' ? end.value.run.status : `${end.reason}`));
      for (const outcome of outcomes) expect(outcome).toMatch(/^skipped$|Expected no adaptation run to be running/);
      const [first, ...others] = await stores[0]!.listVersions();
      expect([first?.id, others, await readdir(versionsDir)]).toEqual(['v1', [], ['store.json', 'v1']]);
      expect(await findVersionFaults(first!, versionsDir)).toEqual([]);
      await Promise.all(stores.map((store) => store.close()));
    }
  }, 60_000);
});

describe('two adaptations on an embedded store', () => {
  it('are one that goes through and one that finds the store in use', async () => {
    const [location, versionsDir] = [join(dir, 'store'), join(dir, 'embedded')];
    const [first, second] = await adaptTwice(location, versionsDir);
    expect([first?.code, second?.code], `${first?.stderr}${second?.stderr}`).toEqual([0, 1]);
    expect(second?.stderr).toMatch(/^STORE_IN_USE: /m);
    await checkStore(location, versionsDir);
  }, 90_000);
});
