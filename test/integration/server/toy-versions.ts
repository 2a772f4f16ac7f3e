import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../../src/adaptation/store/store.ts';
import type { AdaptationStore } from '../../../src/adaptation/store/store-records.ts';
import { copyBaseVersion, makingFolder, settleVersion } from '../../../src/adaptation/version-folder.ts';
import { copyFiles, copyModelFiles } from '../../../src/models/model-copy-file.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';

/** A store of its own, in a new folder. */
export async function openToyStore() {
  const dir = await mkdtemp(join(tmpdir(), 'itera-server-'));
  const versionsDir = join(dir, 'versions');
  const store = await openStore(join(dir, 'store'));
  await mkdir(versionsDir);
  return { store, versionsDir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** Records v1, and copies of it as further versions, without learning anything. */
export async function addVersions(store: AdaptationStore, versionsDir: string, count: number): Promise<void> {
  const folder = await openModel('itera-lite-micro');
  await store.addBaseVersion(await copyBaseVersion(folder, 'itera-lite-micro', versionsDir));
  for (let number = 2; number <= count; number++) {
    const run = await store.startRun({ trigger: 'manual', seed: 1, parent: 'v1', settings: {} });
    const making = makingFolder(versionsDir, run.id);
    await copyModelFiles(folder, making);
    await copyFiles(folder.dir, making, ['config.json']);
    const id = `v${number}`;
    const files = await settleVersion(making, versionsDir, id);
    const version = { id, parent: 'v1', model: 'itera-lite-micro', folder: id, files, state: 'kept' as const };
    await store.endRun(run.id, { status: 'rejected', version, evidence: { findings: [{ passed: false }], more: 1 } });
  }
}
