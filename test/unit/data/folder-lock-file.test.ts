import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withFolderLock } from '../../../src/data/folder-lock-file.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('withFolderLock', () => {
  it('lets one work at a time and leaves nothing behind', async () => {
    let working = 0;
    let most = 0;
    const waited: string[] = [];
    const work = async () => {
      most = Math.max(most, ++working);
      await new Promise((resolve) => setTimeout(resolve, 10));
      return working--;
    };
    const options = { pollMs: 5, onWait: (holder: string) => waited.push(holder) };
    await Promise.all(Array.from({ length: 6 }, () => withFolderLock(folder, work, options)));
    expect(most).toBe(1);
    expect(waited.length).toBeGreaterThan(0);
    expect(waited[0]).toContain(String(process.pid));
    expect(await readdir(folder)).toEqual([]);
  });

  it('is given back when the work fails', async () => {
    await expect(withFolderLock(folder, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await withFolderLock(folder, async () => 'next')).toBe('next');
  });

  it('is taken over from a process that has ended, and when nobody has touched it for long', async () => {
    const path = join(folder, '.lock');
    // Process ids end far below.
    await writeFile(path, JSON.stringify({ pid: 2 ** 30, host: hostname() }));
    expect(await withFolderLock(folder, async () => 'taken')).toBe('taken');
    await writeFile(path, JSON.stringify({ pid: process.pid, host: 'elsewhere' }));
    const old = new Date(Date.now() - 3_600_000);
    await utimes(path, old, old);
    expect(await withFolderLock(folder, async () => 'taken')).toBe('taken');
  });

  it('is refused, not waited for, where it is no file', async () => {
    await mkdir(join(folder, '.lock'));
    const refused = { code: 'OUTPUT_UNWRITABLE', message: expect.stringContaining('delete it') };
    await expect(withFolderLock(folder, async () => 'never')).rejects.toMatchObject(refused);
  });

  it('says that another holds it also after taking over from a third', async () => {
    const path = join(folder, '.lock');
    await writeFile(path, JSON.stringify({ pid: 2 ** 30, host: hostname() }));
    const order: string[] = [];
    const work = (name: string) => () =>
      withFolderLock(
        folder,
        async () => {
          order.push(name);
          await new Promise((resolve) => setTimeout(resolve, 20));
        },
        { pollMs: 5, onWait: () => order.push(`${name} waits`) },
      );
    await Promise.all([work('a')(), work('b')()]);
    const [first = ''] = order.filter((name) => !name.includes('waits'));
    const second = first === 'a' ? 'b' : 'a';
    expect(order).toContain(`${second} waits`);
    expect(order.filter((name) => !name.includes('waits'))).toEqual([first, second]);
  });

  it('can be told to stop waiting', async () => {
    await writeFile(join(folder, '.lock'), JSON.stringify({ pid: process.pid, host: hostname() }));
    const controller = new AbortController();
    const waiting = withFolderLock(folder, async () => 'never', {
      pollMs: 5,
      signal: controller.signal,
      onWait: () => controller.abort(),
    });
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
