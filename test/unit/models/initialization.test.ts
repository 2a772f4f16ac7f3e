import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import type { ModelConfig } from '../../../src/models/config.ts';
import { initializeWeights } from '../../../src/models/initialization.ts';
import { parameterShapes } from '../../../src/models/parameters.ts';
import { presets } from '../../../src/models/presets.ts';

const config: ModelConfig = {
  ...presets.small(256),
  numHiddenLayers: 4,
  layersBlockType: ['mamba', 'attention', 'mamba', 'mamba'],
  mambaProjBias: true,
  tieWordEmbeddings: false,
};
const weights = initializeWeights(config, createRandom(5));

/** All numbers of the weights whose names match. */
function valuesOf(pattern: RegExp): number[] {
  const found = [...weights].filter(([name]) => pattern.test(name));
  expect(found.length, String(pattern)).toBeGreaterThan(0);
  return found.flatMap(([, { data }]) => [...data]);
}

function spread(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) };
}

test('every weight of the configuration, in order and shape, all finite', () => {
  const shapes = [...weights].map(([name, { shape }]): [string, readonly number[]] => [name, shape]);
  expect(shapes).toEqual([...parameterShapes(config)]);
  for (const [name, { dtype, data }] of weights) {
    expect(dtype).toBe('float32');
    expect(data.every(Number.isFinite), name).toBe(true);
  }
});

test('the seed decides everything', () => {
  const draw = (seed: number) => initializeWeights(presets.micro(32), createRandom(seed));
  expect(draw(1)).toEqual(draw(1));
  const [first, second] = [draw(1), draw(2)];
  const equal = [...first].filter(([name, { data }]) =>
    data.every((value, at) => value === second.get(name)?.data[at]),
  );
  expect(equal.every(([name]) => /norm\.weight$|mamba\.D$|\.bias$/.test(name))).toBe(true);
});

describe('linear maps are normal', () => {
  // Branch ends are smaller by the square root of twice the number of layers, so that their sum keeps its size.
  const end = 1 / Math.sqrt(2 * config.numHiddenLayers);
  test.each<[RegExp, number]>([
    [/embed_tokens\.weight$/, config.hiddenSize ** -0.5],
    [/lm_head\.weight$/, config.hiddenSize ** -0.5],
    [/in_proj\.weight$/, config.hiddenSize ** -0.5],
    [/[qkv]_proj\.weight$/, config.hiddenSize ** -0.5],
    [/router\.layer\.weight$/, config.hiddenSize ** -0.5],
    [/block_sparse_moe\.input_linear\.weight$/, config.hiddenSize ** -0.5],
    [/shared_mlp\.input_linear\.weight$/, config.hiddenSize ** -0.5],
    [/mamba\.out_proj\.weight$/, end * (config.mambaExpand * config.hiddenSize) ** -0.5],
    [/o_proj\.weight$/, end * config.hiddenSize ** -0.5],
    [/block_sparse_moe\.output_linear\.weight$/, end * config.intermediateSize ** -0.5],
    [/shared_mlp\.output_linear\.weight$/, end * config.sharedIntermediateSize ** -0.5],
  ])('%s with deviation %d', (pattern, expected) => {
    const { mean, deviation } = spread(valuesOf(pattern));
    expect(deviation / expected).toBeGreaterThan(0.95);
    expect(deviation / expected).toBeLessThan(1.05);
    expect(Math.abs(mean)).toBeLessThan(0.05 * expected);
  });
});

test('norms and skips start at 1, biases at 0', () => {
  expect(new Set(valuesOf(/norm\.weight$|mamba\.D$/))).toEqual(new Set([1]));
  expect(new Set(valuesOf(/\.bias$/))).toEqual(new Set([0]));
});

test('the convolution is uniform within 1 / sqrt(width)', () => {
  const values = valuesOf(/conv1d\.weight$/);
  const limit = 1 / Math.sqrt(config.mambaDConv);
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(limit);
  expect(spread(values).deviation).toBeCloseTo(limit / Math.sqrt(3), 1);
});

/** Weights of many heads, so that a range is seen to be filled. */
function heads(name: string): readonly number[] {
  const wide: ModelConfig = {
    ...presets.micro(8),
    hiddenSize: 512,
    numHiddenLayers: 1,
    layersBlockType: ['mamba'],
    mambaNHeads: 1024,
    mambaDHead: 1,
  };
  return [...(initializeWeights(wide, createRandom(6)).get(`model.layers.0.mamba.${name}`) as Tensor<'float32'>).data];
}

test('step sizes are log-uniform from 0.001 to 0.1', () => {
  const steps = heads('dt_bias').map((bias) => Math.log10(Math.log1p(Math.exp(bias))));
  expect(Math.min(...steps)).toBeGreaterThan(-3.001);
  expect(Math.max(...steps)).toBeLessThan(-0.999);
  for (const quarter of [0, 1, 2, 3]) {
    const inside = steps.filter((step) => step >= -3 + quarter / 2 && step < -2.5 + quarter / 2);
    expect(inside.length / steps.length).toBeGreaterThan(0.2);
  }
});

test('decays are uniform from 1 to 16', () => {
  const decays = heads('A_log').map(Math.exp);
  expect(Math.min(...decays)).toBeGreaterThan(0.999);
  expect(Math.max(...decays)).toBeLessThan(16.001);
  expect(spread(decays).mean).toBeCloseTo(8.5, 0);
  expect(spread(decays).deviation).toBeCloseTo(15 / Math.sqrt(12), 0);
});
