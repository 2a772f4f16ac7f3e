import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceFile } from '../../../src/data/atomic-file.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-atomic-'));
  path = join(folder, 'file');
});
afterEach(() => rm(folder, { recursive: true }));

describe('replaceFile', () => {
  it.each([
    ['text', 'é and more'],
    ['nothing', ''],
    ['bytes', Uint8Array.from({ length: 3_000_000 }, (_, index) => index)],
    ['a view of bytes', new Uint8Array(100).fill(7).subarray(10, 20)],
  ])('writes %s and leaves nothing beside it', async (_, content) => {
    await replaceFile(path, content);
    expect((await readFile(path)).equals(Buffer.from(content as string))).toBe(true);
    expect(await readdir(folder)).toEqual(['file']);
  });

  it.skipIf(process.platform === 'win32')(
    'makes the file for those whom a mode names, whatever it was before',
    async () => {
      const before = process.umask(0);
      try {
        await writeFile(path, 'for all', { mode: 0o666 });
        await replaceFile(path, 'for the owner', { mode: 0o600 });
        expect((await stat(path)).mode & 0o777).toBe(0o600);
        await replaceFile(path, 'for all');
        expect((await stat(path)).mode & 0o777).toBe(0o666);
      } finally {
        process.umask(before);
      }
    },
  );

  it('replaces longer and shorter files', async () => {
    for (const content of ['short', 'a longer text', '']) {
      await replaceFile(path, content);
      expect(await readFile(path, 'utf8')).toBe(content);
    }
  });

  it('leaves one whole file where several are written at once', async () => {
    const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(200_000));
    await Promise.all(contents.map((content) => replaceFile(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('passes on what the file system says, and cleans up', async () => {
    await expect(replaceFile(join(folder, 'none', 'file'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
    await writeFile(path, 'a file');
    await expect(replaceFile(join(path, 'below'), 'x')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await mkdir(join(folder, 'sub'));
    await expect(replaceFile(join(folder, 'sub'), 'x')).rejects.toHaveProperty('code');
    expect((await readdir(folder)).sort()).toEqual(['file', 'sub']);
    expect(await readFile(path, 'utf8')).toBe('a file');
  });

  // A limit on the size of files acts as a full disk does: the write that crosses it stores a part and reports no error.
  it.skipIf(process.platform === 'win32')('keeps the old file where the new one does not fit', async () => {
    await writeFile(path, 'the old content');
    const module = fileURLToPath(new URL('../../../src/data/atomic-file.ts', import.meta.url));
    const script = `
      process.on('SIGXFSZ', () => {});
      const { replaceFile } = await import(${JSON.stringify(module)});
      await replaceFile(${JSON.stringify(path)}, Buffer.alloc(12_000_000, 1)).catch(({ code }) => console.log(code));`;
    const command = 'ulimit -f 8000 && exec "$0" --import tsx --input-type=module -e "$1"';
    const { stdout } = await promisify(execFile)('bash', ['-c', command, process.execPath, script]);
    expect(stdout).toBe('EFBIG\n');
    expect(await readFile(path, 'utf8')).toBe('the old content');
    expect(await readdir(folder)).toEqual(['file']);
  });
});
