import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { Tensor } from '../../../src/core/tensor.ts';
import { writeModelFolder } from '../../../src/models/model-folder-file.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { startProcess, startProcessIn } from './command-line.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-process-'));
  await writeFile(join(dir, 'own.txt'), 'The dog sat. The cat ran.');
});
afterAll(() => rm(dir, { recursive: true }));

// At the same time, because each start of a process costs seconds.
describe.concurrent('itera-lite in a process of its own', { timeout: 120_000 }, () => {
  it('prints one JSON document on stdout and ends by itself', async ({ expect }) => {
    const given = [
      '--dataset',
      join(dir, 'own.txt'),
      '--out',
      join(dir, 'report'),
      '--variant',
      'none',
      '--drill',
      'none',
      '--no-server',
      '--no-energy',
      '--json',
      '--model',
      'itera-lite-micro',
    ];
    const { ended } = startProcess('run', ...given);
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(0);
    expect(Object.keys(JSON.parse(stdout))).toEqual(['schemaVersion', 'provenance', 'records']);
    expect(stderr).toMatch(/^\d\/\d stages/);
    expect(stderr).toContain('Report: ');
  });

  it('exits with 1 on bad input', async ({ expect }) => {
    const { code, stdout, stderr } = await startProcess('generate', 'Once', '--model', join(dir, 'none')).ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^FILE_NOT_FOUND: [^\n]+\n$/);
  });

  it('leaves nothing in the home folder and keeps ONNX Runtime from reporting to its makers', async ({ expect }) => {
    const home = join(dir, 'home');
    await mkdir(home);
    const places = { HOME: home, USERPROFILE: home, XDG_CACHE_HOME: undefined, ORT_DISABLE_TELEMETRY: undefined };
    const { code } = await startProcessIn(places, 'generate', 'Once', '--max-new-tokens', '1').ended;
    expect(code).toBe(0);
    // Where it reports, it keeps a device identifier and a queue of events there.
    expect(await readdir(home)).toEqual([]);
  });

  it('ends quietly when its reader has had enough', async ({ expect }) => {
    const { child, ended } = startProcess('generate', 'Once', '--max-new-tokens', '1000000', '--stop', '\u0001');
    child.stdout?.once('data', () => child.stdout?.destroy());
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  // Windows has no such signal to send: there, kill ends the process at once.
  it.skipIf(process.platform === 'win32')('keeps what it wrote when interrupted', async ({ expect }) => {
    const endless = join(dir, 'endless');
    await writeEndlessModel(endless);
    const line = ['generate', 'Once', '--model', endless, '--max-new-tokens', '1000000', '--temperature', '0'];
    const { child, ended } = startProcess(...line);
    child.stdout?.once('data', () => child.kill('SIGINT'));
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^Once.*\n$/s);
    expect(stderr).toMatch(/stopping\nABORTED: /);
  });
});

/** The bundled model without a will to end its texts: the end mark's logit is 0, and the highest is above. */
async function writeEndlessModel(path: string): Promise<void> {
  const folder = await openModel('itera-lite-micro');
  const name = 'model.embed_tokens.weight';
  const embedding = folder.weights.get(name) as Tensor<'float32'>;
  const { hiddenSize, eosTokenId } = folder.config;
  const data = embedding.data.slice().fill(0, eosTokenId * hiddenSize, (eosTokenId + 1) * hiddenSize);
  await writeModelFolder(path, { ...folder, weights: new Map(folder.weights).set(name, { ...embedding, data }) });
}
