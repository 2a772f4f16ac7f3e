import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readWholeFile } from '../../../src/data/whole-file.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-whole-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('readWholeFile', () => {
  it('reads all bytes, also none', async () => {
    await writeFile(join(dir, 'full'), Uint8Array.of(1, 0, 255));
    await writeFile(join(dir, 'empty'), '');
    expect([...(await readWholeFile(join(dir, 'full')))]).toEqual([1, 0, 255]);
    expect(await readWholeFile(join(dir, 'empty'))).toHaveLength(0);
  });

  it.skipIf(process.platform === 'win32')('refuses a named pipe and a device at once', async () => {
    execFileSync('mkfifo', [join(dir, 'pipe')], { stdio: 'ignore' });
    await expect(readWholeFile(join(dir, 'pipe'))).rejects.toMatchObject({ code: 'ENOTFILE' });
    await expect(readWholeFile('/dev/zero')).rejects.toMatchObject({ code: 'ENOTFILE' });
  });

  it('throws what the file system throws', async () => {
    await expect(readWholeFile(join(dir, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(readWholeFile(dir)).rejects.toMatchObject({ code: 'EISDIR' });
    await writeFile(join(dir, 'other'), 'x');
    await expect(readWholeFile(join(dir, 'other'), AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  });
});
