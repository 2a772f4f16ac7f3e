import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openApiKeyRing } from '../../../src/server/api-key-ring-file.ts';
import { createApiKey } from '../../../src/server/api-keys-file.ts';

let dir: string;
let path: string;
let said: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-ring-'));
  path = join(dir, 'keys.json');
  said = [];
  await createApiKey(path, 'anna', ['infer']);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Reads the names of the keys that hold. */
async function openRing(lookEveryMs: number) {
  const readKeys = await openApiKeyRing(path, {
    lookEveryMs,
    onChange: (message) => said.push(message),
    onFault: ({ message }) => said.push(message),
  });
  return async () => (await readKeys()).map(({ name }) => name);
}

describe('openApiKeyRing', () => {
  it('follows the file: keys that are added and taken away', async () => {
    const names = await openRing(0);
    expect(await names()).toEqual(['anna']);
    await createApiKey(path, 'bert', ['infer']);
    expect(await names()).toEqual(['anna', 'bert']);
    const { keys, ...rest } = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...rest, keys: keys.slice(1) }));
    expect(await names()).toEqual(['bert']);
    await writeFile(path, JSON.stringify({ ...rest, keys: [] }));
    expect(await names()).toEqual([]);
    expect(said).toEqual([2, 1, 0].map((count) => `the file of keys was changed: ${count} keys`));
  });

  it('keeps the keys where the file went bad, and says so once', async () => {
    const names = await openRing(0);
    const good = await readFile(path, 'utf8');
    await writeFile(path, good.slice(0, -10));
    for (let times = 0; times < 3; times++) expect(await names()).toEqual(['anna']);
    await rm(path);
    for (let times = 0; times < 3; times++) expect(await names()).toEqual(['anna']);
    expect(said).toEqual([expect.stringContaining('to hold keys'), expect.stringContaining('Could not read the keys')]);
    await writeFile(path, good.replace('anna', 'bert'));
    expect(await names()).toEqual(['bert']);
  });

  it('looks no more often than it is told, and once for all who ask at a time', async () => {
    const names = await openRing(200);
    await createApiKey(path, 'bert', ['infer']);
    expect(await names()).toEqual(['anna']);
    await sleep(210);
    const all = await Promise.all([names(), names(), names()]);
    expect(all).toEqual(Array(3).fill(['anna', 'bert']));
    expect(said).toHaveLength(1);
  });

  it('throws for a file that is bad at the start', async () => {
    await writeFile(path, '{}');
    await expect(openRing(0)).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
  });
});

it.skipIf(process.platform === 'win32')('a key is added to a file that only its owner reads from then on', async () => {
  await chmod(path, 0o644);
  await createApiKey(path, 'bert', ['infer']);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});
