import { createHash } from 'node:crypto';
import { appendFile, cp, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compressModel } from '../../../src/compression/compress-model.ts';
import { writeVariants } from '../../../src/compression/write-variants-file.ts';
import { type ModelFolder, readModelFolder, writeModelFolder } from '../../../src/models/model-folder-file.ts';
import { readVariant } from '../../../src/models/variant-file.ts';
import { readVariantRecords } from '../../../src/models/variants.ts';
import { readOnnxMetadata } from '../../../src/onnx/metadata.ts';
import { loadModel } from '../../../src/runtime/load-model-file.ts';
import { writeToyFolder } from '../compression/toy-folder.ts';

const calibration = { tokens: 200, windowTokens: 32, seed: 1 };

let dir: string;
let good: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-variant-'));
  good = join(dir, 'good');
  await makeVariants(await writeToyFolder(good));
});
afterAll(() => rm(dir, { recursive: true }));

async function makeVariants(folder: ModelFolder): Promise<ModelFolder> {
  const variants = ['fp16', 'int8'] as const;
  return writeVariants(folder, await compressModel(folder, { variants, calibration, version: '1.2.3' }));
}

let copies = 0;
/** A copy of the folder with variants, damaged. */
async function damaged(damage: (copy: string) => Promise<unknown>): Promise<string> {
  const copy = join(dir, `copy-${copies++}`);
  await cp(good, copy, { recursive: true });
  await damage(copy);
  return copy;
}

type Json = Record<string, never> & { variants: Record<string, Record<string, unknown>> };

async function editItera(copy: string, change: (itera: Json) => void): Promise<void> {
  const path = join(copy, 'itera.json');
  const itera = JSON.parse(await readFile(path, 'utf8')) as Json;
  change(itera);
  await writeFile(path, JSON.stringify(itera));
}

const int8 = (copy: string): string => join(copy, 'onnx', 'model_quantized.onnx');

/** Makes the record agree with whatever lies at the file's place. */
async function recordAnew(copy: string): Promise<void> {
  const bytes = await readFile(int8(copy));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await editItera(copy, ({ variants }) => Object.assign(variants['int8'] ?? {}, { sha256, bytes: bytes.length }));
}

describe('a variant that was made and recorded', () => {
  it('is read whole', async () => {
    const folder = await readModelFolder(good);
    const bytes = await readVariant(folder, 'int8');
    expect(readOnnxMetadata(bytes)).toMatchObject({ variant: 'int8', itera_lite: '1.2.3' });
    expect(readVariantRecords(folder.itera).int8).toMatchObject({
      file: 'onnx/model_quantized.onnx',
      bytes: bytes.length,
      source: { 'model.safetensors': folder.sha256['model.safetensors'], 'config.json': folder.sha256['config.json'] },
      scheme: { rounding: { bits: 8 } },
      calibration: { texts: [], seed: 1 },
      iteraLite: '1.2.3',
    });
    expect(folder.itera).toMatchObject({ name: 'toy', note: 'kept' });
  });

  it('runs, with results near those of the weights and not the same', async () => {
    const [whole, small] = [await loadModel(good), await loadModel(good, { variant: 'int8' })];
    const [expected, got] = [await whole.score('The dog sat.'), await small.score('The dog sat.')];
    expect(Math.abs(got.totalLogProb - expected.totalLogProb)).toBeLessThan(0.2);
    expect(got.logProbs).not.toEqual(expected.logProbs);
    const texts: string[] = [];
    for await (const { text } of small.generate('The', { maxNewTokens: 5, seed: 2 })) texts.push(text);
    expect(texts.length).toBeGreaterThan(0);
    await whole.release();
    await small.release();
  });
});

