import { describe, expect, test } from 'vitest';
import { roundToFloat16, toFloat16 } from '../../../../src/core/float16.ts';
import { Graph } from '../../../../src/graph/graph.ts';
import { add, mul, where } from '../../../../src/graph/ops/index.ts';
import { computeFloat16 } from '../../../../src/graph/passes/compute-float16.ts';
import { expandExperts } from '../../../../src/graph/passes/expand-experts.ts';
import { foldConstants } from '../../../../src/graph/passes/fold-constants.ts';
import { quantizeProducts } from '../../../../src/graph/passes/quantize-products.ts';
import { storeFloat16 } from '../../../../src/graph/passes/store-float16.ts';
import { verifyGraph } from '../../../../src/graph/verifier.ts';
import type { ModelConfig } from '../../../../src/models/config.ts';
import { buildInferenceGraph } from '../../../../src/models/inference-graph.ts';
import { encodeOnnx } from '../../../../src/onnx/encoding.ts';
import { randomTensor, randomWeights } from '../../../parity/random-weights.ts';
import { roundMatrix } from './round-matrix.ts';
import { models, runGraph, worstDifference } from './run-graph.ts';

function build(config: ModelConfig): Graph {
  const graph = buildInferenceGraph(config, randomWeights(config, 13));
  foldConstants(graph);
  return graph;
}

/** Rounds, in place, what is stored in half precision: tensors of 64 numbers or more. */
function roundStored(graph: Graph): Graph {
  for (const { dtype, constant } of graph.initializers) {
    const data = constant?.data as Float32Array;
    if (dtype === 'float32' && data.length >= 64) data.set(roundToFloat16(data));
  }
  return graph;
}

const opTypes = (graph: Graph): string[] => graph.nodes.map(({ operator }) => operator.opType);

describe.each(models)('$name', ({ config }) => {
  test('stored in half precision gives exactly what rounded weights give', async () => {
    const graph = build(config);
    const float = await runGraph(graph, config);
    storeFloat16(graph);
    const half = graph.initializers.filter(({ dtype }) => dtype === 'float16');
    expect(half.length).toBeGreaterThan(5);
    const wide = graph.initializers.filter(({ dtype }) => dtype === 'float32');
    for (const { constant } of wide) expect(constant?.data.length).toBeLessThan(64);
    const actual = await runGraph(graph, config);
    expect(worstDifference(actual, await runGraph(roundStored(build(config)), config))).toBeLessThan(2e-6);
    expect(worstDifference(actual, float)).toBeGreaterThan(1e-5);
  });

  test('computed in half precision stays near, with inputs and outputs in float32', async () => {
    const graph = build(config);
    const expected = await runGraph(graph, config);
    const before = encodeOnnx(graph);
    for (const half of [computeFloat16(graph), computeFloat16(graph, { keepFloat32: [] })]) {
      verifyGraph(half);
      expect(half.inputs.map(({ name, dtype }) => [name, dtype])).toEqual(
        graph.inputs.map(({ name, dtype }) => [name, dtype]),
      );
      expect(half.outputs.map(({ name, value }) => [name, value.dtype])).toEqual(
        graph.outputs.map(({ name }) => [name, 'float32']),
      );
      const difference = worstDifference(await runGraph(half, config), expected);
      expect(difference).toBeLessThan(0.1);
      expect(difference).toBeGreaterThan(1e-5);
    }
    expect(Buffer.compare(encodeOnnx(graph), before)).toBe(0);
  });

  test('quantised and computed in half precision uses the stored scales as they are', async () => {
    const graph = build(config);
    expandExperts(graph);
    const rounding = { bits: 4, blockSize: 16 } as const;
    quantizeProducts(graph, ({ weights, rows, columns }) => roundMatrix(weights, rows, columns, rounding), {
      accuracyLevel: 0,
    });
    const expected = await runGraph(graph, config);
    const half = computeFloat16(graph);
    const products = half.nodes.filter(({ operator }) => operator.opType === 'MatMulNBits');
    expect(products.length).toBeGreaterThan(5);
    for (const { inputs } of products) expect(inputs[2]?.constant?.dtype).toBe('float16');
    expect(worstDifference(await runGraph(half, config), expected)).toBeLessThan(0.1);
  });
});

const attention = models[1]?.config as ModelConfig;

test('sines, cosines and the angles that lead to them stay in float32', () => {
  const types = (graph: Graph): Set<string | undefined> =>
    new Set(
      graph.nodes
        .filter(({ operator }) => ['Sin', 'Cos'].includes(operator.opType))
        .map(({ inputs }) => inputs[0]?.dtype),
    );
  const graph = build(attention);
  expect(types(computeFloat16(graph))).toEqual(new Set(['float32']));
  expect(types(computeFloat16(graph, { keepFloat32: [] }))).toEqual(new Set(['float16']));
});

test('a mask of -1e9 becomes -60000', () => {
  const graph = new Graph();
  const allowed = graph.input('allowed', 'bool', ['T']);
  const scores = graph.input('scores', 'float32', ['T']);
  const mask = where(allowed, graph.constant('float32', [], [0]), graph.constant('float32', [], [-1e9]));
  graph.output('masked', add(scores, mask));
  const half = computeFloat16(graph);
  const numbers = half.initializers.map(({ constant }) => constant?.data[0]);
  expect(numbers).toEqual([0, toFloat16([-6e4])[0]]);
});

describe('numbers that half precision cannot hold are refused, and the graph is left alone', () => {
  test.each([70_000, -65_520, Number.NaN, Number.POSITIVE_INFINITY])('%d', (value) => {
    const graph = new Graph();
    const content = randomTensor([64], 1);
    content.data[17] = value;
    const weight = graph.initializer('layer.weight', content);
    graph.output('y', mul(graph.input('x', 'float32', ['M', 64]), weight));
    const expected = expect.objectContaining({
      name: 'IteraError',
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('layer.weight'),
    });
    expect(() => storeFloat16(graph)).toThrow(expected);
    expect(() => computeFloat16(graph)).toThrow(expected);
    expect(opTypes(graph)).toEqual(['Mul']);
    expect(graph.initializers.map(({ dtype }) => dtype)).toEqual(['float32']);
  });
});
