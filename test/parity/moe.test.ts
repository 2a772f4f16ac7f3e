import { describe, expect, test } from 'vitest';
import { type Tensor, tensor } from '../../src/core/tensor.ts';
import { gradients } from '../../src/graph/gradient.ts';
import { Graph, type Value } from '../../src/graph/graph.ts';
import { mul, reduceSum } from '../../src/graph/ops/index.ts';
import { verifyGraph } from '../../src/graph/verifier.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { fusedExperts, sparseMoe } from '../../src/models/moe.ts';
import { parameterShapes } from '../../src/models/parameters.ts';
import { fedWeights, storedWeights } from '../../src/models/weights.ts';
import { encodeOnnx } from '../../src/onnx/encoding.ts';
import { createSession } from '../../src/runtime/session.ts';
import { maxDifference, randomTensor, randomWeights } from './random-weights.ts';
import { toyConfig } from './toy-config.ts';

const prefix = 'model.layers.0.block_sparse_moe.';

interface Expected {
  readonly output: Float64Array;
  readonly balance: number;
  /** Tokens that visit each expert. */
  readonly counts: readonly number[];
}

/** The mixture as plain loops in float64: every expert computes every token, unchosen ones weigh nothing. */
function mixtureByLoops(x: Tensor, config: ModelConfig, weights: ReadonlyMap<string, Tensor>): Expected {
  const [rows = 0, width = 0] = x.shape;
  const { numLocalExperts: experts, numExpertsPerTok: k, intermediateSize: hidden } = config;
  const data = (name: string) => weights.get(`${prefix}${name}.weight`)?.data as Float32Array;
  const [router, input, output] = [data('router.layer'), data('input_linear'), data('output_linear')];
  const dot = (a: ArrayLike<number>, from: number, b: Float32Array, at: number, size: number): number => {
    let sum = 0;
    for (let index = 0; index < size; index++) sum += (a[from + index] as number) * (b[at + index] as number);
    return sum;
  };
  const result = new Float64Array(rows * width);
  const counts = Array<number>(experts).fill(0);
  const probability = Array<number>(experts).fill(0);
  for (let row = 0; row < rows; row++) {
    const logits = counts.map((_, expert) => dot(x.data as Float32Array, row * width, router, expert * width, width));
    const whole = logits.reduce((sum, value) => sum + Math.exp(value), 0);
    const limit = logits.toSorted((a, b) => b - a)[k - 1] as number;
    const weighed = logits.map((value) => (value >= limit ? Math.exp(value) : 0));
    const chosen = weighed.reduce((sum, value) => sum + value, 0);
    for (let expert = 0; expert < experts; expert++) {
      probability[expert] = (probability[expert] as number) + Math.exp(logits[expert] as number) / whole / rows;
      if (weighed[expert] !== 0) counts[expert] = (counts[expert] as number) + 1;
      const unit = (at: number) =>
        dot(x.data as Float32Array, row * width, input, (expert * 2 * hidden + at) * width, width);
      const inner = Float64Array.from(
        { length: hidden },
        (_, at) => (unit(at) / (1 + Math.exp(-unit(at)))) * unit(hidden + at),
      );
      for (let column = 0; column < width; column++) {
        const value = dot(inner, 0, output, (expert * width + column) * hidden, hidden);
        result[row * width + column] =
          (result[row * width + column] as number) + ((weighed[expert] as number) / chosen) * value;
      }
    }
  }
  const balance = counts.reduce(
    (sum, count, expert) => sum + (count / (rows * k)) * (probability[expert] as number),
    0,
  );
  return { output: result, balance: balance * experts, counts };
}

async function run(graph: Graph, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  verifyGraph(graph);
  const session = await createSession(encodeOnnx(graph));
  const results = await session.run(feeds);
  await session.release();
  return results;
}

const cases: readonly { experts: number; k: number; rows: number; starved?: boolean }[] = [
  { experts: 1, k: 1, rows: 3 },
  { experts: 2, k: 1, rows: 5 },
  { experts: 4, k: 2, rows: 17 },
  { experts: 4, k: 2, rows: 30, starved: true },
  { experts: 5, k: 5, rows: 6 },
  { experts: 8, k: 3, rows: 1 },
  { experts: 16, k: 1, rows: 6 },
];

