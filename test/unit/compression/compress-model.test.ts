import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CompressedFile, type CompressOptions, compressModel } from '../../../src/compression/compress-model.ts';
import { defaultSchemes, type RoundingScheme, type VariantScheme } from '../../../src/compression/variant-schemes.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { encodeInferenceModel } from '../../../src/models/inference-model.ts';
import type { ModelFolder } from '../../../src/models/model-folder-file.ts';
import { compressedVariants } from '../../../src/models/variants.ts';
import { decodeOnnx } from '../../../src/onnx/decoding.ts';
import { readOnnxMetadata } from '../../../src/onnx/metadata.ts';
import { padRows } from '../../../src/runtime/padded-rows.ts';
import { createSession } from '../../../src/runtime/session.ts';
import { writeStories, writeToyFolder } from './toy-folder.ts';

let dir: string;
let folder: ModelFolder;
let text: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-compress-'));
  folder = await writeToyFolder(join(dir, 'model'));
  text = await writeStories(dir);
});
afterAll(() => rm(dir, { recursive: true }));

const uniform = compressedVariants.filter((variant) => variant !== 'mixed');

const compress = async (change: Partial<CompressOptions> = {}): Promise<readonly CompressedFile[]> => {
  const calibration = { tokens: 600, windowTokens: 32, seed: 1 };
  return (await compressModel(folder, { variants: ['int4'], calibration, version: '0.0.0', ...change })).files;
};

const rounding = (change: Partial<RoundingScheme>): VariantScheme => ({
  ...defaultSchemes.int4,
  rounding: { ...(defaultSchemes.int4.rounding as RoundingScheme), ...change },
});

/** Root mean square difference of logits from those of the weights in float32, on a story. */
async function differences(files: readonly Uint8Array[]): Promise<number[]> {
  const { config } = folder;
  const tokens = Uint32Array.from({ length: 40 }, (_, index) => (index * index + 3) % config.vocabSize);
  const run = async (bytes: Uint8Array): Promise<Float32Array> => {
    const session = await createSession(bytes);
    const { logits } = await session.run(padRows([tokens], config).feeds);
    await session.release();
    return (logits as Tensor<'float32'>).data;
  };
  const expected = await run(encodeInferenceModel(folder));
  return Promise.all(
    files.map(async (bytes) => {
      const logits = await run(bytes);
      return Math.sqrt(
        logits.reduce((sum, logit, at) => sum + (logit - (expected[at] as number)) ** 2, 0) / logits.length,
      );
    }),
  );
}

