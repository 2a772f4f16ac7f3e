import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkLiveFeedback, promoteVersion, rollBack } from '../../../src/adaptation/deployment.ts';
import { openStore } from '../../../src/adaptation/store/store.ts';
import type { AdaptationStore } from '../../../src/adaptation/store/store-records.ts';
import { dueTrigger } from '../../../src/adaptation/triggers.ts';
import { copyBaseVersion, makingFolder, settleVersion } from '../../../src/adaptation/version-folder.ts';
import { copyFiles } from '../../../src/models/model-copy-file.ts';
import { readModelFolder } from '../../../src/models/model-folder-file.ts';

let dir: string;
let store: AdaptationStore;
const versionsDir = (): string => join(dir, 'versions');

/** A second version, kept by a run as one that may be promoted. */
async function addSecondVersion(): Promise<void> {
  const making = makingFolder(versionsDir(), 'x');
  await copyFiles('models/itera-lite-micro', making, ['config.json']);
  const files = await settleVersion(making, versionsDir(), 'v2');
  const run = await store.startRun({ trigger: 'manual', seed: 1, parent: 'v1', settings: {} });
  const version = { id: 'v2', parent: 'v1', runId: run.id, model: 'm', folder: 'v2', files, state: 'kept' } as const;
  await store.endRun(run.id, { status: 'rejected', version });
}

const judge = (version: string, bad: readonly boolean[], from: string) =>
  store.addFeedback(
    bad.map((isBad, at) => ({ prompt: `${from} ${at}`, output: ` ${version}`, rating: isBad ? 1 : 5, version })),
  );

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-deployment-'));
  store = await openStore(join(dir, 'store'));
  await expect(promoteVersion(store, versionsDir(), 'v1')).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
  await store.addBaseVersion(
    await copyBaseVersion(await readModelFolder('models/itera-lite-micro'), 'm', versionsDir()),
  );
  await addSecondVersion();
});
afterAll(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

describe('deployment', () => {
  it('refuses unknown versions, shares that are none, and what answers already', async () => {
    await expect(promoteVersion(store, versionsDir(), 'v7')).rejects.toThrow('v1, v2');
    for (const canaryShare of [0, 1, -1, Number.NaN]) {
      await expect(promoteVersion(store, versionsDir(), 'v2', { canaryShare })).rejects.toThrow('share');
    }
    await expect(promoteVersion(store, versionsDir(), 'v1')).rejects.toThrow('already');
    await expect(rollBack(store, versionsDir())).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
  });

  it('ends a canary that live feedback finds worse, with the evidence in the audit log', async () => {
    expect(await checkLiveFeedback(store, versionsDir())).toBeUndefined();
    await promoteVersion(store, versionsDir(), 'v2', { canaryShare: 0.2 });
    await judge('v1', Array<boolean>(40).fill(false), 'a');
    await judge('v2', Array<boolean>(3).fill(true), 'b');
    expect(await checkLiveFeedback(store, versionsDir())).toMatchObject({ rolledBack: false, test: { pairs: 3 } });
    await judge('v2', Array<boolean>(20).fill(true), 'c');
    const check = await checkLiveFeedback(store, versionsDir());
    expect(check).toMatchObject({ version: 'v2', against: 'v1', rolledBack: true, test: { pairs: 23, isWorse: true } });
    const deployment = await store.deployment();
    expect(deployment?.promoted).toBe('v1');
    expect(deployment?.canary).toBeUndefined();
    const last = (await store.readAudit()).at(-1);
    expect(JSON.stringify(last)).toContain('100% of its answers are judged bad');
  });

  it('returns to the version before when the promoted one turns out worse', async () => {
    await promoteVersion(store, versionsDir(), 'v2');
    expect(await store.deployment()).toMatchObject({ promoted: 'v2', previous: 'v1' });
    expect(await checkLiveFeedback(store, versionsDir())).toMatchObject({ rolledBack: true });
    const deployment = await store.deployment();
    expect(deployment?.promoted).toBe('v1');
    expect(deployment?.previous).toBeUndefined();
    expect(await store.verifyAudit()).not.toHaveProperty('fault');
  });

  it('is due by count of new negative feedback, or by the clock if there is any', async () => {
    expect(await dueTrigger(store, { negatives: 1000 })).toBeUndefined();
    expect(await dueTrigger(store, { negatives: 5 })).toBe('negativeFeedback');
    const [run] = await store.listRuns(1);
    const later = (hours: number): Date => new Date(Date.parse(run?.startedAt ?? '') + hours * 3_600_000);
    const settings = { negatives: 1000, everyHours: 24 };
    expect(await dueTrigger(store, settings, later(23))).toBeUndefined();
    expect(await dueTrigger(store, settings, later(25))).toBe('schedule');
  });
});
