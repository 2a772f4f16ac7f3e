import { beforeAll, describe, expect, it } from 'vitest';
import { type CalibrationStatistics, gatherStatistics } from '../../../src/compression/calibration-statistics.ts';
import { prepareGraph } from '../../../src/compression/variant-graph.ts';
import { defaultSchemes } from '../../../src/compression/variant-schemes.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { listStoredProducts, type StoredProduct } from '../../../src/graph/passes/stored-products.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { padRows } from '../../../src/runtime/padded-rows.ts';
import { createSession } from '../../../src/runtime/session.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../../parity/toy-config.ts';

const config = toyConfig({ layersBlockType: ['mamba', 'attention'] });
const model = { config, weights: randomWeights(config, 4) };
const { hiddenSize, numLocalExperts, intermediateSize } = config;

/** Windows of two lengths, in mixed order. */
const windows = [9, 14, 9, 14, 14].map((length, row) =>
  Uint32Array.from({ length }, (_, at) => (row * 7 + at * at) % config.vocabSize),
);
const gather = (batchSize: number): Promise<CalibrationStatistics> => {
  const { graph, experts } = prepareGraph(model, defaultSchemes.int4);
  return gatherStatistics(graph, experts, config, windows, { batchSize });
};

/** Σ (w x) (w x)^T over rows of x, computed plainly. */
function outerProducts(x: Float32Array, columns: number, weightOf: (row: number) => number): Float64Array {
  const sum = new Float64Array(columns * columns);
  for (let row = 0; row * columns < x.length; row++) {
    for (let a = 0; a < columns; a++) {
      for (let b = 0; b < columns; b++) {
        const product = (x[row * columns + a] as number) * (x[row * columns + b] as number);
        sum[a * columns + b] = (sum[a * columns + b] as number) + weightOf(row) ** 2 * product;
      }
    }
  }
  return sum;
}

function expectClose(got: Float64Array, expected: Float64Array): void {
  const scale = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...expected.map((value, at) => Math.abs(value - (got[at] as number))));
  expect(worst).toBeLessThan(1e-4 * scale);
}

describe('gatherStatistics', () => {
  let statistics: CalibrationStatistics;
  let products: ReadonlyMap<string, StoredProduct>;
  /** Activations of one window after the other, by the name of a product; and of its routing. */
  const inputs = new Map<string, Float32Array>();
  let mixing = new Float32Array(0);
  const experts = 'model.layers.1.block_sparse_moe.input_linear.weight';
  beforeAll(async () => {
    statistics = await gather(2);
    const prepared = prepareGraph(model, defaultSchemes.int4);
    products = new Map(listStoredProducts(prepared.graph).map((product) => [product.name, product]));
    prepared.graph.outputs.length = 0;
    const wanted = ['model.embed_tokens.weight', 'model.layers.0.mamba.out_proj.weight', experts];
    for (const name of wanted) {
      prepared.graph.output(name, products.get(name)?.inputs[0] as StoredProduct['inputs'][number]);
    }
    prepared.graph.output('mixing', prepared.experts[1]?.mixing as StoredProduct['inputs'][number]);
    const session = await createSession(encodeOnnx(prepared.graph));
    const join = (a: Float32Array, b: Tensor | undefined) =>
      Float32Array.from([...a, ...((b?.data ?? []) as Float32Array)]);
    for (const window of windows) {
      const results = await session.run(padRows([window], config).feeds);
      for (const name of wanted) inputs.set(name, join(inputs.get(name) ?? new Float32Array(0), results[name]));
      mixing = join(mixing, results['mixing']);
    }
    await session.release();
  });

  it('sums what each product multiplies, over all windows of any length', () => {
    for (const name of ['model.embed_tokens.weight', 'model.layers.0.mamba.out_proj.weight']) {
      const columns = products.get(name)?.columns as number;
      const [part, ...more] = statistics.get(name) ?? [];
      expect(more).toEqual([]);
      expect(part).toMatchObject({ from: 0, to: products.get(name)?.rows, statistics: { columns, count: 55 } });
      expectClose(
        part?.statistics.products as Float64Array,
        outerProducts(inputs.get(name) as Float32Array, columns, () => 1),
      );
    }
  });

  it('knows every product, each row once', () => {
    expect([...statistics.keys()]).toEqual([...products.keys()]);
    for (const [name, parts] of statistics) {
      expect(parts.map(({ from }) => from)).toEqual([0, ...parts.slice(0, -1).map(({ to }) => to)]);
      expect(parts.at(-1)?.to).toBe(products.get(name)?.rows);
    }
  });

  it("counts tokens for an expert's rows by the square of their routing weight, and others not at all", () => {
    const parts = statistics.get(experts) ?? [];
    expect(parts).toHaveLength(2 * numLocalExperts);
    const x = inputs.get(experts) as Float32Array;
    parts.forEach(({ from, to, statistics: own }, index) => {
      const expert = index % numLocalExperts;
      const weightOf = (row: number): number => mixing[row * numLocalExperts + expert] as number;
      expect([from, to]).toEqual([index * intermediateSize, (index + 1) * intermediateSize]);
      expect(own.count).toBe(
        Array.from({ length: 55 }, (_, row) => weightOf(row)).filter((weight) => weight > 0).length,
      );
      expectClose(own.products, outerProducts(x, hiddenSize, weightOf));
    });
    // Two of four experts for each token.
    const visits = parts.slice(0, numLocalExperts).reduce((sum, part) => sum + part.statistics.count, 0);
    expect(visits).toBe(2 * 55);
  });

  it('does not depend on how windows are batched', async () => {
    const other = await gather(5);
    for (const [name, parts] of statistics) {
      parts.forEach((part, index) => {
        expectClose(other.get(name)?.[index]?.statistics.products as Float64Array, part.statistics.products);
      });
    }
  });

  it('stops when aborted', async () => {
    const { graph, experts: mixtures } = prepareGraph(model, defaultSchemes.int4);
    const signal = AbortSignal.abort();
    await expect(gatherStatistics(graph, mixtures, config, windows, { signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});
