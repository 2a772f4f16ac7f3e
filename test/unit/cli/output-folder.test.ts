import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOutputFolder } from '../../../src/cli/output-folder.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-output-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('checkOutputFolder', () => {
  it.each(['.', 'new', 'new/deeper/still'])('accepts %j and makes nothing', async (name) => {
    await checkOutputFolder(join(folder, name));
    await checkOutputFolder(relative(process.cwd(), join(folder, name)));
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['file', 'file/below', 'file/far/below'])('refuses %j, where a file is in the way', async (name) => {
    await writeFile(join(folder, 'file'), '');
    await expect(checkOutputFolder(join(folder, name))).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringContaining(`${join(folder, 'file')} is a file`),
    });
  });

  // The superuser may write anywhere, and Windows has other permissions.
  it.skipIf(process.getuid === undefined || process.getuid() === 0)('refuses what may not be written', async () => {
    const closed = join(folder, 'closed');
    await mkdir(closed);
    await chmod(closed, 0o555);
    await expect(checkOutputFolder(join(closed, 'new'))).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' });
  });
});