function make({ experts, k, rows, starved = false }: (typeof cases)[number]) {
  const config = toyConfig({ numLocalExperts: experts, numExpertsPerTok: k });
  const weights = randomWeights(config, experts + k);
  const x = randomTensor([rows, config.hiddenSize], rows);
  if (starved) {
    // Positive tokens and a negative row of the router: nobody chooses the last expert but one.
    x.data.forEach((value, index) => {
      x.data[index] = Math.abs(value);
    });
    weights
      .get(`${prefix}router.layer.weight`)
      ?.data.fill(-5, (experts - 2) * config.hiddenSize, (experts - 1) * config.hiddenSize);
  }
  return { config, weights, x, expected: mixtureByLoops(x, config, weights) };
}

describe.each(cases)('$experts experts, $k for each of $rows tokens, starved $starved', (given) => {
  const { config, weights, x, expected } = make(given);

  test('sparse dispatch equals the plain loops', async () => {
    const graph = new Graph();
    const { output, balance } = sparseMoe(
      graph.input('x', 'float32', x.shape),
      config,
      storedWeights(graph, weights, prefix),
    );
    graph.output('output', output);
    graph.output('balance', balance);
    const results = await run(graph, { x });
    expect(maxDifference(results['output']?.data as Float32Array, expected.output)).toBeLessThan(1e-5);
    expect(results['balance']?.data[0]).toBeCloseTo(expected.balance, 5);
  });

  test('the fused operator equals the plain loops', async () => {
    const graph = new Graph();
    graph.output(
      'output',
      fusedExperts(
        graph.input('x', 'float32', ['rows', config.hiddenSize]),
        config,
        storedWeights(graph, weights, prefix),
      ),
    );
    const results = await run(graph, { x });
    expect(maxDifference(results['output']?.data as Float32Array, expected.output)).toBeLessThan(1e-5);
  });

  test('an expert has a gradient exactly if it has tokens', async () => {
    const graph = new Graph();
    const shapes = new Map([...parameterShapes(config)].filter(([name]) => name.startsWith(prefix)));
    const fed = fedWeights(graph, shapes);
    const { output } = sparseMoe(graph.input('x', 'float32', x.shape), config, fed.within(prefix));
    const names = [`${prefix}input_linear.weight`, `${prefix}output_linear.weight`];
    const found = gradients(
      reduceSum(mul(output, output), [0, 1]),
      names.map((name) => fed.values.get(name) as Value),
    );
    names.forEach((name, index) => {
      graph.output(`gradient:${name}`, found[index] as Value);
    });
    const results = await run(graph, {
      x,
      ...Object.fromEntries([...shapes.keys()].map((name) => [name, weights.get(name) as Tensor])),
    });
    for (const name of names) {
      const { data, shape } = results[`gradient:${name}`] as Tensor;
      const size = data.length / (shape[0] as number);
      const used = expected.counts.map((_, expert) =>
        (data as Float32Array).subarray(expert * size, (expert + 1) * size).some((value) => value !== 0),
      );
      expect(used, name).toEqual(expected.counts.map((count) => count > 0));
    }
  });
});

test('the cases leave experts without tokens', () => {
  const idle = cases.map((given) => make(given).expected.counts.filter((count) => count === 0).length);
  expect(idle).toEqual([0, 0, 0, 1, 0, 5, expect.any(Number)]);
  expect(idle.at(-1)).toBeGreaterThan(9);
});

test('the balance loss is 1 when all experts get equal shares, and more otherwise', async () => {
  const config = toyConfig({ numLocalExperts: 4, numExpertsPerTok: 1, hiddenSize: 4, mambaNHeads: 2 });
  const weights = new Map(randomWeights(config, 1));
  const identity = Float32Array.from({ length: 16 }, (_, index) => (index % 5 === 0 ? 1 : 0));
  weights.set(`${prefix}router.layer.weight`, tensor('float32', [4, 4], identity));
  const balanceOf = async (x: Float32Array): Promise<number> => {
    const graph = new Graph();
    const input = graph.input('x', 'float32', [4, 4]);
    graph.output('balance', sparseMoe(input, config, storedWeights(graph, weights, prefix)).balance);
    return Number((await run(graph, { x: tensor('float32', [4, 4], x) }))['balance']?.data[0]);
  };
  expect(await balanceOf(identity)).toBeCloseTo(1, 6);
  const all = Float32Array.from({ length: 16 }, (_, index) => (index % 4 === 0 ? 30 : 0));
  expect(await balanceOf(all)).toBeCloseTo(4, 6);
});
