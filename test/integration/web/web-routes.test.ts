import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer, get } from '../server/toy-server.ts';
import { addVersions, openToyStore } from '../server/toy-versions.ts';

describe('the files of the model that is served', () => {
  let toy: Awaited<ReturnType<typeof openToyStore>>;
  let server: Server;
  beforeAll(async () => {
    toy = await openToyStore();
    await addVersions(toy.store, toy.versionsDir, 2);
    server = await createToyServer({ store: toy.store, versionsDir: toy.versionsDir, webDir: false });
  });
  afterAll(async () => {
    await server?.close();
    await toy?.remove();
  });

  it('are those of the version, with length and a tag that saves fetching them again', async () => {
    const answer = await server.app.inject('/v1/model-files/model.safetensors');
    expect(answer.rawPayload).toEqual(await readFile(join(toy.versionsDir, 'v1/model.safetensors')));
    const { etag, 'content-length': length, 'x-itera-version': version } = answer.headers;
    expect([length, version]).toEqual([`${answer.rawPayload.length}`, 'v1']);
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/);
    const again = await server.app.inject({
      url: '/v1/model-files/model.safetensors',
      headers: { 'if-none-match': etag },
    });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    const config = await get(server, '/v1/model-files/config.json');
    expect(config.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(config.text)).toHaveProperty('vocab_size');
  });

  it.each([
    'README.md',
    'onnx/model_q4.onnx',
    'onnx',
    '',
    '../v2/config.json',
    '..%2fv2%2fconfig.json',
    '%2e%2e/%2e%2e/store/PG_VERSION',
    'config.json%00',
    '/etc/passwd',
  ])('are no other files: %s', async (path) => {
    expect((await get(server, `/v1/model-files/${path}`)).status).toBe(404);
  });

  it('leave the root without pages if there are none', async () => {
    expect((await get(server, '/')).status).toBe(404);
    expect((await get(server, '/ui/')).status).toBe(404);
  });
});

describe('the pages', () => {
  let dir: string;
  let server: Server;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'itera-pages-'));
    for (const name of ['index.html', 'browser.html', 'a-1234.js']) await writeFile(join(dir, name), name);
    server = await createToyServer({ webDir: dir, rateLimit: 3 });
  });
  afterAll(async () => {
    await server?.close();
    await rm(dir, { recursive: true });
  });

  it('lie under /ui/, with a strict policy and no limit of requests', async () => {
    for (const path of ['/', '/ui']) {
      const { status, headers } = await get(server, path);
      expect([status, headers['location']]).toEqual([302, 'ui/']);
    }
    const pages = await Promise.all(Array.from({ length: 5 }, () => get(server, '/ui/')));
    expect(pages.map(({ status }) => status)).toEqual(Array(5).fill(200));
    const { text, headers } = pages[0] as (typeof pages)[0];
    expect(text).toBe('index.html');
    expect(headers['cache-control']).toBe('no-cache');
    expect(headers['content-security-policy']).toContain("script-src 'self';");
    expect((await get(server, '/ui/browser.html')).headers['content-security-policy']).toContain("'wasm-unsafe-eval'");
    expect((await get(server, '/ui/a-1234.js')).headers['cache-control']).toContain('immutable');
  });

  it('are no other files, and are not listed', async () => {
    expect((await get(server, '/ui/..%2fpackage.json')).status).toBeGreaterThanOrEqual(400);
    expect((await get(server, '/ui/none.js')).status).toBe(404);
    const document = JSON.parse((await get(server, '/openapi.json')).text) as { paths: object };
    const paths = Object.keys(document.paths);
    expect(paths.filter((path) => path === '/' || path.startsWith('/ui'))).toEqual([]);
    expect(paths.some((path) => path.startsWith('/v1/model-files/'))).toBe(true);
  });
});
