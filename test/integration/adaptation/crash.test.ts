import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../../src/adaptation/store/store.ts';
import { findVersionFaults } from '../../../src/adaptation/version-folder.ts';
import { createRandom } from '../../../src/core/random.ts';
import { writeStories } from '../../unit/compression/toy-folder.ts';
import { cacheDir } from '../cli/command-line.ts';
import { shortFeedback, shortOptions } from './short-feedback.ts';

/** `ITERA_KILLS` asks for more. */
const kills = Number(process.env['ITERA_KILLS'] ?? 6);
/** Stores that are treated so at the same time, because a process uses one core most of the time. */
const lanes = [0, 1];

let dir: string;
let text: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-crash-'));
  text = await writeStories(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Starts an adaptation with all its processes in a group of its own, which ends with this process at the latest. */
function startAdaptation(location: string): { readonly child: ChildProcess; readonly ended: Promise<number | null> } {
  const given = ['adapt', ...shortOptions(text), '--store', location];
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...given], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, ITERA_DATA_DIR: '', ITERA_CACHE_DIR: cacheDir },
  });
  const killAtExit = () => killGroup(child);
  process.once('exit', killAtExit);
  const ended = once(child, 'exit').then(([code]) => {
    process.off('exit', killAtExit);
    return code as number | null;
  });
  return { child, ended };
}

/** The command and the process that it learns in. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

async function makeStore(name: string): Promise<string> {
  const location = join(dir, name);
  const store = await openStore(location);
  await store.addFeedback(shortFeedback);
  await store.close();
  return location;
}

/** Checks all that a crash must not lose, and adds a piece of feedback, which the next one must not lose either. */
async function checkStore(location: string, feedback: number): Promise<void> {
  const store = await openStore(location);
  expect(await store.listFeedback()).toHaveLength(feedback);
  expect(await store.verifyAudit()).not.toHaveProperty('fault');
  const deployment = await store.deployment();
  const versions = await store.listVersions();
  for (const version of versions.filter(({ state }) => state !== 'deleted')) {
    expect(await findVersionFaults(version, join(location, 'versions')), `${version.id} of ${location}`).toEqual([]);
  }
  expect(deployment !== undefined).toBe(versions.length > 0);
  await store.addFeedback([{ prompt: `after ${feedback}`, output: ' x', rating: 3 }]);
  await store.close();
}

/** Kills an adaptation at each of the moments, or sooner if it ends by itself before. */
async function killAt(location: string, moments: readonly number[]): Promise<void> {
  for (const [at, moment] of moments.entries()) {
    for (let after = moment, code: number | null = 0; code !== null; after *= 0.7) {
      const { child, ended } = startAdaptation(location);
      await Promise.race([wait(after), ended]);
      killGroup(child);
      code = await ended;
    }
    await checkStore(location, shortFeedback.length + at);
  }
}

async function finish(location: string, dead: number): Promise<void> {
  expect([0, 3]).toContain(await startAdaptation(location).ended);
  await checkStore(location, shortFeedback.length + dead);
  const store = await openStore(location);
  const [last, ...before] = await store.listRuns();
  for (const { status } of before) expect(['failed', 'promoted', 'rejected']).toContain(status);
  // A run whose end came before the kill has promoted already what can be learnt: the same again is not better.
  expect(last?.status).toBe(before.some(({ status }) => status === 'promoted') ? 'rejected' : 'promoted');
  expect(before.filter(({ status }) => status === 'failed').length).toBeGreaterThan(0);
  const folders = (await store.listVersions()).flatMap(({ state, folder }) => (state === 'deleted' ? [] : [folder]));
  expect((await readdir(join(location, 'versions'))).sort()).toEqual(['store.json', ...folders].sort());
  await store.close();
}

describe.skipIf(process.platform === 'win32')('an adaptation that is killed', () => {
  it('loses neither feedback nor versions, at whatever moment', async () => {
    const timed = await Promise.all(
      lanes.map(async (lane) => {
        const location = await makeStore(`timed-${lane}`);
        const started = performance.now();
        expect(await startAdaptation(location).ended).toBe(0);
        return performance.now() - started;
      }),
    );
    // Spread over all phases of a run, in a random order; none so late that it would mostly have ended.
    const random = createRandom(1, 31);
    const duration = Math.min(...timed);
    const moments = Array.from({ length: kills }, (_, at) => (0.98 * duration * (at + random.uniform())) / kills);
    for (let at = kills - 1; at > 0; at--) {
      const other = random.integer(at + 1);
      [moments[at], moments[other]] = [moments[other] as number, moments[at] as number];
    }
    const share = kills / lanes.length;
    await Promise.all(
      lanes.map(async (lane) => {
        const location = await makeStore(`killed-${lane}`);
        await killAt(location, moments.slice(lane * share, (lane + 1) * share));
        await finish(location, share);
      }),
    );
  }, 750_000);
});
