import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOutputFolder, refuseWithin } from '../../../src/cli/output-folder.ts';

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

describe('refuseWithin', () => {
  const check = (inner: string, outer: string) =>
    refuseWithin({ option: '--run-dir', dir: join(folder, inner) }, { option: '--out', dir: join(folder, outer) });

  beforeEach(async () => {
    await mkdir(join(folder, 'real'));
    await symlink(join(folder, 'real'), join(folder, 'link'));
  });

  it.each([
    ['new', 'new', 'is'],
    ['new/run', 'new', 'lies in'],
    ['real/../new', 'new/.', 'is'],
    ['link', 'real', 'is'],
    ['real/run/1', 'link', 'lies in'],
  ])('refuses %j for %j', async (inner, outer, relation) => {
    await expect(check(inner, outer)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(new RegExp(`^Expected --run-dir to lie outside of --out, but .* ${relation} `)),
    });
  });

  it.each([
    ['run', 'model'],
    ['real', 'real/model'],
    ['real/..run', 'real/model'],
    ['models', 'model'],
  ])('accepts %j for %j', (inner, outer) => expect(check(inner, outer)).resolves.toBeUndefined());
});
