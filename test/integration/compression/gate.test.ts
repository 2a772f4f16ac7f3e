import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CompressedFile, type CompressedModel, compressModel } from '../../../src/compression/compress-model.ts';
import { encodeVariant, prepareGraph } from '../../../src/compression/variant-graph.ts';
import { judgeCandidate, type VariantMeasurementOptions } from '../../../src/compression/variant-measurement.ts';
import { raiseFailed } from '../../../src/compression/variant-raising.ts';
import { defaultSchemes, type RoundingScheme, type VariantScheme } from '../../../src/compression/variant-schemes.ts';
import type { QuantizedMatrix } from '../../../src/core/quantized-matrix.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { type DegradationBounds, defaultBounds } from '../../../src/evaluation/degradation-bounds.ts';
import type { GateVerdict } from '../../../src/evaluation/gate.ts';
import type { ModelFolder } from '../../../src/models/model-folder-file.ts';
import type { CompressedVariant } from '../../../src/models/variants.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { writeStories } from '../../unit/compression/toy-folder.ts';

/** Twelve stories, which the model was never trained on. */
let text: string;
let dir: string;
let folder: ModelFolder;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-gate-'));
  text = await writeStories(dir);
  folder = await openModel('itera-lite-micro');
});
afterAll(() => rm(dir, { recursive: true }));

const measurement = (): VariantMeasurementOptions => ({ datasets: [text], split: 'test', seed: 1, threads: 1 });

const rounding = (variant: 'int8' | 'int4', change: Partial<RoundingScheme>): VariantScheme => {
  const scheme = defaultSchemes[variant];
  return { ...scheme, rounding: { ...(scheme.rounding as RoundingScheme), method: 'nearest', ...change } };
};

const compress = (variant: CompressedVariant, scheme: VariantScheme, from = folder): Promise<CompressedModel> =>
  compressModel(from, {
    variants: [variant],
    schemes: { [variant]: scheme },
    calibration: { tokens: 4096, seed: 1 },
    version: '0.0.0',
  });

const only = ({ files }: CompressedModel): CompressedFile => files[0] as CompressedFile;

const judge = (variant: CompressedVariant, bytes: Uint8Array, bounds: DegradationBounds = defaultBounds) =>
  judgeCandidate(folder, 'micro', { variant, bytes }, bounds, measurement());

/** The bundled model with its first and second expert of a layer in each other's place; the router does not know. */
function swapExperts(layer: number): ModelFolder {
  const weights = new Map(folder.weights);
  for (const part of ['input_linear', 'output_linear']) {
    const name = `model.layers.${layer}.block_sparse_moe.${part}.weight`;
    const { shape, data, ...rest } = weights.get(name) as Tensor<'float32'>;
    const size = data.length / (shape[0] as number);
    const swapped = data.slice();
    swapped.set(data.subarray(size, 2 * size), 0);
    swapped.set(data.subarray(0, size), size);
    weights.set(name, { ...rest, shape, data: swapped });
  }
  return { ...folder, weights };
}

describe('the gate, under the bounds that hold by default', () => {
  it('lets pass what is good', { timeout: 60_000 }, async () => {
    for (const variant of ['int8', 'int4'] as const) {
      const file = only(await compress(variant, rounding(variant, {})));
      const judged = await judge(variant, file.bytes);
      expect(judged.passed).toBe(true);
      expect(judged.upper).toBeLessThan(1 + defaultBounds[variant]);
    }
  });

  it('refuses int8 with the scales of one layer set to 0', { timeout: 60_000 }, async () => {
    const scheme = rounding('int8', {});
    const { products } = only(await compress('int8', scheme));
    const damaged = new Map(
      [...products].map(([name, matrix]): [string, QuantizedMatrix] => [
        name,
        name.startsWith('model.layers.1.mamba.')
          ? { ...matrix, scales: new Float32Array(matrix.scales.length) }
          : matrix,
      ]),
    );
    const bytes = encodeVariant(prepareGraph(folder, scheme), scheme, damaged, {});
    const { passed, ratio } = await judge('int8', bytes);
    expect(passed).toBe(false);
    expect(ratio).toBeGreaterThan(1.1);
  });

  it('refuses int8 with two experts of one layer swapped', { timeout: 60_000 }, async () => {
    const file = only(await compress('int8', rounding('int8', {}), swapExperts(1)));
    const { passed, ratio } = await judge('int8', file.bytes);
    expect(passed).toBe(false);
    expect(ratio).toBeGreaterThan(1.02);
  });

  it('refuses 2 bits rounded to nearest', { timeout: 60_000 }, async () => {
    const two = { bits: 2, exceptions: { '*.router.layer.weight': 16, 'model.embed_tokens.weight': 4 } } as const;
    const { passed, ratio } = await judge('int4', only(await compress('int4', rounding('int4', two))).bytes);
    expect(passed).toBe(false);
    expect(ratio).toBeGreaterThan(1.2);
  });
});

describe('raiseFailed', () => {
  const beyond = (variant: string): GateVerdict => ({
    ...{ subject: 'micro', variant, passed: false, finding: 'beyond', sentence: '' },
  });

  it('gives as many products more bits as it takes to pass', { timeout: 240_000 }, async () => {
    const compressed = await compress('int4', rounding('int4', { blockSize: 64 }));
    const bounds = { int4: 0.03 };
    expect((await judge('int4', only(compressed).bytes, bounds)).passed).toBe(false);
    const stages: string[] = [];
    const [raised, ...others] = await raiseFailed(
      folder,
      'micro',
      compressed,
      { verdicts: [beyond('int4')], bounds },
      { ...measurement(), onStage: (stage) => stages.push(stage) },
    );
    expect(others).toEqual([]);
    expect(stages).toEqual([
      'int4 is beyond its bound: looking for matrices that need more bits',
      expect.stringMatching(/^int4: It passes with larger options for \d+ of 19 tensors/),
    ]);
    expect((await judge('int4', raised?.bytes as Uint8Array, bounds)).passed).toBe(true);
    expect(raised?.bytes.length).toBeGreaterThan(only(compressed).bytes.length);
    const bits = [...(raised?.products.values() ?? [])].map((matrix) => matrix.bits);
    expect(new Set(bits)).toEqual(new Set([4, 8]));
    expect(raised?.refinement?.['raisedProducts']).toBeGreaterThan(0);
  });

  it('says so where nothing can be raised, and leaves alone what was not refused', { timeout: 60_000 }, async () => {
    const compressed = await compress('int8', rounding('int8', {}));
    const stages: string[] = [];
    const given = { ...measurement(), onStage: (stage: string) => stages.push(stage) };
    const bounds = { int8: 0 };
    expect(await raiseFailed(folder, 'micro', compressed, { verdicts: [beyond('int8')], bounds }, given)).toEqual([]);
    expect(stages.at(-1)).toBe('int8 cannot pass: no product can be stored better in this format.');
    const unjudged: GateVerdict = { ...beyond('int8'), finding: 'unjudged' };
    expect(await raiseFailed(folder, 'micro', compressed, { verdicts: [unjudged], bounds }, given)).toEqual([]);
    expect(stages).toHaveLength(2);
  });
});
