import { expect, test } from 'vitest';
import { listOperators } from '../../src/graph/operator.ts';
import * as op from '../../src/graph/ops/index.ts';
import { type GradientCase, gradientError } from './finite-difference.ts';

const positive = (x: number) => 0.5 + Math.abs(x);

/** At least one case for every operator that has a gradient, under the operator's name. */
const cases: Readonly<Record<string, readonly GradientCase[]>> = {
  Add: [
    { shapes: [[2, 3], [3]], build: ([a, b]) => op.add(a!, b!) },
    {
      shapes: [
        [2, 1, 3],
        [4, 1],
      ],
      build: ([a, b]) => op.add(a!, b!),
    },
  ],
  Sub: [
    {
      shapes: [
        [2, 3],
        [2, 1],
      ],
      build: ([a, b]) => op.sub(a!, b!),
    },
  ],
  Mul: [
    { shapes: [[2, 3], [3]], build: ([a, b]) => op.mul(a!, b!) },
    { shapes: [[4]], build: ([a]) => op.mul(a!, a!) },
  ],
  Div: [{ shapes: [[2, 3], [3]], draw: positive, build: ([a, b]) => op.div(a!, b!) }],
  Neg: [{ shapes: [[3]], build: ([a]) => op.neg(a!) }],
  Exp: [{ shapes: [[3, 2]], build: ([a]) => op.exp(a!) }],
  Log: [{ shapes: [[5]], draw: positive, build: ([a]) => op.log(a!) }],
  Sqrt: [{ shapes: [[5]], draw: positive, build: ([a]) => op.sqrt(a!) }],
  Reciprocal: [{ shapes: [[5]], draw: positive, build: ([a]) => op.reciprocal(a!) }],
  Sigmoid: [{ shapes: [[5]], build: ([a]) => op.sigmoid(a!) }],
  Softplus: [{ shapes: [[2, 5]], dtype: 'float32', build: ([a]) => op.softplus(a!) }],
  Tanh: [{ shapes: [[5]], build: ([a]) => op.tanh(a!) }],
  Sin: [{ shapes: [[5]], build: ([a]) => op.sin(a!) }],
  Cos: [{ shapes: [[5]], dtype: 'float32', build: ([a]) => op.cos(a!) }],
  QuickGelu: [{ shapes: [[4, 5]], dtype: 'float32', build: ([a]) => op.silu(a!) }],
  Cast: [{ shapes: [[4]], build: ([a]) => op.cast(op.cast(a!, 'float64'), 'float64') }],
  Where: [
    {
      shapes: [[2, 3], [3]],
      build: ([a, b], graph) => op.where(graph.constant('bool', [2, 1], [1, 0]), a!, b!),
    },
  ],
  Reshape: [{ shapes: [[2, 6]], build: ([a]) => op.reshape(a!, [3, 4]) }],
  Expand: [{ shapes: [[2, 1, 3]], build: ([a]) => op.expand(a!, [4, 2, 5, 3]) }],
  Transpose: [{ shapes: [[2, 3, 4]], build: ([a]) => op.transpose(a!, [2, 0, 1]) }],
  Concat: [
    {
      shapes: [
        [2, 3],
        [2, 1],
      ],
      build: ([a, b]) => op.concat([a!, b!, a!], 1),
    },
  ],
  Split: [
    {
      shapes: [[2, 6]],
      build: ([a]) => {
        const [first, second] = op.split(a!, 1, [2, 2, 2]);
        return op.mul(first!, op.exp(second!));
      },
    },
  ],
  Slice: [
    { shapes: [[3, 5]], build: ([a]) => op.slice(a!, 1, 1, 4) },
    { shapes: [[3, 5]], build: ([a]) => op.slice(a!, 0, 0, 2) },
  ],
  FusedMatMul: [
    {
      shapes: [
        [2, 5, 3],
        [5, 4],
      ],
      dtype: 'float32',
      build: ([a, b]) => op.matMul(a!, b!, { transA: true }),
    },
    {
      shapes: [
        [3, 5],
        [2, 4, 5],
      ],
      dtype: 'float32',
      build: ([a, b]) => op.matMul(a!, b!, { transB: true }),
    },
    {
      shapes: [
        [2, 5, 3],
        [2, 4, 5],
      ],
      dtype: 'float32',
      build: ([a, b]) => op.matMul(a!, b!, { transA: true, transB: true }),
    },
  ],
  MatMul: [
    {
      shapes: [
        [2, 3],
        [3, 4],
      ],
      build: ([a, b]) => op.matMul(a!, b!),
    },
    {
      shapes: [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
      build: ([a, b]) => op.matMul(a!, b!),
    },
  ],
  Gemm: [
    ...[false, true].flatMap((transA) =>
      [false, true].map((transB) => ({
        shapes: [transA ? [3, 2] : [2, 3], transB ? [4, 3] : [3, 4], [4]],
        build: ([a, b, bias]: Parameters<GradientCase['build']>[0]) => op.gemm(a!, b!, { transA, transB, bias: bias! }),
      })),
    ),
    // Wide enough that the product of the second factor's gradient is computed another way round, or its transpose is.
    ...[false, true].map((transB) => ({
      shapes: [[2, 33], transB ? [32, 33] : [33, 32]],
      build: ([a, b]: Parameters<GradientCase['build']>[0]) => op.gemm(a!, b!, { transB }),
    })),
  ],
  ReduceSum: [
    { shapes: [[2, 3, 4]], build: ([a]) => op.reduceSum(a!, [0, 2]) },
    { shapes: [[2, 3]], build: ([a]) => op.reduceSum(a!, [-1], { keepDims: true }) },
  ],
  ReduceMean: [{ shapes: [[2, 3, 4]], build: ([a]) => op.reduceMean(a!, [-1], { keepDims: true }) }],
  Softmax: [
    { shapes: [[3, 4]], build: ([a]) => op.softmax(a!) },
    { shapes: [[3, 4]], build: ([a]) => op.softmax(a!, 0) },
  ],
  LogSoftmax: [{ shapes: [[3, 4]], build: ([a]) => op.logSoftmax(a!) }],
  CumSum: [
    { shapes: [[3, 4]], build: ([a]) => op.cumSum(a!, 1) },
    { shapes: [[3, 4]], build: ([a]) => op.cumSum(a!, 0, { reverse: true }) },
  ],
  Gather: [
    {
      shapes: [[5, 3]],
      build: ([a], graph) => op.gather(a!, graph.constant('int64', [2, 3], [4, 0, 4, 1, 1, 4])),
    },
  ],
  GatherElements: [
    {
      shapes: [[2, 4]],
      build: ([a], graph) => op.gatherElements(a!, graph.constant('int64', [2, 3], [0, 0, 3, 1, 2, 1]), 1),
    },
  ],
  ScatterElements: [
    {
      shapes: [
        [3, 2],
        [2, 2],
      ],
      build: ([a, b], graph) =>
        op.scatterElements(a!, graph.constant('int64', [2, 2], [0, 2, 0, 1]), b!, 0, { reduction: 'add' }),
    },
  ],
  TopK: [{ shapes: [[4, 6]], build: ([a]) => op.topK(a!, 2)[0] }],
};

test('every operator with a gradient has a check', () => {
  const differentiable = listOperators().filter(({ gradient }) => gradient);
  expect(differentiable.map(({ opType }) => opType).sort()).toEqual(Object.keys(cases).sort());
});

const rows = Object.entries(cases).flatMap(([opType, list]) => list.map((given, index) => ({ opType, index, given })));

test.each(rows)('$opType agrees with finite differences (case $index)', async ({ given }) => {
  expect(await gradientError(given)).toBeLessThan(given.dtype === 'float32' ? 2e-3 : 1e-7);
});
