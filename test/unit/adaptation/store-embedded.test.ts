import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEmbeddedDatabase } from '../../../src/adaptation/store/embedded-database.ts';
import { openStore } from '../../../src/adaptation/store/store.ts';
import { takeStoreLock } from '../../../src/adaptation/store/store-lock.ts';
import { type StoreProcess, startProcesses } from './store-processes.ts';
import { describeStore } from './store-suite.ts';

let folder: string;
let count = 0;

/** An empty store: a copy, because to make one takes seconds. */
async function freshStore(): Promise<string> {
  const path = join(folder, `store${++count}`);
  await cp(join(folder, 'template'), path, { recursive: true });
  return path;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-store-'));
  const template = await openStore(join(folder, 'deep', 'template'));
  await template.close();
  await cp(join(folder, 'deep', 'template'), join(folder, 'template'), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeStore({ kind: 'embedded', freshLocation: freshStore, openDatabase: openEmbeddedDatabase });

describe('the folder of an embedded store', () => {
  let path: string;
  let children: StoreProcess[];
  beforeAll(async () => {
    path = await freshStore();
    children = await startProcesses(3);
  });
  afterAll(() => Promise.all(children.map((child) => child.kill())));

  it('can be read by its owner only, and holds no lock when it is closed', async () => {
    expect((await readdir(path)).sort()).toEqual(['database', 'store.json']);
    expect((await stat(join(folder, 'deep', 'template', 'database'))).mode & 0o777).toBe(0o700);
  });

  it('is held by one process, and by one store in it', async () => {
    const [child] = children;
    const store = await openStore(path);
    await expect(openStore(`${path}/`)).rejects.toMatchObject({
      code: 'STORE_IN_USE',
      message: expect.stringMatching(`this process \\(${process.pid}\\)`),
    });
    child!.begin('open', path);
    expect(await child!.hear()).toBe('STORE_IN_USE');
    await store.close();
    child!.begin('open', path);
    expect(await child!.hear()).toBe('open');
  });

  it('is taken over from a process that was killed, by one of two', async () => {
    const [holder, ...others] = children;
    holder!.begin('hold', path);
    expect(await holder!.hear()).toBe('open');
    await expect(openStore(path)).rejects.toMatchObject({
      code: 'STORE_IN_USE',
      data: { pid: holder!.pid },
      message: expect.stringMatching(`process ${holder!.pid} on`),
    });
    await holder!.kill();
    for (const child of others) child.begin('hold', path);
    const heard = await Promise.all(others.map((child) => child.hear()));
    expect(heard.sort()).toEqual(['STORE_IN_USE', 'open']);
    await Promise.all(others.map((child) => child.kill()));
    await (await openStore(path)).close();
  });

  it('is taken over from a process whose number was given again, and after a minute from another host', async () => {
    const lock = join(path, 'store.lock');
    const holder = { pid: process.pid, host: hostname(), began: 'before', id: 'x' };
    await writeFile(lock, JSON.stringify(holder));
    await (await takeStoreLock(path))();
    await writeFile(lock, JSON.stringify({ ...holder, host: 'elsewhere' }));
    await expect(openStore(path)).rejects.toMatchObject({ code: 'STORE_IN_USE', data: { host: 'elsewhere' } });
    const before = new Date(Date.now() - 61_000);
    await utimes(lock, before, before);
    await (await takeStoreLock(path))();
    await writeFile(lock, 'no lock of ours');
    await (await takeStoreLock(path))();
    expect(await readdir(path)).not.toContain('store.lock');
  });

  it('is not made of a folder that holds something else', async () => {
    const home = join(folder, 'home');
    await mkdir(home);
    await writeFile(join(home, 'letter.txt'), 'Dear');
    await expect(openStore(home)).rejects.toMatchObject({
      code: 'STORE_INVALID',
      message: expect.stringMatching(/empty folder at .*home, got a folder with "letter.txt" in it/),
    });
    expect(await readdir(home)).toEqual(['letter.txt']);
    await writeFile(join(home, 'store.json'), '{"kind": "shop"}');
    await expect(openStore(home)).rejects.toMatchObject({ code: 'STORE_INVALID' });
  });

  it.each([
    ['without its control file', 'global/pg_control', undefined],
    ['with an empty control file', 'global/pg_control', Buffer.alloc(8192)],
    ['of another version', 'PG_VERSION', '9\n'],
    ['without its version', 'PG_VERSION', undefined],
    ['without its log', 'pg_wal', undefined],
  ])('is refused with a database %s', async (_, name, content) => {
    const [file, aside] = [join(path, 'database', name), join(folder, 'aside')];
    await rename(file, aside);
    if (content !== undefined) await writeFile(file, content);
    await expect(openStore(path)).rejects.toMatchObject({ code: 'STORE_INVALID' });
    // The lock is not kept.
    expect(await readdir(path)).not.toContain('store.lock');
    await rm(file, { recursive: true, force: true });
    await rename(aside, file);
  });

  it('is whole again when what was missing is there again', async () => {
    const store = await openStore(path);
    expect(await store.verifyAudit()).toEqual({ entries: 0 });
    await store.close();
  });

  it('is filled anew where that was interrupted', async () => {
    await rename(join(path, 'database'), join(path, 'database.new'));
    await rm(join(path, 'database.new', 'global'), { recursive: true });
    const store = await openStore(path);
    expect(await store.verifyAudit()).toEqual({ entries: 0 });
    await store.close();
    expect((await readdir(path)).sort()).toEqual(['database', 'store.json']);
  });

  it('must be writable', async () => {
    await expect(openStore('/proc/itera-store')).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' });
    await expect(openStore(join(path, 'store.json'))).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' });
    await expect(openStore(' ')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
