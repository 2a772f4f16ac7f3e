import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RecordSet } from '../../../src/core/measurement.ts';
import { requirement } from '../../requirements.ts';
import { writeToyFolder } from '../../unit/compression/toy-folder.ts';
import { command, startProcess } from './command-line.ts';

const pytorch = requirement('pytorch');
let dir: string;
let model: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-bench-test-'));
  model = join(dir, 'toy');
  await writeToyFolder(model);
});
afterAll(() => rm(dir, { recursive: true }));

describe('itera-lite bench', { timeout: 120_000 }, () => {
  it('times ONNX Runtime, native and in WebAssembly, side by side and keeps the numbers', async () => {
    const out = join(dir, 'out');
    const given = ['--runtime', 'onnxruntime-node', '--runtime', 'onnxruntime-web', '--rounds', '2', '--tokens', '8'];
    const { code, stdout } = await command(
      'bench',
      '--model',
      model,
      ...given,
      '--variant',
      'fp32',
      '--variant',
      'int8',
      '--out',
      out,
      '--json',
    );
    expect(code).toBe(0);
    const { records } = JSON.parse(stdout) as RecordSet;
    expect((await readdir(out)).sort()).toEqual(['bench.json', 'latency.svg']);
    expect(JSON.parse(await readFile(join(out, 'bench.json'), 'utf8'))).toEqual(JSON.parse(stdout));
    for (const runtime of ['onnxruntime-node', 'onnxruntime-web']) {
      for (const variant of ['fp32', 'int8']) {
        const own = records.filter(
          ({ conditions }) => conditions.runtime === runtime && conditions.variant === variant,
        );
        const metrics = new Set(own.map(({ metric }) => metric));
        expect([...metrics].sort()).toEqual([
          'latency_ms',
          'load_ms',
          'memory_bytes',
          'time_to_first_token_ms',
          'tokens_per_second',
        ]);
        for (const record of own) {
          expect(record.status === 'measured' && record.value > 0 && Number.isFinite(record.value)).toBe(true);
          expect(record.conditions['runtimeVersion']).toMatch(/^1\.\d+/);
        }
      }
    }
    const stages = records.flatMap(({ conditions, status }) =>
      conditions['stage'] ? [[conditions['stage'], status]] : [],
    );
    expect(stages).toEqual([
      ['tokenize', 'measured'],
      ['sample', 'measured'],
      ['arithmetic floor', 'estimated'],
    ]);

    const compared = await command('bench', '--compare', join(out, 'bench.json'), join(out, 'bench.json'), '--json');
    const rows = JSON.parse(compared.stdout) as { ratio: number }[];
    expect(rows.length).toBeGreaterThan(15);
    expect(rows.every(({ ratio }) => ratio === 1)).toBe(true);
    const other = join(dir, 'other.json');
    await writeFile(other, stdout.replaceAll('toy', 'yot'));
    const apart = await command('bench', '--compare', join(out, 'bench.json'), other);
    expect(apart).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/have none in common/) });
  });

  it.skipIf(!pytorch.available)(`times TorchScript in PyTorch too ${pytorch.reason}`, async () => {
    const given = ['--runtime', 'torchscript', '--rounds', '1', '--tokens', '8'];
    const { code, stdout } = await command('bench', '--model', model, ...given);
    expect(code).toBe(0);
    for (const form of ['scan', 'scan, frozen', 'chunked', 'chunked, frozen'])
      expect(stdout).toContain(`torchscript, ${form} `);
  });

  it('says what is not run, and why', async () => {
    vi.stubEnv('ITERA_PYTHON', join(dir, 'none'));
    const given = [
      '--runtime',
      'onnxruntime-node',
      '--runtime',
      'torchscript',
      '--rounds',
      '1',
      '--tokens',
      '4',
      '--variant',
      'fp32',
    ];
    const { code, stdout } = await command('bench', '--model', model, ...given);
    expect(code).toBe(0);
    expect(stdout).toMatch(/not run: .*none could not be started \(ENOENT\)/);
  });

  it.each<[string, readonly string[], number, RegExp]>([
    [
      'an unknown runtime',
      ['--runtime', 'gpu'],
      2,
      /Expected --runtime onnxruntime-node, onnxruntime-web, torchscript, got "gpu"/,
    ],
    ['no rounds', ['--rounds', '0'], 2, /whole number from 1/],
    ['an unknown variant', ['--variant', 'int3'], 2, /got "int3"/],
    ['one file to compare', ['--compare', 'one.json'], 2, /two files, got 1/],
    ['a file that is absent', ['--compare', 'one.json', 'two.json'], 1, /FILE_NOT_FOUND: .*one\.json/],
    ['a text that is too long', ['--tokens', '100000'], 2, /from 1 to 16384/],
    ['a comparison with more', ['--compare', 'a', 'b', '--tokens', '9'], 2, /cannot be used with option '--tokens/],
    ['a file that is none of ours', ['--compare', 'package.json', 'package.json'], 1, /RECORD_INVALID/],
  ])('refuses %s', async (_, given, code, says) => {
    const ended = await command('bench', '--model', model, ...given);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) });
  });

  it.skipIf(process.platform === 'win32')('leaves nothing behind when interrupted', async () => {
    const before = (await readdir(tmpdir())).filter((name) => name.startsWith('itera-bench-'));
    await writeFile(join(dir, 'x'), '');
    const { child, ended } = startProcess(
      'bench',
      '--model',
      model,
      '--runtime',
      'onnxruntime-node',
      '--rounds',
      '100000',
      '--variant',
      'fp32',
    );
    child.stderr?.on('data', (block: Buffer) => {
      if (block.includes('passes over')) child.kill('SIGINT');
    });
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toMatch(/ABORTED: Interrupted before the end\.\n$/);
    expect((await readdir(tmpdir())).filter((name) => name.startsWith('itera-bench-'))).toEqual(before);
  });
});
