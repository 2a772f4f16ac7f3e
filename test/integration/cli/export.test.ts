import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RecordSet } from '../../../src/core/measurement.ts';
import { readModelFolder } from '../../../src/models/model-folder-file.ts';
import { requirement } from '../../requirements.ts';
import { writeToyFolder } from '../../unit/compression/toy-folder.ts';
import { command } from './command-line.ts';

const pytorch = requirement('pytorch');
let dir: string;
let model: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-export-'));
  model = join(dir, 'toy');
  await writeToyFolder(model);
});
afterAll(() => rm(dir, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
});

describe('itera-lite export', () => {
  it.skipIf(!pytorch.available)(`writes files for PyTorch and proves them equal ${pytorch.reason}`, async () => {
    const out = join(dir, 'out');
    const given = ['export', '--model', model, '--out', out, '--format', 'state-dict', '--format', 'torchscript'];
    const { code, stdout } = await command(...given, '--json');
    expect(code).toBe(0);
    const { records, provenance } = JSON.parse(stdout) as RecordSet;
    expect(records.map(({ status }) => status)).toEqual(Array(8).fill('measured'));
    expect(provenance.hashes).toMatchObject({
      'export/model.pt': expect.any(String),
      'export/pytorch_model.bin': expect.any(String),
    });
    expect((await readdir(out)).sort()).toEqual(['model.pt', 'pytorch_model.bin']);
  });

  it('says that nothing was compared where there is no PyTorch', async () => {
    vi.stubEnv('ITERA_PYTHON', join(dir, 'no-python'));
    const given = ['export', '--model', model, '--out', join(dir, 'none'), '--format', 'torchscript'];
    const { code, stdout } = await command(...given);
    expect(code).toBe(0);
    expect(stdout).toMatch(/model\.pt: not compared\. .*no-python could not be started \(ENOENT\)\. Install PyTorch/);
    vi.stubEnv('ITERA_PYTHON', join(dir, 'no-python'));
    const { records } = JSON.parse((await command(...given, '--json')).stdout) as RecordSet;
    expect(records).toEqual([
      expect.objectContaining({ status: 'notRun', reason: expect.stringContaining('ITERA_PYTHON') }),
    ]);
  });

  it('writes nothing of a model whose record of variants is damaged', async () => {
    const damaged = join(dir, 'damaged');
    await cp(model, damaged, { recursive: true });
    await writeFile(join(damaged, 'itera.json'), JSON.stringify({ variants: { int8: 'broken' } }));
    const out = join(dir, 'of-damaged');
    const { code, stderr } = await command('export', '--model', damaged, '--out', out, '--format', 'onnx');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('MODEL_INVALID: itera.json') });
    expect(existsSync(out)).toBe(false);
  });

  it('writes a folder with onnx/model.onnx, proven equal, which is a model again', async () => {
    const out = join(dir, 'package');
    const { code, stdout } = await command('export', '--model', model, '--out', out, '--format', 'onnx');
    expect(code).toBe(0);
    expect(stdout).toMatch(/model\.onnx: equal to the model \(7 checks in onnxruntime [\d.]+, float32/);
    expect((await readModelFolder(out)).sha256).toEqual((await readModelFolder(model)).sha256);
    const again = await command('export', '--model', out, '--out', out, '--format', 'onnx', '--no-verify');
    expect(again).toMatchObject({ code: 0, stdout: '' });
    const other = await command('export', '--model', 'itera-lite-micro', '--out', out, '--format', 'onnx');
    expect(other).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/holds another model/) });
  });

  it.skipIf(process.platform === 'win32')('says so where ITERA_PYTHON is no Python, or ended at once', async () => {
    for (const [name, script, says] of [
      ['nonsense', 'echo nonsense; sleep 20', /nonsense gave another answer than expected/],
      ['silent', 'exit 3', /silent has no PyTorch \(it gave no reason\)/],
    ] as const) {
      await writeFile(join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      vi.stubEnv('ITERA_PYTHON', join(dir, name));
      const { code, stdout } = await command(
        'export',
        '--model',
        model,
        '--out',
        join(dir, name, '..', 'n'),
        '--format',
        'torchscript',
      );
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(says) });
    }
  });

  it.skipIf(process.platform === 'win32')('ends with 3 where what is read back is not the model', async () => {
    // A runtime that finds no tensor in the file.
    const script = `#!${process.execPath}
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) =>
  console.log(JSON.stringify(JSON.parse(line).hello ? { torch: '0' } : { tensors: {} })));`;
    await writeFile(join(dir, 'empty.cjs'), script, { mode: 0o755 });
    const shim = join(dir, 'shim');
    await writeFile(shim, `#!/bin/sh\nexec ${process.execPath} ${join(dir, 'empty.cjs')}\n`, { mode: 0o755 });
    vi.stubEnv('ITERA_PYTHON', shim);
    const { code, stderr } = await command(
      'export',
      '--model',
      model,
      '--out',
      join(dir, 'wrong'),
      '--format',
      'state-dict',
    );
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/GATE_REFUSED: .*does not hold the model's weights: model\.embed_tokens/),
    });
  });

  it.each<[string, readonly string[], number, RegExp]>([
    ['no format', [], 2, /required option '--format/],
    ['an unknown format', ['--format', 'gguf'], 2, /Expected --format onnx, torchscript, state-dict, got "gguf"/],
    ['an unknown form', ['--format', 'torchscript', '--form', 'fast'], 2, /scan, chunked/],
    ['a folder that is a file', ['--format', 'torchscript', '--out', 'package.json'], 1, /OUTPUT_UNWRITABLE/],
    ['no model', ['--format', 'torchscript', '--model', 'nowhere'], 1, /FILE_NOT_FOUND/],
    [
      'a form of something else',
      ['--format', 'onnx', '--form', 'scan'],
      2,
      /--form with --format torchscript, got onnx/,
    ],
    ['a folder without a name', ['--format', 'onnx', '--out', ''], 2, /name of a folder to write, got none/],
    ['a folder with another model', ['--format', 'state-dict', '--out', 'models/itera-lite-micro'], 2, /another model/],
  ])('refuses %s', async (_, given, code, says) => {
    const ended = await command('export', ...(given.includes('--model') ? [] : ['--model', model]), ...given);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) });
  });
});
