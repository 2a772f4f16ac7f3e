import { describe, expect, test } from 'vitest';
import { type ErrorCode, IteraError } from '../../../src/core/errors.ts';
import { Graph, type Value } from '../../../src/graph/graph.ts';
import { findOperator } from '../../../src/graph/operator.ts';
import * as op from '../../../src/graph/ops/index.ts';
import { addDims, broadcastShapes, normalizeAxis, type Shape } from '../../../src/graph/shape.ts';

/** Adds a node of any operator, as a decoder does, past the checks of the functions that usually add it. */
const raw = (
  opType: string,
  inputs: readonly Value[],
  attributes: Readonly<Record<string, number | string | number[]>> = {},
  domain = '',
) => (inputs[0] as Value).graph.add(findOperator(domain, opType), inputs, attributes);

interface Clash {
  readonly rule: string;
  /** Shapes of the inputs a, b, ...; float32. */
  readonly shapes: readonly Shape[];
  readonly build: (inputs: readonly Value[], graph: Graph) => unknown;
  readonly code?: ErrorCode;
  readonly message?: RegExp;
}

const clashes: readonly Clash[] = [
  { rule: 'Add', shapes: [[2, 3], [4]], build: ([a, b]) => op.add(a!, b!), message: /do not broadcast/ },
  { rule: 'LessOrEqual', shapes: [[2], [3]], build: ([a, b]) => op.lessOrEqual(a!, b!) },
  {
    rule: 'Mul',
    shapes: [
      ['T', 3],
      ['S', 3],
    ],
    build: ([a, b]) => op.mul(a!, b!),
  },
  {
    rule: 'Where',
    shapes: [
      [2, 3],
      [2, 4],
    ],
    build: ([a, b], graph) => op.where(graph.constant('bool', [1], [1]), a!, b!),
  },
  { rule: 'Expand', shapes: [[2, 3]], build: ([a]) => op.expand(a!, [2, 4]) },
  {
    rule: 'MatMul',
    shapes: [
      [2, 3],
      [4, 5],
    ],
    build: ([a, b]) => op.matMul(a!, b!),
    message: /Inner dimensions/,
  },
  {
    rule: 'MatMul',
    shapes: [
      [3, 2, 4],
      [2, 4, 5],
    ],
    build: ([a, b]) => op.matMul(a!, b!),
  },
  { rule: 'MatMul', shapes: [[3], [3, 4]], build: ([a, b]) => op.matMul(a!, b!) },
  {
    rule: 'Gemm',
    shapes: [
      [2, 3],
      [4, 5],
    ],
    build: ([a, b]) => op.gemm(a!, b!),
  },
  {
    rule: 'Gemm',
    shapes: [
      [2, 3],
      [3, 4],
    ],
    build: ([a, b]) => op.gemm(a!, b!, { transA: true }),
  },
  {
    rule: 'Gemm',
    shapes: [
      [2, 3],
      [3, 4],
    ],
    build: ([a, b]) => op.gemm(a!, b!, { transB: true }),
  },
  { rule: 'Gemm', shapes: [[2, 3], [3, 4], [5]], build: ([a, b, c]) => op.gemm(a!, b!, { bias: c! }) },
  {
    rule: 'Gemm',
    shapes: [
      [1, 3],
      [3, 4],
      [7, 4],
    ],
    build: ([a, b, c]) => op.gemm(a!, b!, { bias: c! }),
  },
  {
    rule: 'Gemm',
    shapes: [
      [2, 2, 3],
      [3, 4],
    ],
    build: ([a, b]) => op.gemm(a!, b!),
  },
  {
    rule: 'Concat',
    shapes: [
      [2, 3],
      [3, 3],
    ],
    build: ([a, b]) => op.concat([a!, b!], 1),
    message: /Cannot join/,
  },
  {
    rule: 'Concat',
    shapes: [
      [2, 3],
      [2, 3, 1],
    ],
    build: ([a, b]) => op.concat([a!, b!], 1),
  },
  { rule: 'Concat', shapes: [[2], [2]], build: ([a, b]) => op.concat([a!, b!], 1), message: /Axis 1 is outside/ },
  { rule: 'Split', shapes: [[2, 6]], build: ([a]) => op.split(a!, 1, [2, 2]), message: /do not add up/ },
  { rule: 'Split', shapes: [[2, 6]], build: ([a]) => op.split(a!, 5, [3, 3]) },
  { rule: 'Reshape', shapes: [[2, 6]], build: ([a]) => op.reshape(a!, [5]), message: /Cannot reshape/ },
  { rule: 'Slice', shapes: [[2, 6]], build: ([a]) => op.slice(a!, 1, 2, 7), message: /Cannot cut \[2, 7\)/ },
  { rule: 'Slice', shapes: [[2, 6]], build: ([a]) => op.slice(a!, 1, 4, 3) },
  { rule: 'Slice', shapes: [[2, 'T']], build: ([a]) => op.slice(a!, 1, 0, 3) },
  { rule: 'TopK', shapes: [[2, 6]], build: ([a]) => op.topK(a!, 7), message: /Cannot take 7/ },
  { rule: 'TopK', shapes: [[2, 6]], build: ([a]) => op.topK(a!, 1, 2) },
  { rule: 'Transpose', shapes: [[2, 3]], build: ([a]) => op.transpose(a!, [1, 0, 2]), message: /does not fit/ },
  { rule: 'Transpose', shapes: [[2, 3]], build: ([a]) => op.transpose(a!, [1, 1]) },
  { rule: 'ReduceSum', shapes: [[2, 3]], build: ([a]) => op.reduceSum(a!, [2]), message: /Axis 2 is outside/ },
  { rule: 'ReduceMean', shapes: [[2, 3]], build: ([a]) => op.reduceMean(a!, [-3]) },
  {
    rule: 'Gather',
    shapes: [[2, 3]],
    build: ([a], graph) => op.gather(a!, graph.indices([0]), 2),
  },
  {
    rule: 'ScatterElements',
    shapes: [[2, 3], [2]],
    build: ([a, b], graph) => op.scatterElements(a!, graph.indices([0]), b!, 0),
    message: /Indices \[1\] and updates \[2\] differ/,
  },
  {
    rule: 'SimplifiedLayerNormalization',
    shapes: [[2, 3], [2]],
    build: ([a, b]) => op.fusedRmsNorm(a!, b!, 1e-5),
  },
  {
    rule: 'CausalConvWithState',
    shapes: [[1, 5, 4], [3, 1, 2], [4], [1, 1, 4]],
    build: ([x, weight, bias, state]) => op.fusedCausalConv(x!, weight!, bias!, state!),
  },
  {
    rule: 'LinearAttention',
    shapes: [
      [1, 5, 4],
      [1, 5, 4],
      [1, 5, 6],
      [1, 3, 4, 2],
      [1, 5, 2],
    ],
    build: ([q, k, v, state, decay]) =>
      op.fusedLinearAttention({ q: q!, k: k!, v: v!, state: state!, decay: decay! }, { groups: 1, heads: 3 }),
  },
  {
    rule: 'MoE',
    shapes: [
      [5, 4],
      [5, 3],
      [2, 6, 4],
      [2, 4, 3],
    ],
    build: ([x, router, first, second]) => op.fusedMoe(x!, router!, first!, second!, 1),
  },
  {
    rule: 'Mul',
    shapes: [[2]],
    build: ([a]) => raw('Mul', [a!]),
    code: 'GRAPH_INVALID',
    message: /Input 1 is missing/,
  },
  {
    rule: 'Add',
    shapes: [[2]],
    build: ([a], graph) => op.add(a!, graph.constant('int64', [], [1])),
    code: 'GRAPH_INVALID',
    message: /float32 and int64/,
  },
  {
    rule: 'MatMul',
    shapes: [[2, 2]],
    build: ([a], graph) => op.matMul(a!, graph.constant('float64', [2, 2], [1, 0, 0, 1])),
  },
  {
    rule: 'ReduceSum',
    shapes: [[2], [1]],
    build: ([a, b]) => raw('ReduceSum', [a!, b!]),
    code: 'GRAPH_INVALID',
    message: /must be a constant/,
  },
  {
    rule: 'Transpose',
    shapes: [[2]],
    build: ([a]) => raw('Transpose', [a!]),
    code: 'GRAPH_INVALID',
    message: /perm must be a list/,
  },
  {
    rule: 'Cast',
    shapes: [[2]],
    build: ([a]) => raw('Cast', [a!], { to: 99 }),
    code: 'GRAPH_INVALID',
    message: /unknown type/,
  },
  {
    rule: 'Range',
    shapes: [[], [], []],
    build: (inputs) => raw('Range', inputs),
    code: 'GRAPH_INVALID',
    message: /name/,
  },
  {
    rule: 'Slice',
    shapes: [[2, 3]],
    build: ([a], graph) => raw('Slice', [a!, graph.indices([0, 0]), graph.indices([1, 1]), graph.indices([0, 1])]),
    code: 'GRAPH_INVALID',
    message: /one axis/,
  },
];

