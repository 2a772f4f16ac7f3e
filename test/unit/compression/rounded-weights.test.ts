import { describe, expect, it } from 'vitest';
import { quantizeMatrix } from '../../../src/compression/matrix-quantization.ts';
import {
  createWeightRounder,
  type RoundedProducts,
  replaceLevels,
  roundToProducts,
  settleWeights,
} from '../../../src/compression/rounded-weights.ts';
import { dequantize, packLevels, type QuantizedMatrix, unpackLevels } from '../../../src/core/quantized-matrix.ts';
import { createRandom } from '../../../src/core/random.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { centerEmbedding } from '../../../src/graph/passes/center-embedding.ts';
import { expandExperts } from '../../../src/graph/passes/expand-experts.ts';
import { foldConstants } from '../../../src/graph/passes/fold-constants.ts';
import { quantizeProducts } from '../../../src/graph/passes/quantize-products.ts';
import { listStoredProducts, type StoredProduct } from '../../../src/graph/passes/stored-products.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { createTokenScorer } from '../../../src/runtime/token-scorer.ts';
import { createStepper } from '../../../src/training/stepper.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { createToySampler, toyConfig, toyOptions, toySizes } from '../training/toy-model.ts';

// 4 experts of 16: blocks of 32 cross the experts' output matrices.
const config = toyConfig();
const weights = randomWeights(config, 12);
const moved = randomWeights(config, 12);
const random = createRandom(3, 3);
for (const { data } of moved.values())
  for (const at of data.keys()) data[at] = (data[at] as number) * (1 + 0.1 * random.normal());

function prepare(from: ReadonlyMap<string, Tensor>, centered: boolean): Graph {
  const graph = buildInferenceGraph(config, from);
  foldConstants(graph);
  if (centered) centerEmbedding(graph);
  expandExperts(graph);
  return graph;
}

const round = ({ weights: values, rows, columns }: StoredProduct, symmetric: boolean): QuantizedMatrix =>
  quantizeMatrix(values, rows, columns, {
    ...{ method: 'search', bits: 4, blockSize: 32, symmetric, scalePrecision: 'float16' },
  });

/** The products of the toy model, but for the router, which keeps its weights. */
const productsOf = (centered: boolean, symmetric = true): RoundedProducts =>
  new Map(
    listStoredProducts(prepare(weights, centered))
      .filter(({ name }) => !name.includes('router'))
      .map((product) => [product.name, round(product, symmetric)]),
  );

/** Some levels are one off the nearest ones, as error feedback leaves them. */
function disturb(products: RoundedProducts): RoundedProducts {
  const draw = createRandom(8, 1);
  return new Map(
    [...products].map(([name, matrix]) => {
      const width = (matrix.levels.length * 2) / matrix.rows;
      const levels = unpackLevels(matrix.levels, matrix.rows, width, 4);
      const changed = levels.map((level) => {
        const step = [-1, 1][draw.integer(20)] ?? 0;
        return Math.min(Math.max(level + step, 0), 15);
      });
      return [name, { ...matrix, levels: packLevels(changed, matrix.rows, 4) }];
    }),
  );
}

function roundAll(from: ReadonlyMap<string, Tensor<'float32'>>, products: RoundedProducts, centered: boolean) {
  const rounded = new Map([...from].map(([name, one]) => [name, { ...one, data: new Float32Array(one.data.length) }]));
  createWeightRounder(config, products, { centered })(from, rounded);
  return rounded;
}

const productWeights = (from: ReadonlyMap<string, Tensor>) =>
  new Map(listStoredProducts(prepare(from, false)).map((product) => [product.name, product.weights]));

