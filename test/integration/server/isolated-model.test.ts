import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { startIsolatedModel } from '../../../src/server/isolated-model.ts';
import { createModelPool } from '../../../src/server/model-pool.ts';
import { createServedModel } from '../../../src/server/served-model.ts';
import { startProcess } from '../cli/command-line.ts';

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

const settings = { variant: 'fp32', threads: 1, maxBatch: 8 } as const;

describe('a model in a process of its own', () => {
  it('does what it does in this one, and is replaced if its process ends', async () => {
    const folder = await openModel('itera-lite-micro');
    const here = await createServedModel(folder, settings);
    const faults: unknown[] = [];
    const pool = createModelPool(
      (dir) => startIsolatedModel(dir, settings),
      (error) => faults.push(error),
    );
    pool.keepOnly([folder.dir]);
    const { model: there, release } = await pool.lease(folder.dir, 'fp32');
    const options = { maxNewTokens: 12, seed: 1, alternatives: 2 };
    expect(await all(there.generate('The dog', options))).toEqual(await all(here.generate('The dog', options)));
    expect(await there.score('The dog sat.')).toEqual(await here.score('The dog sat.'));
    expect(await there.suggest('The do', { count: 2 })).toEqual(await here.suggest('The do', { count: 2 }));
    const { cpuS, residentBytes } = pool.usage();
    expect(cpuS).toBeGreaterThan(0.01);
    expect(residentBytes).toBeGreaterThan(20e6);
    await expect(there.score('\ud800')).rejects.toMatchObject({ code: 'TEXT_INVALID_UTF8' });

    const controller = new AbortController();
    const long = there.generate('The dog', { maxNewTokens: 10_000, temperature: 2, signal: controller.signal });
    await long.next();
    controller.abort();
    await expect(all(long)).rejects.toMatchObject({ code: 'ABORTED' });

    const cut = there.generate('The dog', { maxNewTokens: 10_000, temperature: 3 });
    await cut.next();
    const ended = all(cut).catch((error: unknown) => error);
    // As if it had crashed.
    await there.release();
    expect(await ended).toMatchObject({ code: 'RUNTIME_FAILED', message: expect.stringContaining('SIGKILL') });
    release();
    const again = await pool.lease(folder.dir, 'fp32');
    expect(again.model).not.toBe(there);
    expect(await again.model.score('The dog sat.')).toEqual(await here.score('The dog sat.'));
    // The time of the one that is gone still counts.
    expect(pool.usage().cpuS).toBeGreaterThan(cpuS);
    again.release();
    await Promise.all([pool.close(), here.release()]);
    expect(faults).toEqual([]);
  });

  it('says why it cannot be loaded', async () => {
    await expect(startIsolatedModel('/nowhere', settings)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('itera-lite serve', () => {
  it('prints its address, answers, and ends with 0 when it is told to stop', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'itera-serve-'));
    const options = [
      '--model',
      'itera-lite-micro',
      '--port',
      '0',
      '--store',
      join(dir, 'store'),
      '--log-level',
      'error',
    ];
    const { child, ended } = startProcess('serve', ...options);
    const address = await new Promise<string>((resolve) => {
      child.stdout?.once('data', (block: Buffer) => resolve(/http:\S+/.exec(block.toString())?.[0] ?? ''));
    });
    const answer = await fetch(`${address}/infer`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ input_text: 'Once upon a time', max_length: 4 }),
    });
    expect(await answer.json()).toMatchObject({
      model_version: 'v1',
      inference_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/^\nstopping; [^\n]*\n$/) });
    await rm(dir, { recursive: true, force: true });
  });

  it('says which port is in use', async () => {
    const other = createTcpServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const options = ['--model', 'itera-lite-micro', '--port', String(port), '--no-isolate', '--log-level', 'silent'];
    const { code, stderr } = await startProcess('serve', ...options).ended;
    expect(code).toBe(1);
    expect(stderr).toContain(`SERVER_UNAVAILABLE: Expected to listen on 127.0.0.1, port ${port}, but it is in use`);
    other.close();
  });
});
