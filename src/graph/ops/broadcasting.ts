import { IteraError } from '../../core/errors.ts';
import type { GraphNode, Operator, Value } from '../graph.ts';
import { constantNumbers, defineOperator, integerAttribute, required } from '../operator.ts';
import {
  broadcastShapes,
  type Dim,
  formatShape,
  normalizeAxis,
  parseDim,
  type Shape,
  sameShape,
  staticElementCount,
} from '../shape.ts';

import { shapeOp } from './sizes.ts';

// Reshape, Expand and ReduceSum stand together because the gradient of each needs the others.

// The target is an int64 tensor at run time (0 copies a size, -1 infers one); `dims` keeps the sizes' symbols.
const reshapeOp = defineOperator({
  opType: 'Reshape',
  infer: (inputs, attributes) => {
    const x = required(inputs, 0);
    const symbols = typeof attributes['itera_dims'] === 'string' ? attributes['itera_dims'].split(',') : [];
    if (!required(inputs, 1).constant) return [{ dtype: x.dtype, shape: symbols.map(parseDim) }];
    const target = constantNumbers(required(inputs, 1));
    const shape = target.map((size, axis): Dim => {
      if (size > 0) return size;
      if (size === 0 && x.shape[axis] !== undefined) return x.shape[axis];
      return symbols[axis] ?? '?';
    });
    const before = staticElementCount(x.shape);
    const after = staticElementCount(shape);
    if (before !== undefined && after !== undefined && before !== after) {
      throw new IteraError('SHAPE_MISMATCH', `Cannot reshape ${formatShape(x.shape)} to ${formatShape(shape)}.`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  sizeHint: ([shape]) => shape?.join(),
  gradient: ({ inputs }, [upstream]) => [upstream && reshape(upstream, required(inputs, 0).shape)],
});

/**
 * The same elements in another shape. Symbolic sizes must stand at the place they have in `x`, but for one, which is
 * inferred.
 */
export function reshape(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const target = shape.map((dim, axis) => (typeof dim === 'number' ? dim : dim === x.shape[axis] ? 0 : -1));
  if (target.filter((size) => size === -1).length > 1) {
    throw new IteraError('SHAPE_MISMATCH', `Cannot infer ${formatShape(shape)} from ${formatShape(x.shape)}.`);
  }
  const symbolic = target.some((size) => size === -1);
  const inputs = [x, x.graph.indices(target)];
  return x.graph.add(reshapeOp, inputs, symbolic ? { itera_dims: shape.join() } : {})[0] as Value;
}

/** `y` in the shape that `x` has when the graph runs. */
export function reshapeLike(y: Value, x: Value): Value {
  const target = x.graph.add(shapeOp, [x])[0] as Value;
  return x.graph.add(reshapeOp, [y, target], { itera_dims: x.shape.join() })[0] as Value;
}

const expandOp = defineOperator({
  opType: 'Expand',
  infer: (inputs) => {
    const x = required(inputs, 0);
    return [
      {
        dtype: x.dtype,
        shape: broadcastShapes(x.shape, constantNumbers(required(inputs, 1))),
      },
    ];
  },
  gradient: ({ inputs }, [upstream]) => [upstream && sumTo(upstream, required(inputs, 0).shape)],
});

/** Repeats axes of size 1 to reach `shape`, which must be numbers where it differs. */
export function expand(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const extra = shape.length - x.shape.length;
  const target = shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    if (axis >= extra && dim === x.shape[axis - extra]) return 1;
    throw new IteraError('SHAPE_MISMATCH', `Cannot expand ${formatShape(x.shape)} to ${formatShape(shape)}.`);
  });
  return x.graph.add(expandOp, [x, x.graph.indices(target)])[0] as Value;
}

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  const reduced = new Set(axes.map((axis) => normalizeAxis(axis, shape.length)));
  if (keepDims) return shape.map((dim, axis) => (reduced.has(axis) ? 1 : dim));
  return shape.filter((_, axis) => !reduced.has(axis));
}

/** Defines a reduction over constant axes; `gradient` gets the upstream gradient repeated to the input's shape. */
export function defineReduction(opType: string, gradient?: (node: GraphNode, spread: Value) => Value): Operator {
  return defineOperator({
    opType,
    infer: (inputs, attributes) => {
      const x = required(inputs, 0);
      const keepDims = integerAttribute(attributes, 'keepdims', 1) === 1;
      return [
        {
          dtype: x.dtype,
          shape: reducedShape(x.shape, constantNumbers(required(inputs, 1)), keepDims),
        },
      ];
    },
    ...(gradient && {
      gradient: (node: GraphNode, [upstream]: readonly (Value | undefined)[]) => {
        if (!upstream) return [];
        const x = required(node.inputs, 0);
        const kept = reducedShape(x.shape, constantNumbers(required(node.inputs, 1)), true);
        return [gradient(node, expand(reshape(upstream, kept), x.shape))];
      },
    }),
  });
}

const reduceSumOp = defineReduction('ReduceSum', (_node, spread) => spread);
/** Applies a reduction. */
export function reduce(operator: Operator, x: Value, axes: readonly number[], keepDims: boolean): Value {
  return x.graph.add(operator, [x, x.graph.indices(axes)], {
    keepdims: keepDims ? 1 : 0,
  })[0] as Value;
}

export interface ReduceOptions {
  /** Keep reduced axes with size 1. */
  readonly keepDims?: boolean;
}

export const reduceSum = (x: Value, axes: readonly number[], { keepDims = false }: ReduceOptions = {}): Value =>
  reduce(reduceSumOp, x, axes, keepDims);

/** Sums a gradient over the axes along which a tensor of `shape` was repeated by broadcasting. */
export function sumTo(gradient: Value, shape: Shape): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const extra = gradient.shape.length - shape.length;
  const axes: number[] = [];
  gradient.shape.forEach((dim: Dim, axis) => {
    if (axis < extra || (shape[axis - extra] === 1 && dim !== 1)) axes.push(axis);
  });
  return reshape(axes.length > 0 ? reduceSum(gradient, axes) : gradient, shape);
}