describe('rounding weights in training', () => {
  it.each([true, false])(
    'gives what the compressed graph of the same weights holds, bit for bit: symmetric %s',
    (symmetric) => {
      const products = productsOf(false, symmetric);
      expect([...products.keys()]).toContain('model.layers.0.block_sparse_moe.output_linear.weight');
      const stored = roundToProducts(prepare(moved, false), products);
      const rounded = productWeights(roundAll(moved, products, false));
      for (const [name, matrix] of products) {
        expect(rounded.get(name)).toEqual(dequantize(stored.get(name) as QuantizedMatrix));
        expect(stored.get(name)?.levels).not.toEqual(matrix.levels);
        expect(stored.get(name)?.scales).toBe(matrix.scales);
      }
    },
  );

  it('leaves what no product holds as it is', () => {
    const rounded = roundAll(moved, productsOf(false), false);
    for (const name of [
      'model.norm.weight',
      'model.layers.0.mamba.A_log',
      'model.layers.0.block_sparse_moe.router.layer.weight',
    ]) {
      expect(rounded.get(name)).toEqual(moved.get(name));
    }
  });

  it.each([false, true])(
    'trains what is stored: loss of the training graph and of the compressed one, centered %s',
    async (centered) => {
      const products = productsOf(centered);
      const stepper = await createStepper(config, moved, {
        ...{ ...toyOptions, roundWeights: createWeightRounder(config, products, { centered }) },
      });
      const batch = createToySampler(77).next();
      const { loss } = await stepper.step(batch, 0);
      await stepper.release();
      const { sequenceLength: length } = toySizes;
      const rows = [0, 1].map((row) => {
        const inputs = batch.inputIds.subarray(row * length, (row + 1) * length);
        return Uint32Array.from([...inputs, batch.targets[(row + 1) * length - 1] as bigint], Number);
      });
      const graph = prepare(moved, centered);
      const stored = roundToProducts(graph, products);
      quantizeProducts(graph, ({ name }) => stored.get(name), { accuracyLevel: 0 });
      const scorer = await createTokenScorer(graph, config);
      const nats = (await scorer.score(rows)).flatMap((row) => [...row]);
      await scorer.release();
      expect(loss).toBeCloseTo(nats.reduce((a, b) => a + b) / nats.length, 4);
      const unrounded = await createTokenScorer(prepare(moved, centered), config);
      const without = (await unrounded.score(rows)).flatMap((row) => [...row]);
      await unrounded.release();
      expect(Math.abs(loss - without.reduce((a, b) => a + b) / without.length)).toBeGreaterThan(0.001);
    },
  );

  it('refuses products of another model', () => {
    const [[name, matrix]] = [...productsOf(false)] as [[string, QuantizedMatrix]];
    for (const wrong of [new Map([['other', matrix]]), new Map([[name, { ...matrix, rows: 7 }]])]) {
      expect(() => createWeightRounder(config, wrong, { centered: false })).toThrowError(
        expect.objectContaining({ code: 'SHAPE_MISMATCH' }),
      );
    }
  });
});

describe('settling weights on levels that are not the nearest', () => {
  it.each([
    [false, true],
    [false, false],
    [true, true],
    [true, false],
  ])('makes them round to these levels: centered %s, symmetric %s', (centered, symmetric) => {
    const products = disturb(productsOf(centered, symmetric));
    const settled = settleWeights(config, weights, products, { centered });
    const stored = roundToProducts(prepare(settled, centered), products);
    for (const [name, matrix] of products) {
      const wanted = dequantize(matrix);
      const found = dequantize(stored.get(name) as QuantizedMatrix);
      const wrong = wanted.reduce((count, value, at) => count + (value === found[at] ? 0 : 1), 0);
      // Where a table is centred, its means and deviations move with it, and a few weights may change sides.
      const allowed = centered && name.includes('embed') ? 0.005 * wanted.length : 0;
      expect(wrong, name).toBeLessThanOrEqual(allowed);
    }
  });

  it('leaves weights that already do so where they are', () => {
    const settled = settleWeights(config, weights, productsOf(false), { centered: false });
    for (const [name, { data }] of weights) {
      const largest = Math.max(...data.map(Math.abs));
      // Those right on an edge are moved off it by a hundredth of a level.
      data.forEach((value, at) => {
        expect(Math.abs(value - (settled.get(name)?.data[at] as number))).toBeLessThan(0.01 * largest);
      });
    }
    expect(settled.get('model.norm.weight')).toEqual(weights.get('model.norm.weight'));
  });
});

describe('replacing levels', () => {
  it('takes the nearest level of each block, and 0 for padding', () => {
    const values = Float32Array.from({ length: 2 * 40 }, () => random.normal());
    const matrix = quantizeMatrix(values, 2, 40, {
      ...{ method: 'nearest', bits: 4, blockSize: 32, symmetric: false, scalePrecision: 'float16' },
    });
    expect(replaceLevels(values, matrix)).toEqual(matrix);
  });

  it('refuses another number of weights', () => {
    const matrix = productsOf(false).get('model.embed_tokens.weight') as QuantizedMatrix;
    expect(() => replaceLevels(new Float32Array(5), matrix)).toThrowError(
      expect.objectContaining({ code: 'SHAPE_MISMATCH' }),
    );
  });
});
