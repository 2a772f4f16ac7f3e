import { expect, test } from 'vitest';
import { type Tensor, tensor } from '../../../src/core/tensor.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { cast, exp, fusedRmsNorm, mul, reduceSum, reshape } from '../../../src/graph/ops/index.ts';
import { verifyGraph } from '../../../src/graph/verifier.ts';
import { decodeOnnx } from '../../../src/onnx/decoding.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession } from '../../../src/runtime/session.ts';

const pair = tensor('float32', [2], Float32Array.of(3, 4));

/** Runs a graph as written, and as read back and written again: both must give `expected`. */
async function expectRuns(graph: Graph, feeds: Record<string, Tensor>, expected: Record<string, number[]>) {
  const bytes = encodeOnnx(graph);
  const again = decodeOnnx(bytes).graph;
  verifyGraph(again);
  expect(Buffer.compare(encodeOnnx(again), bytes)).toBe(0);
  for (const model of [bytes, encodeOnnx(again)]) {
    const session = await createSession(model);
    const outputs = await session.run(feeds);
    await session.release();
    expect(
      Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data, Number)])),
    ).toEqual(expected);
  }
}

test('an output may be a value of a node, once or under several names', async () => {
  const graph = new Graph();
  const doubled = mul(graph.input('x', 'float32', [2]), 2);
  graph.output('first', doubled);
  graph.output('second', doubled);
  graph.output('third', doubled);
  await expectRuns(graph, { x: pair }, { first: [6, 8], second: [6, 8], third: [6, 8] });
});

test('an output may be an input or a stored tensor', async () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', [2]);
  graph.output('same', x);
  graph.output('again', x);
  graph.output('weight', graph.initializer('stored', tensor('int64', [1], BigInt64Array.of(-5n))));
  graph.output('number', graph.constant('float64', [], [0.5]));
  await expectRuns(graph, { x: pair }, { same: [3, 4], again: [3, 4], weight: [-5], number: [0.5] });
});

test('an output that others still use keeps its other users', async () => {
  const graph = new Graph();
  const doubled = mul(graph.input('x', 'float32', [2]), 2);
  graph.output('doubled', doubled);
  graph.output('sum', reduceSum(doubled, [0]));
  await expectRuns(graph, { x: pair }, { doubled: [6, 8], sum: [14] });
});

test('every kind of attribute and element type survives', () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['rows', 2]);
  graph.output('norm', fusedRmsNorm(x, graph.initializer('scale', pair), 1e-5));
  graph.output('wide', cast(x, 'float64'));
  const contents: Record<string, Tensor> = {
    f64: tensor('float64', [1], Float64Array.of(Math.PI)),
    f16: tensor('float16', [3], Uint16Array.of(0x3c00, 1, 2)),
    i64: tensor('int64', [1], BigInt64Array.of(2n ** 62n)),
    i32: tensor('int32', [1], Int32Array.of(-7)),
    i8: tensor('int8', [1], Int8Array.of(-7)),
    u8: tensor('uint8', [3], Uint8Array.of(1, 2, 255)),
    bool: tensor('bool', [2], Uint8Array.of(1, 0)),
    none: tensor('float32', [0, 4], new Float32Array(0)),
    unaligned: tensor('float32', [2], new Float32Array(new ArrayBuffer(12), 4, 2).fill(1.5)),
  };
  for (const [name, content] of Object.entries(contents)) graph.initializer(name, content);
  const { graph: again } = decodeOnnx(encodeOnnx(graph));
  for (const [name, content] of Object.entries(contents)) {
    expect(again.initializers.find((value) => value.name === name)?.constant).toEqual(content);
  }
  expect(again.nodes[0]?.attributes).toEqual({ axis: -1, epsilon: { float: Math.fround(1e-5) }, stash_type: 1 });
  expect(again.outputs.map(({ value }) => [value.dtype, value.shape])).toEqual([
    ['float32', ['rows', 2]],
    ['float64', ['rows', 2]],
  ]);
});

test('metadata survives, whatever its characters', () => {
  const graph = new Graph();
  graph.output('y', exp(graph.input('x', 'float32', [1])));
  const metadata = { name: 'micro', empty: '', text: 'naïve — 語\n"quoted"' };
  expect(decodeOnnx(encodeOnnx(graph, metadata)).metadata).toEqual(metadata);
  expect(decodeOnnx(encodeOnnx(graph)).metadata).toEqual({});
});

test('an output named like another value is refused', () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', [1]);
  graph.output('x', exp(x));
  expect(() => encodeOnnx(graph)).toThrow(
    expect.objectContaining({ code: 'GRAPH_INVALID', message: expect.stringContaining('"x"') }),
  );
});

test('an output that is the input of its own name needs no copy', async () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', [2]);
  graph.output('x', x);
  graph.output('y', exp(mul(x, 0)));
  await expectRuns(graph, { x: pair }, { x: [3, 4], y: [1, 1] });
});

test('short names change no result, and keep those of inputs, outputs and stored tensors', async () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['rows', 2]);
  const scale = graph.initializer('scale', pair);
  const tripled = graph.scope('a long name for a place', () => mul(exp(mul(x, scale)), 3));
  graph.output('flat', reshape(tripled, ['cells']));
  graph.output('sum', reduceSum(tripled, [0]));
  const bytes = encodeOnnx(graph, {}, { shortNames: true });
  expect(bytes.length).toBeLessThan(encodeOnnx(graph).length - 150);
  const { graph: again } = decodeOnnx(bytes);
  expect(again.inputs.map(({ name }) => name)).toEqual(['x']);
  expect(again.initializers.map(({ name }) => name)).toEqual(graph.initializers.map(({ name }) => name));
  expect(again.outputs.map(({ name, value }) => [name, value.shape])).toEqual([
    ['flat', ['cells']],
    ['sum', [2]],
  ]);
  const feeds = { x: tensor('float32', [1, 2], Float32Array.of(0, 0)) };
  const session = await createSession(bytes);
  const { flat, sum } = await session.run(feeds);
  await session.release();
  expect([...(flat as Tensor<'float32'>).data, ...(sum as Tensor<'float32'>).data]).toEqual([3, 3, 3, 3]);
});