describe('a clash names the node and all shapes', () => {
  test.each(clashes)('$rule on $shapes', ({ rule, shapes, build, code = 'SHAPE_MISMATCH', message = / / }) => {
    const graph = new Graph();
    const inputs = shapes.map((shape, index) => graph.input('abcdefg'[index] as string, 'float32', shape));
    const before = graph.nodes.length;
    let caught: unknown;
    try {
      graph.scope('block', () => build(inputs, graph));
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(IteraError);
    const error = caught as IteraError;
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(graph.nodes).toHaveLength(before);
    expect(error.data['node']).toBe(`block/${rule}`);
    expect(error.message).toContain(`Node block/${rule} `);
    for (const [index, shape] of shapes.entries()) {
      expect(error.message).toContain(`${'abcdefg'[index]} float32[${shape.join(', ')}]`);
    }
  });
});

describe('symbols for sizes known at run time', () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['B', 'T', 6]);

  test.each<[string, Value, Shape]>([
    ['broadcast against 1', op.add(x, graph.constant('float32', [1, 6], [1, 2, 3, 4, 5, 6])), ['B', 'T', 6]],
    ['reshape keeps places and infers one', op.reshape(x, ['B', 'T', 2, 3]), ['B', 'T', 2, 3]],
    ['reshape names the inferred one', op.reshape(x, ['tokens', 6]), ['tokens', 6]],
    ['transpose', op.transpose(x, [1, 0, 2]), ['T', 'B', 6]],
    ['concat adds names', op.concat([x, x], 1), ['B', 'T+T', 6]],
    ['matrix product', op.matMul(x, graph.constant('float32', [6, 1], [1, 1, 1, 1, 1, 1])), ['B', 'T', 1]],
    ['reduction', op.reduceSum(x, [1]), ['B', 6]],
    ['size', op.shapeOf(x, -2), [1]],
    ['expand of another axis', op.expand(op.reshape(x, ['B', 'T', 6, 1]), ['B', 'T', 6, 4]), ['B', 'T', 6, 4]],
  ])('%s', (_name, value, shape) => {
    expect(value.shape).toEqual(shape);
  });

  test('two unknown sizes cannot be inferred', () => {
    expect(() => op.reshape(x, ['P', 'Q'])).toThrow(expect.objectContaining({ code: 'SHAPE_MISMATCH' }));
    expect(() => op.expand(x, ['B', 'S', 6])).toThrow(expect.objectContaining({ code: 'SHAPE_MISMATCH' }));
  });
});

test('broadcasting follows the ONNX rules both ways', () => {
  expect(broadcastShapes([4, 1, 3], [5, 1])).toEqual([4, 5, 3]);
  expect(broadcastShapes([], [2, 'T'])).toEqual([2, 'T']);
  expect(broadcastShapes(['B', 1], [1, 7])).toEqual(['B', 7]);
  expect(() => broadcastShapes(['B'], [2])).toThrow(IteraError);
});

test('axes count from either end and must exist', () => {
  expect([normalizeAxis(-1, 3), normalizeAxis(0, 3), normalizeAxis(2, 3)]).toEqual([2, 0, 2]);
  for (const [axis, rank] of [
    [3, 3],
    [-4, 3],
    [0, 0],
    [0.5, 3],
    [Number.NaN, 3],
  ] as const) {
    expect(() => normalizeAxis(axis, rank)).toThrow(expect.objectContaining({ code: 'SHAPE_MISMATCH' }));
  }
});

test('sums of sizes', () => {
  expect([addDims(2, 3), addDims('T', 0), addDims(0, 'T'), addDims('S', 'T')]).toEqual([5, 'T', 'T', 'S+T']);
});
