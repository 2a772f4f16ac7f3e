import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RecordSet, withoutSamples } from '../../../src/core/measurement.ts';
import { readModelFolder } from '../../../src/models/model-folder-file.ts';
import { readVariantRecords } from '../../../src/models/variants.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { writeStories, writeToyFolder } from '../../unit/compression/toy-folder.ts';
import { command, startProcess } from './command-line.ts';

let dir: string;
let model: string;
let text: string;
let training: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-compress-'));
  model = join(dir, 'toy');
  await writeToyFolder(model);
  text = await writeStories(dir);
  training = join(dir, 'training.txt');
  await writeFile(training, 'The dog sat. A girl named Ann had a red ball. It was cold, so he went home.');
});
afterAll(() => rm(dir, { recursive: true }));

describe('itera-lite compress', () => {
  it('makes, compares and records variants, which generate then runs', async () => {
    const out = join(dir, 'small');
    const given = ['--model', model, '--out', out, '--dataset', text, '--calibration', training, '--seed', '4'];
    const wanted = ['--variant', 'int8', '--variant', 'fp16', '--threads', '1', '--json'];
    const { code, stdout, stderr } = await command('compress', ...given, ...wanted);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^only \d+ tokens to calibrate with, of 32768 wanted/m);
    expect(stderr).toMatch(/^fp16: \d+ bytes, \d\d\.\d% of FP32$/m);
    expect(stderr).toContain(`wrote ${join(out, 'onnx')}\n`);

    const { schemaVersion, provenance, records, ...rest } = JSON.parse(stdout) as RecordSet;
    expect([schemaVersion, rest]).toEqual([1, {}]);
    expect(provenance).toMatchObject({ seed: 4, threads: 1, hashes: { 'dataset/stories.txt': expect.any(String) } });
    const found = (metric: string, variant: string) =>
      records.find((record) => record.metric === metric && record.conditions.variant === variant);
    expect(found('perplexity_ratio', 'fp16')).toMatchObject({ status: 'measured', value: expect.closeTo(1, 3) });
    expect(found('size_bytes', 'int8')).toMatchObject({ status: 'measured', unit: 'bytes' });
    expect(found('memory_bytes', 'int8')).toMatchObject({ status: 'measured', unit: 'bytes', n: 1 });
    expect(found('bits_per_byte', 'fp32')).toMatchObject({ status: 'measured' });

    const folder = await readModelFolder(out);
    const variants = readVariantRecords(folder.itera);
    expect((await readdir(join(out, 'onnx'))).sort()).toEqual(['model_fp16.onnx', 'model_quantized.onnx']);
    expect(variants.int8?.calibration).toMatchObject({ texts: [{ name: 'training.txt' }] });
    expect(variants.int8?.measurements).toEqual(
      records.filter(({ conditions }) => conditions.variant === 'int8').map(withoutSamples),
    );

    const generated = await command('generate', 'The', '--model', out, '--variant', 'int8', '--max-new-tokens', '4');
    expect(generated).toMatchObject({ code: 0, stderr: '' });
    expect(generated.stdout).toMatch(/^The/);
    const missing = await command('generate', 'The', '--model', out, '--variant', 'int4');
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/^VARIANT_MISSING: .*itera-lite compress --model .* --variant int4\n$/);
  });

  it('refuses a folder with another model before any work', async () => {
    const given = ['--model', model, '--out', 'models/itera-lite-micro', '--dataset', text, '--variant', 'int8'];
    const { code, stderr } = await command('compress', ...given);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^INVALID_ARGUMENT: .*another model/) });
  });

  it('trains weights for their levels where it is asked to, and says so', async () => {
    const out = join(dir, 'tuned');
    const long = join(dir, 'long.txt');
    await writeFile(long, (await readFile(training, 'utf8')).repeat(8));
    const given = ['--model', model, '--out', out, '--dataset', text, '--calibration', long, '--variant', 'int4'];
    const { code, stderr } = await command('compress', ...given, '--tune', '3', '--threads', '1', '--no-raise');
    expect([0, 3]).toContain(code);
    expect(stderr).toContain('training the weights of int4 for its levels\n');
    const { int4 } = readVariantRecords((await readModelFolder(out)).itera);
    expect(int4?.refinement).toMatchObject({ tuning: { steps: 3, seed: 1, texts: ['long.txt'] } });
    const generated = await command('generate', 'The', '--model', out, '--variant', 'int4', '--max-new-tokens', '4');
    expect(generated).toMatchObject({ code: 0, stderr: '' });
    const refused = await command('compress', ...given, '--tune', 'none');
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    const short = await command('compress', '--model', model, '--dataset', text, '--calibration', training, '--tune');
    expect({ code: short.code, stderr: short.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /^INVALID_ARGUMENT: Expected more than 256 tokens to train on in .*, got \d+\. Name/,
      ),
    });
  });

  it('ends with 3 and says why when a variant is worse than it may be', async () => {
    const out = join(dir, 'refused');
    const given = ['--model', model, '--out', out, '--dataset', text, '--variant', 'int4', '--method', 'nearest'];
    const strict = ['--max-degradation', 'int4=0', '--no-raise'];
    const { code, stdout, stderr } = await command('compress', ...given, ...strict);
    expect(code).toBe(3);
    expect(stdout).toMatch(/int4.*not within 0%/);
    expect(stderr).toMatch(/^GATE_REFUSED: int4 is .* fp32 on stories\.txt: (beyond|not shown to be within) 0%\.$/m);
    expect(await readdir(join(out, 'onnx'))).toEqual(['model_q4.onnx']);
    expect(readVariantRecords((await readModelFolder(out)).itera).int4).toMatchObject({
      scheme: { rounding: { method: 'nearest' } },
      measurements: expect.arrayContaining([expect.objectContaining({ metric: 'perplexity_ratio' })]),
    });
  });

  it.each<[string, readonly string[], number, RegExp]>([
    ['an unknown variant', ['--variant', 'int5'], 2, /fp16, int8, int4, q4f16, mixed or all, got "int5"/],
    ['both kinds of levels', ['--symmetric', '--asymmetric'], 2, /cannot be used with/],
    ['a block size that the runtime does not know', ['--block-size', '24'], 2, /Expected one of 16, 32, 64, 128/],
    ['an unknown method', ['--method', 'best'], 2, /nearest, search, error-feedback/],
    ['a bound that is none', ['--max-degradation', 'much'], 2, /percentage/],
    ['a text that is absent', ['--dataset', 'lost.txt'], 1, /DATASET_UNKNOWN/],
    ['a text for measuring and for calibration', ['--calibration', 'TEXT'], 2, /got .*stories\.txt for both/],
  ])('refuses %s, and writes nothing', async (_, options, code, says) => {
    const own = options.map((option) => (option === 'TEXT' ? text : option));
    const before = await readdir(model);
    const datasets = own.includes('--dataset') ? [] : ['--dataset', text];
    const ended = await command('compress', '--model', model, ...datasets, ...own);
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) });
    expect(await readdir(model)).toEqual(before);
  });

  // Windows has no such signal to send: there, kill ends the process at once.
  it.skipIf(process.platform === 'win32')('leaves nothing behind when interrupted', { timeout: 120_000 }, async () => {
    const copy = join(dir, 'interrupted');
    await cp((await openModel('itera-lite-micro')).dir, copy, { recursive: true });
    await rm(join(copy, 'onnx'), { recursive: true, force: true });
    const before = await readdir(copy);
    const itera = await readFile(join(copy, 'itera.json'), 'utf8');
    const { child, ended } = startProcess('compress', '--model', copy, '--calibration-tokens', '2000000');
    child.stderr?.on('data', (block: Buffer) => {
      if (block.includes('the model writes a text')) child.kill('SIGINT');
    });
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toMatch(/stopping\nABORTED: Interrupted before the end\.\n$/);
    expect(await readdir(copy)).toEqual(before);
    expect(await readFile(join(copy, 'itera.json'), 'utf8')).toBe(itera);
  });
});
