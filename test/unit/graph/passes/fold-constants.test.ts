import { describe, expect, test } from 'vitest';
import { tensor } from '../../../../src/core/tensor.ts';
import { Graph, type Value } from '../../../../src/graph/graph.ts';
import * as op from '../../../../src/graph/ops/index.ts';
import { foldConstants } from '../../../../src/graph/passes/fold-constants.ts';
import { buildInferenceGraph } from '../../../../src/models/inference-graph.ts';
import { encodeOnnx } from '../../../../src/onnx/encoding.ts';
import { createSession } from '../../../../src/runtime/session.ts';
import { maxDifference, randomTensor, randomWeights } from '../../../parity/random-weights.ts';
import { models, runGraph, worstDifference } from './run-graph.ts';

const opTypes = (graph: Graph): string[] => graph.nodes.map(({ operator }) => operator.opType);

const storedBytes = (graph: Graph): number =>
  graph.initializers.reduce((sum, { constant }) => sum + (constant?.data.byteLength ?? 0), 0);

describe.each(models)('$name', ({ config }) => {
  test('gives what the unfolded graph gives, with weights alone in no node but of a table used twice', async () => {
    const weights = randomWeights(config, 4);
    const graph = buildInferenceGraph(config, weights);
    const before = { nodes: graph.nodes.length, bytes: storedBytes(graph) };
    const expected = await runGraph(graph, config);
    foldConstants(graph);
    expect(worstDifference(await runGraph(graph, config), expected)).toBeLessThan(1e-5);
    expect(graph.nodes.length).toBeLessThan(before.nodes);
    expect(storedBytes(graph)).toBeLessThanOrEqual(before.bytes);
    const alone = graph.nodes.filter(({ inputs }) => inputs.every((value) => value?.constant));
    expect(alone.map(({ inputs }) => inputs[0]?.name)).toEqual(
      config.tieWordEmbeddings ? ['model.embed_tokens.weight'] : [],
    );
  });
});

test('every operator it computes agrees with the runtime', async () => {
  const build = (): Graph => {
    const graph = new Graph();
    let count = 0;
    const stored = (...shape: number[]): Value => graph.initializer(`w${count++}`, randomTensor(shape, 30 + count));
    const positive = (value: Value): Value => op.exp(value);
    const parts = op.split(stored(5, 3), 0, [2, 3]) as [Value, Value];
    const results: Value[] = [
      op.add(stored(2, 3), stored(3)),
      op.sub(stored(2, 1, 3), stored(4, 1)),
      op.mul(stored(2, 3), 3),
      op.div(stored(2, 3), positive(stored(2, 3))),
      op.max(stored(4), stored(4)),
      op.neg(stored(3)),
      op.log(positive(stored(3))),
      op.sqrt(positive(stored(3))),
      op.reciprocal(positive(stored(3))),
      ...[op.sigmoid, op.softplus, op.tanh, op.sin, op.cos].map((apply) => apply(stored(4))),
      op.transpose(stored(2, 3, 4), [2, 0, 1]),
      op.reshape(stored(2, 6), [3, 4]),
      op.expand(stored(1, 3), [2, 3]),
      op.slice(stored(3, 7), 1, 2, 5),
      ...parts,
      op.cast(op.cast(stored(5), 'float16'), 'float32'),
      op.cast(op.cast(op.mul(stored(5), 10), 'int64'), 'float32'),
      op.cast(op.cast(stored(5), 'bool'), 'float32'),
      op.cast(op.cast(op.mul(stored(5), 10), 'int32'), 'float64'),
    ];
    results.forEach((value, index) => void graph.output(`y${index}`, value));
    return graph;
  };
  const folded = build();
  foldConstants(folded);
  expect(opTypes(folded)).toEqual([]);
  const session = await createSession(encodeOnnx(build()));
  const expected = await session.run({});
  await session.release();
  for (const { name, value } of folded.outputs) {
    const { shape, data, dtype } = expected[name] ?? {};
    expect([value.dtype, value.shape], name).toEqual([dtype, shape]);
    const own = Array.from(value.constant?.data ?? [], Number);
    expect(maxDifference(own, Array.from(data ?? [], Number)), name).toBeLessThan(1e-5);
  }
});

test('a result is named after the largest tensor it was made from', () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['M', 4]);
  const weight = graph.initializer('layer.weight', randomTensor([6, 4], 1));
  const factors = graph.initializer('factors', randomTensor([4], 2));
  const [first, second] = op.split(op.mul(weight, factors), 0, [2, 4]) as [Value, Value];
  graph.output('first', op.gemm(x, first, { transB: true }));
  graph.output('second', op.gemm(x, second, { transB: true }));
  foldConstants(graph);
  expect(graph.initializers.map(({ name }) => name)).toEqual(['layer.weight/Mul/Split0', 'layer.weight/Mul/Split1']);
});

describe('a node stays', () => {
  test('when it would repeat a tensor', () => {
    const graph = new Graph();
    graph.output('wide', op.expand(graph.initializer('w', randomTensor([1, 64], 1)), [64, 64]));
    foldConstants(graph);
    expect(opTypes(graph)).toEqual(['Expand']);
  });

  test('when another needs its tensor as it is', () => {
    const graph = new Graph();
    const w = graph.initializer('w', randomTensor([32, 16], 1));
    graph.output('turned', op.transpose(w, [1, 0]));
    graph.output('straight', op.gather(w, graph.input('ids', 'int64', ['T'])));
    foldConstants(graph);
    expect(opTypes(graph)).toEqual(['Transpose', 'Gather']);
  });

  test('when it widens half precision', () => {
    const graph = new Graph();
    const half = graph.initializer('w', tensor('float16', [100], new Uint16Array(100)));
    graph.output('wide', op.cast(half, 'float32'));
    foldConstants(graph);
    expect(opTypes(graph)).toEqual(['Cast']);
  });

  test('when it is not computed here, or half precision is calculated with', () => {
    const graph = new Graph();
    graph.output('chosen', op.softmax(graph.initializer('w', randomTensor([4], 1))));
    const half = graph.initializer('half', tensor('float16', [4], Uint16Array.of(0x3c00, 0, 0, 0)));
    graph.output('negative', op.neg(half));
    foldConstants(graph);
    expect(opTypes(graph)).toEqual(['Softmax', 'Neg']);
  });
});
