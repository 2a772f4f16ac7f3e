import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiKey } from '../../../src/server/api-keys-file.ts';
import type { Server } from '../../../src/server/server.ts';
import { python, type Requirement, requirement } from '../../requirements.ts';
import { createToyServer } from './toy-server.ts';
import { openToyStore } from './toy-versions.ts';

interface Example {
  readonly start: readonly string[];
  readonly needs?: Requirement;
  /** Says what the server's answer was worth. */
  readonly judges: boolean;
}

const tsx = [process.execPath, '--import', 'tsx'];
const examples: Readonly<Record<string, Example>> = {
  'client.ts': { start: tsx, judges: true },
  'client-openai.ts': { start: tsx, judges: false },
  'client.sh': { start: ['sh'], needs: 'curl', judges: true },
  'client.py': { start: [python], needs: 'python', judges: true },
};

/** Runs an example as its reader would. */
async function run(name: string, address: string, prompt: string, key?: string) {
  const [command = '', ...args] = examples[name]?.start ?? [];
  const { ITERA_API_KEY: _, ...env } = process.env;
  const child = spawn(command, [...args, `examples/${name}`, prompt], {
    env: { ...env, ITERA_URL: address, ...(key !== undefined && { ITERA_API_KEY: key }) },
  });
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (block: Buffer) => {
      written[stream] += block.toString();
    });
  }
  const [code] = await once(child, 'close');
  return { code, ...written };
}

it('are all tested', async () => {
  expect((await readdir('examples')).sort()).toEqual(Object.keys(examples).sort());
});

let toy: Awaited<ReturnType<typeof openToyStore>>;
let dir: string;
let key: string;
/** With a store and keys, and without either. */
const servers: Server[] = [];
const addresses: string[] = [];
beforeAll(async () => {
  [toy, dir] = await Promise.all([openToyStore(), mkdtemp(join(tmpdir(), 'itera-examples-'))]);
  const keysFile = join(dir, 'keys.json');
  key = await createApiKey(keysFile, 'reader', ['infer', 'feedback']);
  const { store, versionsDir } = toy;
  servers.push(await createToyServer({ store, versionsDir, keysFile }), await createToyServer());
  for (const server of servers) addresses.push(await server.listen());
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await Promise.all([toy.remove(), rm(dir, { recursive: true, force: true })]);
});

describe.each(Object.keys(examples))('examples/%s', (name) => {
  const { needs, judges } = examples[name] as Example;
  const { available, reason } = needs === undefined ? { available: true, reason: '' } : requirement(needs);

  it.skipIf(!available)(`gets texts, and gives feedback that is kept ${reason}`, async () => {
    const prompt = `The dog said "no\\yes" to ${name} and`;
    const { code, stdout, stderr } = await run(name, addresses[0]!, prompt, key);
    expect([code, stderr]).toEqual([0, '']);
    const pieces = [...stdout.matchAll(/^data: (\{.*\})$/gm)].map(([, event = '']) => JSON.parse(event));
    // The shell shows what comes as it is; the others put it together.
    if (name === 'client.sh') expect(pieces.flatMap(({ choices }) => choices).length).toBeGreaterThan(5);
    else expect(stdout.split(prompt)).toHaveLength(judges ? 3 : 2);
    const items = (await toy.store.listFeedback()).filter((item) => item.prompt === prompt);
    expect(items).toHaveLength(judges ? 1 : 0);
    for (const { id, output, ...item } of items) {
      expect(item).toMatchObject({ rating: 5, client: 'example' });
      expect(stdout).toContain(id);
      expect(stdout).toContain(name === 'client.sh' ? JSON.stringify(output) : prompt + output);
    }
  });

  it.skipIf(!available)(`needs neither a key nor a store ${reason}`, async () => {
    const { code, stdout, stderr } = await run(name, addresses[1]!, 'The dog');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.includes('there is nothing to judge')).toBe(judges);
  });

  it.skipIf(!available)(`says why it is refused, and fails ${reason}`, async () => {
    const { code, stderr } = await run(name, addresses[0]!, 'The dog', 'itera_wrong');
    expect(code).toBe(1);
    expect(stderr).toContain('got a key that is not known');
    const { port } = await busyServer(0);
    const gone = await run(name, `http://127.0.0.1:${port}`, 'The dog');
    expect(gone.code).toBe(1);
    expect(gone.stderr).not.toBe('');
  });

  it.skipIf(!available)(`waits as long as it is told ${reason}`, async () => {
    const busy = await busyServer(1);
    const started = performance.now();
    const { code, stderr } = await run(name, `http://127.0.0.1:${busy.port}`, 'The dog');
    expect(performance.now() - started).toBeGreaterThan(1000);
    await busy.close();
    expect(busy.asked()).toBe(2);
    expect(code).toBe(1);
    expect(stderr).toContain('Expected no more, got one.');
  });
});

/** A server that refuses so many requests for a second and all others for good; with 0 it is gone already. */
async function busyServer(refusals: number) {
  let asked = 0;
  const server = createServer((_request, answer) => {
    const [status, message] = asked++ < refusals ? [429, 'Too many.'] : [400, 'Expected no more, got one.'];
    answer.writeHead(status as number, { 'content-type': 'application/json', 'retry-after': '1' });
    answer.end(JSON.stringify({ error: { message } }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  if (refusals === 0) await close();
  return { port, asked: () => asked, close };
}
