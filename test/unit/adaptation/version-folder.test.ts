import { appendFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelVersion } from '../../../src/adaptation/store/store-records.ts';
import { compareWeights } from '../../../src/adaptation/version-difference.ts';
import {
  checkVersion,
  claimVersionsFolder,
  copyBaseVersion,
  dispensableVersions,
  findVersionFaults,
  makingFolder,
  nextVersionId,
  removeLeftovers,
  settleVersion,
} from '../../../src/adaptation/version-folder.ts';
import { tensor } from '../../../src/core/tensor.ts';
import { readModelFolder } from '../../../src/models/model-folder-file.ts';

const createdAt = '2026-01-01T00:00:00.000Z';
const version = (id: string, change: Partial<ModelVersion> = {}): ModelVersion => ({
  ...{ id, model: 'm', folder: id, files: {}, state: 'kept', createdAt },
  ...change,
});

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-versions-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function makeVersion(id: string): Promise<ModelVersion> {
  const making = makingFolder(dir, id);
  await mkdir(join(making, 'onnx'), { recursive: true });
  await writeFile(join(making, 'a.json'), `{"id": "${id}"}`);
  await writeFile(join(making, 'onnx', 'b.onnx'), id);
  return version(id, { files: await settleVersion(making, dir, id) });
}

describe('version folders', () => {
  it('copies a model whole, and the copy is a model', async () => {
    const folder = await readModelFolder('models/itera-lite-micro');
    const versionsDir = join(dir, 'copies');
    await mkdir(versionsDir);
    const base = await copyBaseVersion(folder, 'itera-lite-micro', versionsDir);
    expect(base).toMatchObject({ id: 'v1', folder: 'v1', state: 'kept' });
    const copy = await readModelFolder(join(versionsDir, 'v1'));
    expect(copy.sha256).toEqual(folder.sha256);
    expect(base.files).toMatchObject(folder.sha256);
    expect(await findVersionFaults({ ...base, createdAt }, versionsDir)).toEqual([]);
    expect(await readdir(versionsDir)).toEqual(['v1']);
  });

  it('finds every file that was changed, added or removed, and refuses such a version', async () => {
    const made = await makeVersion('v2');
    expect(Object.keys(made.files)).toEqual(['a.json', 'onnx/b.onnx']);
    expect(await checkVersion(made, dir)).toBe(join(dir, 'v2'));
    await appendFile(join(dir, 'v2', 'a.json'), ' ');
    await rm(join(dir, 'v2', 'onnx', 'b.onnx'));
    await writeFile(join(dir, 'v2', 'onnx', 'c.onnx'), '');
    const faults = ['a.json was changed', 'onnx/b.onnx is missing', 'onnx/c.onnx was added'];
    expect(await findVersionFaults(made, dir)).toEqual(faults);
    await expect(checkVersion(made, dir)).rejects.toMatchObject({ code: 'VERSION_CORRUPT', data: { faults } });
  });

  it('refuses a version whose folder is gone', async () => {
    await expect(checkVersion(version('v9'), dir)).rejects.toThrow('its folder is missing');
    await expect(checkVersion(version('v9', { state: 'deleted' }), dir)).rejects.toThrow('it was deleted');
  });

  it('replaces what a crashed run left in the place of a version', async () => {
    await mkdir(join(dir, 'v3'));
    await writeFile(join(dir, 'v3', 'half'), '');
    const made = await makeVersion('v3');
    expect(await findVersionFaults(made, dir)).toEqual([]);
  });

  it('removes folders in the making and those of deleted versions, and no others', async () => {
    const versionsDir = join(dir, 'leftovers');
    for (const name of ['v1', 'v2', '.making-x', 'mine']) await mkdir(join(versionsDir, name), { recursive: true });
    await removeLeftovers([version('v1'), version('v2', { state: 'deleted' })], versionsDir);
    expect(await readdir(versionsDir)).toEqual(['mine', 'v1']);
  });

  it('belongs to one store', async () => {
    const versionsDir = join(dir, 'owned');
    await claimVersionsFolder(versionsDir, 'a');
    await claimVersionsFolder(versionsDir, 'a');
    await expect(claimVersionsFolder(versionsDir, 'b')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await readdir(versionsDir)).toEqual(['store.json']);
  });

  it('numbers on after the last, also if that was deleted', () => {
    expect(nextVersionId([])).toBe('v1');
    expect(nextVersionId([version('v1'), version('v10', { state: 'deleted' }), version('v2')])).toBe('v11');
  });

  it('spares the first version, those in use and the newest others', () => {
    const versions = Array.from({ length: 9 }, (_, at) => version(`v${at + 1}`, at === 5 ? { state: 'deleted' } : {}));
    const deployment = { promoted: 'v3', previous: 'v2', canary: { version: 'v9', share: 0.1 }, since: createdAt };
    expect(dispensableVersions(versions, deployment, 2).map(({ id }) => id)).toEqual(['v4', 'v5']);
    expect(dispensableVersions(versions, deployment, 4)).toEqual([]);
  });
});

describe('compareWeights', () => {
  it('gives norms of the difference, the most changed tensor first', () => {
    const weights = (values: readonly number[], other: readonly number[]) =>
      new Map([
        ['a', tensor('float32', [2], Float32Array.from(values))],
        ['b', tensor('float32', [2], Float32Array.from(other))],
      ]);
    const found = compareWeights(weights([3, 4], [1, 0]), weights([3, 4], [1, 1]));
    expect(found.tensors).toEqual([
      { name: 'b', relative: 1 },
      { name: 'a', relative: 0 },
    ]);
    expect(found).toMatchObject({ largest: 1 });
    expect(found.relative).toBeCloseTo(1 / Math.sqrt(26), 10);
  });
});
