import type { Value } from '../graph.ts';
import { constantNumbers, defineOperator, integerAttribute, required } from '../operator.ts';
import { normalizeAxis } from '../shape.ts';
import { defineReduction, type ReduceOptions, reduce, reduceSum } from './broadcasting.ts';
import { exp, mul, sub } from './elementwise.ts';

const reduceMeanOp = defineReduction('ReduceMean', ({ inputs }, spread) => {
  const x = required(inputs, 0);
  const axes = constantNumbers(required(inputs, 1)).map((axis) => normalizeAxis(axis, x.shape.length));
  return mul(spread, 1 / axes.reduce((count, axis) => count * Number(x.shape[axis]), 1));
});

/** Mean over axes whose sizes are known when the graph is built. */
export const reduceMean = (x: Value, axes: readonly number[], { keepDims = false }: ReduceOptions = {}): Value =>
  reduce(reduceMeanOp, x, axes, keepDims);

const sameAsInput = (inputs: readonly (Value | undefined)[]) => [
  { dtype: required(inputs, 0).dtype, shape: required(inputs, 0).shape },
];

const softmaxOp = defineOperator({
  opType: 'Softmax',
  infer: sameAsInput,
  gradient: ({ outputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    const probabilities = outputs[0] as Value;
    const weighted = mul(upstream, probabilities);
    const total = reduceSum(weighted, [integerAttribute(attributes, 'axis', -1)], { keepDims: true });
    return [sub(weighted, mul(probabilities, total))];
  },
});

const logSoftmaxOp = defineOperator({
  opType: 'LogSoftmax',
  infer: sameAsInput,
  gradient: ({ outputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    const total = reduceSum(upstream, [integerAttribute(attributes, 'axis', -1)], { keepDims: true });
    return [sub(upstream, mul(exp(outputs[0] as Value), total))];
  },
});

const cumSumOp = defineOperator({
  opType: 'CumSum',
  infer: sameAsInput,
  gradient: ({ inputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    const [axis = 0] = constantNumbers(required(inputs, 1));
    return [
      cumSum(upstream, axis, {
        reverse: integerAttribute(attributes, 'reverse', 0) === 0,
      }),
    ];
  },
});

/** exp(x) / sum(exp(x)) along one axis. */
export const softmax = (x: Value, axis = -1): Value => x.graph.add(softmaxOp, [x], { axis })[0] as Value;

/** x - log(sum(exp(x))) along one axis. */
export const logSoftmax = (x: Value, axis = -1): Value => x.graph.add(logSoftmaxOp, [x], { axis })[0] as Value;

/** Running sum along an axis, inclusive; from the end when `reverse`. */
export const cumSum = (x: Value, axis: number, { reverse = false }: { reverse?: boolean } = {}): Value =>
  x.graph.add(cumSumOp, [x, x.graph.constant('int64', [], [axis])], reverse ? { reverse: 1 } : {})[0] as Value;
