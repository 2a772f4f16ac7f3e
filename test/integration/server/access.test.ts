import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApiKey, readApiKeys } from '../../../src/server/api-keys-file.ts';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer, get, post } from './toy-server.ts';

let dir: string;
let path: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-keys-'));
  path = join(dir, 'keys.json');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('keys', () => {
  let server: Server;
  const keys: Record<string, string> = {};
  beforeAll(async () => {
    keys['reader'] = await createApiKey(path, 'reader', ['infer']);
    keys['judge'] = await createApiKey(path, 'judge', ['feedback']);
    keys['boss'] = await createApiKey(path, 'boss', ['admin']);
    server = await createToyServer({ keys: await readApiKeys(path), host: '0.0.0.0' });
  });
  afterAll(() => server.close());

  it('are kept as hashes, in a file that only its owner reads', async () => {
    const text = await readFile(path, 'utf8');
    for (const key of Object.values(keys)) {
      expect(key).toMatch(/^itera_[\w-]{43}$/);
      expect(text).not.toContain(key);
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('are refused twice by one name, by a name that is none, and in a file of something else', async () => {
    await expect(createApiKey(path, 'boss', ['infer'])).rejects.toThrow('There is a key named "boss"');
    await expect(createApiKey(path, 'a b', ['infer'])).rejects.toThrow('Expected a name of 1 to 64');
    await writeFile(join(dir, 'other.json'), '{"a":1}');
    await expect(createApiKey(join(dir, 'other.json'), 'a', ['infer'])).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
    await expect(readApiKeys(join(dir, 'none.json'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  const routes = {
    infer: ['/infer', '/v1/completions', '/v1/suggest', '/v1/score', '/v1/models'],
    feedback: ['/feedback'],
    admin: [
      '/adapt',
      '/v1/adaptations',
      '/v1/adaptations/x',
      '/v1/versions',
      '/v1/versions/v1/promote',
      '/v1/rollback',
    ],
  };
  const reads = new Set(['/v1/models', '/v1/adaptations', '/v1/adaptations/x', '/v1/versions']);
  const call = (url: string, key?: string) => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    return reads.has(url) ? get(server, url, headers) : post(server, url, {}, headers);
  };

  it.each(Object.values(routes).flat())('are needed: %s', async (url) => {
    for (const key of [undefined, 'itera_wrong', 'x'.repeat(5000)]) {
      const { status, headers } = await call(url, key);
      expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer']);
    }
  });

  it('allow what they name, and nothing else', async () => {
    const right = { reader: 'infer', judge: 'feedback', boss: 'admin' } as const;
    for (const [name, own] of Object.entries(right)) {
      for (const [needed, urls] of Object.entries(routes)) {
        const { status } = await call(urls.at(-1) as string, keys[name]);
        expect(status === 403, `${name} ${needed}`).toBe(needed !== own);
      }
    }
  });

  it('are not needed by supervisors and readers of the documentation; metrics take any', async () => {
    for (const url of ['/health', '/ready', '/docs/', '/openapi.json'])
      expect((await get(server, url)).status).toBe(200);
    expect((await get(server, '/metrics')).status).toBe(401);
    expect((await get(server, '/metrics', { authorization: `Bearer ${keys['judge']}` })).status).toBe(200);
  });
});

describe('a limit on requests', () => {
  let server: Server;
  let keys: readonly string[];
  beforeEach(async () => {
    const own = join(dir, `${randomUUID()}.json`);
    keys = [await createApiKey(own, 'reader', ['infer']), await createApiKey(own, 'boss', ['admin'])];
    server = await createToyServer({ keysFile: own, host: '0.0.0.0', rateLimit: 8 });
  });
  afterEach(() => server.close());

  const ask = (url: string, key?: string, remoteAddress = '10.0.0.1') => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    return server.app.inject({ method: 'GET', url, headers, remoteAddress });
  };
  const askOften = async (...args: Parameters<typeof ask>) => {
    const statuses = [];
    for (let at = 0; at < 9; at++) statuses.push((await ask(...args)).statusCode);
    return statuses;
  };
  const eight = (status: number) => Array(8).fill(status);

  it('is one for each key', async () => {
    expect(await askOften('/v1/models', keys[0])).toEqual([...eight(200), 429]);
    expect((await ask('/v1/versions', keys[1])).statusCode).toBe(503);
  });

  it('holds for wrong keys by address, and locks out no right key', async () => {
    expect(await askOften('/v1/models', 'itera_wrong')).toEqual([...eight(401), 429]);
    const refused = await ask('/v1/models');
    expect(refused.statusCode).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
    expect(refused.json().error).toMatchObject({ code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    expect((await ask('/v1/models', 'itera_wrong', '10.0.0.2')).statusCode).toBe(401);
    expect((await ask('/v1/models', keys[0])).statusCode).toBe(200);
    expect((await ask('/health')).statusCode).toBe(200);
  });

  it('counts what a key has no right to among its requests', async () => {
    expect(await askOften('/v1/versions', keys[0])).toEqual([...eight(403), 429]);
    expect((await ask('/v1/models', keys[0])).statusCode).toBe(429);
  });
});

it('follows its file of keys: a new key is let in and one that was removed is not, without a restart', async () => {
  const own = join(dir, 'followed.json');
  const first = await createApiKey(own, 'first', ['infer']);
  const server = await createToyServer({ keysFile: own });
  const statusOf = async (key: string) => (await get(server, '/v1/models', { authorization: `Bearer ${key}` })).status;
  expect(await statusOf(first)).toBe(200);
  await rm(own);
  const second = await createApiKey(own, 'second', ['infer']);
  await sleep(2100);
  expect([await statusOf(first), await statusOf(second)]).toEqual([401, 200]);
  // A file without keys lets nobody in, where no file would let everyone in.
  await writeFile(own, JSON.stringify({ schemaVersion: 1, keys: [] }));
  await sleep(2100);
  expect([await statusOf(second), (await get(server, '/v1/models')).status]).toEqual([401, 401]);
  await server.close();
});

describe('another host', () => {
  it.each(['0.0.0.0', '::', '192.168.1.1', 'example.org'])('is refused without keys: %s', async (host) => {
    await expect(createToyServer({ host })).rejects.toMatchObject({
      ...{ code: 'INVALID_ARGUMENT', message: expect.stringContaining('--create-key') },
    });
  });
});

it('lets pages of a named origin in, preflight included', async () => {
  const server = await createToyServer({ corsOrigins: ['https://example.org'] });
  const headers = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };
  const preflight = async (origin: string) =>
    (await server.app.inject({ method: 'OPTIONS', url: '/infer', headers: { ...headers, origin } })).headers;
  expect(await preflight('https://example.org')).toHaveProperty('access-control-allow-origin', 'https://example.org');
  expect(await preflight('https://evil.example')).not.toHaveProperty('access-control-allow-origin');
  await server.close();
});

it.each<[what: string, options: object]>([
  ['no origin', { corsOrigins: ['example.org'] }],
  ['an origin with a path', { corsOrigins: ['https://example.org/a'] }],
  ['a deadline of 0', { deadlineMs: 0 }],
  ['a grace that no timer can wait', { graceMs: 1e14 }],
  ['adaptation by itself without a store', { adaptation: { automatic: {} } }],
])('refuses to start with %s', async (_what, options) => {
  await expect(createToyServer(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

describe('pages of other origins', () => {
  const send = (server: Server, headers: Record<string, string>, method: 'GET' | 'POST' = 'POST') =>
    server.app.inject({ method, url: method === 'POST' ? '/v1/rollback' : '/v1/models', headers });

  it('cannot make a browser change anything, nor ask under a name that is not this machine', async () => {
    const server = await createToyServer({ allowedHosts: ['model.example'] });
    const host = '127.0.0.1:8080';
    for (const origin of [
      'http://evil.example',
      'null',
      'http://127.0.0.1:9999',
      'https://127.0.0.1:8080.evil.example',
    ]) {
      const answer = await send(server, { host, origin });
      expect([answer.statusCode, answer.json().error.code], origin).toEqual([403, 'origin_not_allowed']);
    }
    // Without a store: let in, but there is nothing to roll back.
    for (const headers of [{ host }, { host, origin: 'http://127.0.0.1:8080' }, { host: 'model.example' }]) {
      expect((await send(server, headers)).statusCode).toBe(503);
    }
    for (const name of ['evil.example:8080', 'localhost.evil.example']) {
      const answer = await send(server, { host: name }, 'GET');
      expect([answer.statusCode, answer.json().error.code], name).toEqual([403, 'host_not_allowed']);
    }
    for (const name of ['localhost:1', '127.0.0.1', '[::1]:8080', 'MODEL.example:80']) {
      expect((await send(server, { host: name }, 'GET')).statusCode, name).toBe(200);
    }
    await server.close();
  });

  it('may be asked under any name where keys are needed, which a page of others does not have', async () => {
    const server = await createToyServer({ keysFile: path });
    expect((await send(server, { host: 'model.example' }, 'GET')).statusCode).toBe(401);
    await server.close();
  });
});
