import { expect, test } from 'vitest';
import type { Tensor } from '../../../../src/core/tensor.ts';
import { Graph, type Value } from '../../../../src/graph/graph.ts';
import { add, gemm, mul, reduceSum } from '../../../../src/graph/ops/index.ts';
import { scaleProducts } from '../../../../src/graph/passes/scale-products.ts';
import { verifyGraph } from '../../../../src/graph/verifier.ts';
import { encodeOnnx } from '../../../../src/onnx/encoding.ts';
import { createSession } from '../../../../src/runtime/session.ts';
import { maxDifference, randomTensor } from '../../../parity/random-weights.ts';

const sum = (x: Value): Value => reduceSum(x, [0, 1]);

const feeds = { x: randomTensor([3, 4], 1), y: randomTensor([4, 2], 2), z: randomTensor([3, 5], 3) };

/** A graph of three matrices: operators, scales of its products, and results, before the pass or after it. */
async function run(build: (x: Value, y: Value, z: Value, graph: Graph) => Record<string, Value>, pass: boolean) {
  const graph = new Graph();
  const [x, y, z] = Object.entries(feeds).map(([name, { shape }]) => graph.input(name, 'float32', shape));
  for (const [name, value] of Object.entries(build(x!, y!, z!, graph))) graph.output(name, value);
  if (pass) scaleProducts(graph);
  verifyGraph(graph);
  const session = await createSession(encodeOnnx(graph));
  const results = await session.run(feeds);
  await session.release();
  const scales = graph.nodes.flatMap(({ attributes: { alpha } }) =>
    typeof alpha === 'object' ? Object.values(alpha) : [],
  );
  return { operators: graph.nodes.map(({ operator }) => operator.opType), scales, results };
}

async function compare(build: Parameters<typeof run>[0]) {
  const [before, after] = [await run(build, false), await run(build, true)];
  for (const [name, { data }] of Object.entries(before.results)) {
    const changed = after.results[name] as Tensor<'float32'>;
    expect(maxDifference(changed.data, data as Float32Array)).toBeLessThan(1e-6);
  }
  return after;
}

test('products take the number that either factor is multiplied by, computed ones too', async () => {
  const { operators, scales } = await compare((x, y, z, graph) => {
    const scaled = mul(x, mul(graph.constant('float32', [], [0.5]), 0.25));
    return { first: gemm(scaled, y), second: gemm(z, scaled, { transA: true }) };
  });
  expect(operators).toEqual(['Gemm', 'Gemm']);
  expect(scales).toEqual([0.125, 0.125]);
});

test('a bias is not scaled', async () => {
  const { operators } = await compare((x, y, _z, graph) => {
    const bias = graph.constant('float32', [2], [1, 2]);
    return { product: gemm(mul(x, 3), y, { bias }) };
  });
  expect(operators).toEqual(['Gemm']);
});

test.each<[string, Parameters<typeof run>[0]]>([
  ['multiplied by a number that is only known when the graph runs', (x, y, z) => ({ out: gemm(mul(x, sum(z)), y) })],
  [
    'that something else uses too',
    (x, y) => {
      const scaled = mul(x, 3);
      return { out: gemm(scaled, y), other: add(scaled, 1) };
    },
  ],
  [
    'that leaves the graph',
    (x, y) => {
      const scaled = mul(x, 3);
      return { out: gemm(scaled, y), scaled };
    },
  ],
  [
    'multiplied by itself',
    (x) => {
      const scaled = mul(x, 3);
      return { out: gemm(scaled, scaled, { transB: true }) };
    },
  ],
])('a matrix stays as it is, %s', async (_name, build) => {
  const { operators, scales } = await compare(build);
  expect(operators).toContain('Mul');
  expect(scales).toEqual([]);
});