describe('compressModel', () => {
  it('stores no padding of blocks that are wider than a matrix: larger blocks never make a larger file', async () => {
    const sizes: number[] = [];
    for (const blockSize of [16, 32, 64, 128]) {
      const [file] = await compress({ schemes: { int4: rounding({ blockSize, method: 'nearest' }) } });
      sizes.push(file?.bytes.length ?? 0);
      for (const matrix of file?.products.values() ?? []) {
        expect(matrix.blockSize).toBeLessThanOrEqual(blockSize);
        const padded = (size: number): number => Math.ceil(matrix.columns / size) * size;
        expect(padded(matrix.blockSize)).toBe(padded(16));
      }
    }
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(sizes[1]).toBeLessThan(sizes[0] as number);
  });

  it('gives the same bytes for the same model, scheme and text, and others for another text', async () => {
    const options = { variants: uniform };
    const [first, again] = [await compress(options), await compress(options)];
    expect(first.map(({ variant }) => variant)).toEqual(['fp16', 'int8', 'int4', 'q4f16']);
    first.forEach(({ bytes, sha256 }, index) => {
      expect(again[index]?.sha256).toBe(sha256);
      expect(Buffer.compare(bytes, again[index]?.bytes as Uint8Array)).toBe(0);
    });
    const [other] = await compress({ calibration: { tokens: 600, windowTokens: 32, seed: 2 } });
    expect(other?.sha256).not.toBe(first[2]?.sha256);
    const [read] = await compress({ calibration: { texts: [text], tokens: 600, windowTokens: 32, seed: 1 } });
    expect(read?.calibration).toMatchObject({ texts: [{ name: 'stories.txt', sha256: expect.any(String) }], seed: 1 });
    expect(read?.sha256).not.toBe(first[2]?.sha256);
  });

  it('loses the more, the fewer bits there are', async () => {
    const files = await compress({ variants: ['fp16', 'int8', 'int4', 'q4f16'] });
    const [half = 0, eight = 0, four = 0, computed = 0] = await differences(files.map(({ bytes }) => bytes));
    expect(half).toBeLessThan(2e-3);
    expect(eight).toBeGreaterThan(half);
    expect(eight).toBeLessThan(0.06);
    expect(four).toBeGreaterThan(2 * eight);
    expect(four).toBeLessThan(0.5);
    expect(computed).toBeLessThan(1.1 * four);
    const sizes = files.map(({ bytes }) => bytes.length);
    const [first = 0, second = 0, third = 0] = sizes;
    expect(first).toBeGreaterThan(second);
    expect(second).toBeGreaterThan(third);
  });

  it('writes into each file what it is and what it was made from', async () => {
    const [file] = await compress({ variants: ['fp16'] });
    expect(readOnnxMetadata(file?.bytes as Uint8Array)).toEqual({
      itera_lite: '0.0.0',
      variant: 'fp16',
      'model.safetensors': folder.sha256['model.safetensors'],
      'config.json': folder.sha256['config.json'],
    });
    expect(decodeOnnx(file?.bytes as Uint8Array).graph.outputs.map(({ name }) => name)).toContain('logits');
  });

  it('runs no text where nothing is fitted to one', async () => {
    const stages: string[] = [];
    const schemes = { int8: rounding({ bits: 8, method: 'nearest' }) };
    const files = await compress({ variants: ['fp16', 'int8'], schemes, onStage: (stage) => stages.push(stage) });
    expect(stages).toEqual(['making fp16', 'making int8']);
    expect(files.map(({ calibration }) => calibration)).toEqual([undefined, undefined]);
  });

  it('gives single products other bits', async () => {
    const exceptions = {
      'model.embed_tokens.weight': 8,
      '*.router.layer.weight': 16,
      '*in_proj.weight': { bits: 2, blockSize: 16 },
    } as const;
    const [file] = await compress({ variants: ['mixed'], schemes: { mixed: rounding({ exceptions, blockSize: 32 }) } });
    expect(file?.products.get('model.layers.0.mamba.in_proj.weight')?.blockSize).toBe(16);
    expect(file?.products.get('model.layers.0.mamba.out_proj.weight')?.blockSize).toBe(32);
    const bits = new Map([...(file?.products ?? [])].map(([name, matrix]) => [name, matrix.bits]));
    expect(bits.get('model.embed_tokens.weight')).toBe(8);
    expect(bits.get('model.layers.0.mamba.in_proj.weight')).toBe(2);
    expect(bits.get('model.layers.0.mamba.out_proj.weight')).toBe(4);
    expect(bits.has('model.layers.0.block_sparse_moe.router.layer.weight')).toBe(false);
    const [difference = 0] = await differences([file?.bytes as Uint8Array]);
    expect(difference).toBeGreaterThan(0);
    expect(Number.isFinite(difference)).toBe(true);
  });

  it('chooses the bits of mixed within a budget, and says what it measured', async () => {
    const mixed = async (budgetNats: number) =>
      (await compress({ variants: ['mixed'], budgetNats }))[0] as CompressedFile;
    const [loose, tight] = [await mixed(0.3), await mixed(0.003)];
    expect(loose.bytes.length).toBeLessThan(tight.bytes.length);
    for (const [file, budgetNats] of [
      [loose, 0.3],
      [tight, 0.003],
    ] as const) {
      const { predictedNats, productBytes, sensitivity } = file.refinement as Record<string, unknown>;
      expect(file.refinement).toMatchObject({ budgetNats });
      expect(predictedNats).toBeLessThanOrEqual(budgetNats);
      expect(productBytes).toBeLessThan(file.bytes.length);
      const table = (sensitivity as { divergenceNats: Record<string, Record<string, number>> }).divergenceNats;
      expect([...file.products.keys()].sort()).toEqual(Object.keys(table).sort());
      const sum = [...file.products].reduce(
        (total, [name, { bits, blockSize }]) => total + (table[name]?.[`${bits}x${blockSize}`] as number),
        0,
      );
      expect(sum).toBeCloseTo(predictedNats as number, 10);
      const { exceptions } = file.scheme.rounding as RoundingScheme;
      expect(exceptions?.['model.embed_tokens.weight']).toEqual(
        (({ bits, blockSize }) => ({ bits, blockSize }))(file.products.get('model.embed_tokens.weight') as never),
      );
    }
    const [rough = 0, fine = 0] = await differences([loose.bytes, tight.bytes]);
    expect(fine).toBeLessThan(rough);
  });

  it('writes what a refinement makes of it, from the weights that it gives', async () => {
    const name = 'model.embed_tokens.weight';
    const zeros = new Map(folder.weights);
    for (const [key, weight] of folder.weights) {
      if (key === 'model.norm.weight') zeros.set(key, { ...weight, data: weight.data.map(() => 0) });
    }
    const asked: string[] = [];
    const [file] = await compress({
      variants: ['fp16', 'int4'],
      refine: async ({ variant, products, statistics }) => {
        asked.push(`${variant} ${products.get(name)?.bits} ${statistics?.has(name)}`);
        return { products, weights: zeros, facts: { trained: 3 } };
      },
    }).then((files) => files.slice(1));
    // Nothing was rounded in fp16, and there was nothing to refine.
    expect(asked).toEqual(['int4 4 true']);
    expect(file?.refinement).toEqual({ trained: 3 });
    const { graph } = decodeOnnx(file?.bytes as Uint8Array);
    const norm = graph.initializers.find((value) => value.name.startsWith('model.norm.weight'));
    expect(norm?.constant?.data.every((value) => value === 0)).toBe(true);
  });

  it('takes fused experts too', async () => {
    const schemes = {
      int8: { ...rounding({ bits: 8, blockSize: 32, symmetric: true, method: 'search' }), experts: 'fused' } as const,
    };
    const [file] = await compress({ variants: ['int8'], schemes });
    const { graph } = decodeOnnx(file?.bytes as Uint8Array);
    expect(graph.nodes.filter(({ operator }) => operator.opType === 'QMoE')).toHaveLength(2);
    const [difference = 0] = await differences([file?.bytes as Uint8Array]);
    expect(difference).toBeLessThan(0.1);
  });

  it.each<[string, Partial<CompressOptions>, RegExp]>([
    ['no variants', { variants: [] }, /got none/],
    ['a budget that no bits keep', { variants: ['mixed'], budgetNats: 0 }, /budget of at least/],
    ['blocks of 24', { schemes: { int4: rounding({ blockSize: 24 }) } }, /blockSize of int4.*16, 32, 64, 128, got 24/],
    ['3 bits', { schemes: { int4: rounding({ bits: 3 as 4 }) } }, /bits of int4.*got 3/],
    ['bits for no product', { schemes: { int4: rounding({ exceptions: { lost: 8 } }) } }, /some for lost/],
    ['a share below 0', { schemes: { int4: rounding({ lookupShare: -1 }) } }, /lookupShare.*-1/],
    ['a text that is measured on', { calibration: { texts: ['stories'], seed: 1 } }, /only the splits test/],
  ])('refuses %s', async (_, change, message) => {
    await expect(compress(change)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });

  it('names the weight that half precision cannot hold', async () => {
    const weights = new Map(folder.weights);
    const name = 'model.layers.0.mamba.in_proj.weight';
    const weight = weights.get(name) as Tensor<'float32'>;
    weights.set(name, { ...weight, data: weight.data.map(() => 7e4) });
    await expect(
      compressModel({ ...folder, weights }, { variants: ['fp16'], calibration: { seed: 1 }, version: '0' }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('stops when aborted, also while it writes a text', async () => {
    await expect(compress({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    const controller = new AbortController();
    const onProgress = (): void => controller.abort();
    await expect(compress({ signal: controller.signal, onProgress })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
