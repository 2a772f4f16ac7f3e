import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkServerVersion, openServerDatabase } from '../../../src/adaptation/store/server-database.ts';
import { openStore } from '../../../src/adaptation/store/store.ts';
import { requirement } from '../../requirements.ts';
import { type PostgresServer, startPostgresServer } from './postgres-server.ts';
import { startProcesses } from './store-processes.ts';
import { describeStore } from './store-suite.ts';

const postgresql = requirement('postgresql');

const base = { id: 'v1', model: 'toy', folder: 'v1', files: {}, state: 'kept' } as const;

describe.skipIf(!postgresql.available)(`a PostgreSQL server ${postgresql.reason}`, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgresServer();
  });
  afterAll(() => server?.stop());

  describeStore({
    kind: 'server',
    freshLocation: () => server.createDatabase(),
    openDatabase: (location) => openServerDatabase(location),
  });

  it('is made ready by many processes at once, and one of them begins a run', async () => {
    const location = await server.createDatabase();
    const children = await startProcesses(4);
    for (const child of children) child.begin('open', location);
    expect(await Promise.all(children.map((child) => child.hear()))).toEqual(['open', 'open', 'open', 'open']);
    const store = await openStore(location);
    await store.addBaseVersion(base);
    for (const child of children) child.begin('run', location);
    const heard = await Promise.all(children.map((child) => child.hear()));
    expect(heard.sort()).toEqual(['RUN_IN_PROGRESS', 'RUN_IN_PROGRESS', 'RUN_IN_PROGRESS', 'started']);
    expect(await store.listRuns()).toHaveLength(1);
    // While its process lives, it is not taken for crashed.
    expect(await store.failCrashedRuns()).toEqual([]);
    await Promise.all(children.map((child) => child.kill()));
    expect(await store.failCrashedRuns()).toHaveLength(1);
    expect(await store.verifyAudit()).toEqual({ entries: 3 });
    await store.close();
  });

  it('lets no second run in, even past the store', async () => {
    const location = await server.createDatabase();
    const store = await openStore(location);
    await store.addBaseVersion(base);
    await store.startRun({ trigger: 'schedule', seed: 1, parent: 'v1', settings: {} });
    const second = `insert into itera_lite.adaptation_runs
      (id, status, trigger, seed, parent, settings, started_at, pid, host, heartbeat)
      values (gen_random_uuid(), 'running', 'manual', 1, 'v1', '{}', now(), 1, 'h', now())`;
    await expect(server.query(location, second)).rejects.toMatchObject({ constraint: 'adaptation_runs_one_running' });
    await store.close();
  });

  it('is shared by stores that each see what the others did', async () => {
    const location = await server.createDatabase();
    const stores = await Promise.all([openStore(location), openStore(location), openStore(location)]);
    await Promise.all(stores.map((store) => store.addBaseVersion(base)));
    const item = { prompt: 'p', output: 'o', rating: 1 };
    const added = await Promise.all(stores.map((store) => store.addFeedback([item])));
    expect(added.map(({ duplicates }) => duplicates).sort()).toEqual([0, 1, 1]);
    expect(await stores[2]!.verifyAudit()).toEqual({ entries: 2 });
    await Promise.all(stores.map((store) => store.close()));
  });

  it('with another style of dates is read right', async () => {
    const location = await server.createDatabase();
    const name = new URL(location).pathname.slice(1);
    await server.query(location, `alter database ${name} set datestyle = 'German'`);
    await server.query(location, `alter database ${name} set timezone = 'Asia/Kathmandu'`);
    const store = await openStore(location);
    await store.addBaseVersion(base);
    const { since } = (await store.deployment())!;
    expect(Math.abs(Date.parse(since) - Date.now())).toBeLessThan(60_000);
    expect((await store.verifyAudit()).fault).toBeUndefined();
    await store.close();
  });

  it.each([
    ['a wrong password', (port: number) => `postgres://locked:wrong-word@127.0.0.1:${port}/postgres`, /password auth/],
    ['no password', (port: number) => `postgres://locked@127.0.0.1:${port}/postgres`, /password/],
    ['no such user', (port: number) => `postgres://nobody:wrong-word@127.0.0.1:${port}/postgres`, /nobody/],
    ['no such database', (port: number) => `postgres://u:wrong-word@127.0.0.1:${port}/none`, /./],
    ['no right to make tables', (port: number) => `postgres://locked:secret-word@127.0.0.1:${port}/postgres`, /denied/],
    ['nobody at the port', () => 'postgres://u:wrong-word@127.0.0.1:1/none', /ECONNREFUSED/],
    ['no such host', () => 'postgresql://u:wrong-word@no-such-host.invalid/none', /no-such-host/],
  ])('with %s is unavailable', async (_, address, message) => {
    const before = performance.now();
    const error = await openStore(address(server.port)).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringMatching(message) });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(`${error.message} ${JSON.stringify(error)} ${error.stack}`).not.toMatch(/wrong-word|secret-word/);
  });

  it('gets the password that its address lacks from a file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'itera-password-'));
    const path = join(dir, 'password');
    const { pathname } = new URL(await server.createDatabase());
    const superuser = `postgres://postgres@127.0.0.1:${server.port}${pathname}`;
    await server.query(superuser, `grant create on database ${pathname.slice(1)} to locked`);
    const address = `postgres://locked@127.0.0.1:${server.port}${pathname}`;
    vi.stubEnv('DATABASE_PASSWORD_FILE', path);
    try {
      await expect(openStore(address)).rejects.toMatchObject({ code: 'FILE_UNREADABLE', data: { path } });
      await writeFile(path, 'secret-word\n');
      const store = await openStore(address);
      expect(store.location).toBe(address);
      await store.close();
      await writeFile(path, 'wrong %&+?#/word');
      const error = await openStore(address).catch((reason) => reason);
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringMatching(/password auth/) });
      expect(`${error.message} ${JSON.stringify(error)} ${error.stack}`).not.toMatch(/wrong/);
      // A password in the address is the one.
      const named = await openStore(address.replace('locked', 'locked:secret-word'));
      await named.close();
    } finally {
      vi.unstubAllEnvs();
      await rm(dir, { recursive: true });
    }
  });

  it('that ends is unavailable, and leaves the process alone', async () => {
    const last = await startPostgresServer();
    const store = await openStore(await last.createDatabase());
    await store.addFeedback([{ prompt: 'p', output: 'o', rating: 1 }]);
    await last.kill();
    await expect(store.listFeedback()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', cause: expect.any(Error) });
    await expect(store.countNewNegative()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await store.close();
    await last.stop();
  });
});

describe('the address of a server', () => {
  it('is shown without password and parameters', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    // A server that never answers.
    const opened = openServerDatabase(`postgres://me:hidden@127.0.0.1:${port}/db?application_name=hidden`, {
      connectMs: 300,
    });
    await expect(opened).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      data: { location: `postgres://me@127.0.0.1:${port}/db` },
    });
    silent.close();
  });

  it.each(['postgres://u:pa/ss@host/db', 'postgres://u:12/ss@host/db', 'postgres://u:p#ss@host:5432/db'])(
    'must read as one: %s',
    async (address) => {
      const error = await openStore(address).catch((reason) => reason);
      expect(error.code).toBe('INVALID_ARGUMENT');
      expect(error.message).not.toContain('ss@');
    },
  );

  it('must be of a server that is new enough', () => {
    expect(() => checkServerVersion(140_011, 'postgres://host/db')).toThrow(/PostgreSQL 15 or newer at .*, got 14/);
    expect(() => checkServerVersion(150_000, 'postgres://host/db')).not.toThrow();
  });
});