describe.each<[what: string, code: string, says: RegExp, damage: (copy: string) => Promise<unknown>]>([
  ['without a file', 'VARIANT_MISSING', /compress --model .* --variant int8/, (copy) => rm(int8(copy))],
  [
    'without a record',
    'VARIANT_MISSING',
    /itera\.json says nothing/,
    (copy) => editItera(copy, ({ variants }) => delete variants['int8']),
  ],
  ['in a folder without itera.json', 'VARIANT_MISSING', /itera\.json/, (copy) => rm(join(copy, 'itera.json'))],
  ['cut short', 'FILE_CORRUPT', /cut short: expected \d+ bytes, got 5000/, (copy) => truncate(int8(copy), 5000)],
  ['emptied', 'FILE_CORRUPT', /cut short: expected \d+ bytes, got 0/, (copy) => truncate(int8(copy), 0)],
  ['with bytes after its end', 'FILE_CORRUPT', /was changed: expected/, (copy) => appendFile(int8(copy), 'x')],
  [
    'with another byte',
    'FILE_CORRUPT',
    /was changed: its sha256/,
    async (copy) => {
      const bytes = await readFile(int8(copy));
      bytes[9000] = (bytes[9000] as number) ^ 1;
      await writeFile(int8(copy), bytes);
    },
  ],
  [
    'cut short and recorded so',
    'FILE_CORRUPT',
    /do not parse/,
    async (copy) => {
      await truncate(int8(copy), 5000);
      await recordAnew(copy);
    },
  ],
  [
    'that is another variant',
    'VARIANT_MISMATCH',
    /to be the variant int8, but it says that it is fp16/,
    async (copy) => {
      await rename(join(copy, 'onnx', 'model_fp16.onnx'), int8(copy));
      await recordAnew(copy);
    },
  ],
  [
    'beside weights that were trained on',
    'VARIANT_MISMATCH',
    /another model\.safetensors/,
    async (copy) => {
      const folder = await readModelFolder(copy);
      const [name, weight] = [...folder.weights][0] as [string, { data: Float32Array }];
      weight.data[0] = 0.5;
      expect(name).toBe('model.embed_tokens.weight');
      await writeModelFolder(copy, folder);
    },
  ],
  [
    'beside another configuration',
    'VARIANT_MISMATCH',
    /another config\.json/,
    async (copy) => {
      const folder = await readModelFolder(copy);
      await writeModelFolder(copy, { ...folder, config: { ...folder.config, rmsNormEps: 1e-3 } });
    },
  ],
  [
    "of another model, with this one's record",
    'VARIANT_MISMATCH',
    /another model\.safetensors/,
    async (copy) => {
      const other = await makeVariants(await writeToyFolder(`${copy}-other`, { seed: 2 }));
      await cp(int8(other.dir), int8(copy));
      await recordAnew(copy);
    },
  ],
  [
    'with a record of another form',
    'MODEL_INVALID',
    /variants\.int8/,
    (copy) => editItera(copy, ({ variants }) => Object.assign(variants['int8'] ?? {}, { bytes: 'many' })),
  ],
  [
    'with records of another form',
    'MODEL_INVALID',
    /variants to be an object/,
    (copy) => editItera(copy, (itera) => Object.assign(itera, { variants: ['int8'] })),
  ],
])('a variant %s', (_, code, says, damage) => {
  it('is refused before it is run', async () => {
    const copy = await damaged(damage);
    await expect(loadModel(copy, { variant: 'int8' })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(says),
    });
    // The weights themselves are as good as before.
    await (await loadModel(copy)).release();
  });
});

describe('writeVariants', () => {
  it('copies the model into another folder, which then holds it and its variants', async () => {
    const folder = await readModelFolder(good);
    const copy = join(dir, 'deep', 'copied');
    const made = await compressModel(folder, { variants: ['fp16'], calibration, version: '1.2.3' });
    const written = await writeVariants(folder, made, copy);
    expect(written.dir).toBe(copy);
    expect(written.sha256['model.safetensors']).toBe(folder.sha256['model.safetensors']);
    // What lies elsewhere is not recorded here.
    expect(Object.keys(readVariantRecords(written.itera))).toEqual(['fp16']);
    expect(await readVariant(written, 'fp16')).toHaveLength(made.files[0]?.bytes.length as number);
    const more = await writeVariants(
      folder,
      await compressModel(folder, { variants: ['int8'], calibration, version: '1' }),
      copy,
    );
    expect(Object.keys(readVariantRecords(more.itera))).toEqual(['fp16', 'int8']);
  });

  it.each([
    ['an entry', ({ variants }: Json) => Object.assign(variants, { int8: 'broken' }), ['fp16', 'int4']],
    ['all', (itera: Json) => Object.assign(itera, { variants: 'broken' }), ['int4']],
  ])('mends a record of which %s is of another form', async (_, change, kept) => {
    const copy = await damaged((path) => editItera(path, change));
    const folder = await readModelFolder(copy);
    const made = await compressModel(folder, { variants: ['int4'], calibration, version: '1.2.3' });
    const written = await writeVariants(folder, made);
    expect(Object.keys(readVariantRecords(written.itera))).toEqual(kept);
    await (await loadModel(copy, { variant: 'int4' })).release();
  });

  it('does not write over another model', async () => {
    const other = await writeToyFolder(join(dir, 'other'), { seed: 3 });
    const folder = await readModelFolder(good);
    const made = await compressModel(folder, { variants: ['fp16'], calibration, version: '1.2.3' });
    await expect(writeVariants(folder, made, other.dir)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('another model'),
    });
    expect((await readModelFolder(other.dir)).sha256).toEqual(other.sha256);
  });

  it('says where it cannot write', async () => {
    const folder = await readModelFolder(good);
    const made = await compressModel(folder, { variants: ['fp16'], calibration, version: '1.2.3' });
    await writeFile(join(dir, 'file'), '');
    await expect(writeVariants(folder, made, join(dir, 'file', 'model'))).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringContaining('ENOTDIR'),
    });
  });
});
