import { IteraError } from '../../core/errors.ts';
import type { Value } from '../graph.ts';
import { constantNumbers, defineOperator, integerAttribute, required } from '../operator.ts';
import { type Dim, formatShape, normalizeAxis, sameShape } from '../shape.ts';
import { expand, reshape } from './broadcasting.ts';

/** Zeros of the shape of `x`. */
const zerosLike = (x: Value): Value => {
  const ones = x.shape.map(() => 1);
  return expand(x.graph.constant(x.dtype, ones, [0]), x.shape);
};

const gatherOp = defineOperator({
  opType: 'Gather',
  infer: (inputs, attributes) => {
    const x = required(inputs, 0);
    const axis = normalizeAxis(integerAttribute(attributes, 'axis', 0), x.shape.length);
    const shape = [...x.shape.slice(0, axis), ...required(inputs, 1).shape, ...x.shape.slice(axis + 1)];
    return [{ dtype: x.dtype, shape }];
  },
  // Rows may be gathered more than once, so their gradients are added; ScatterND would race between threads
  // (onnxruntime issues 18048, 23396), ScatterElements adds in order.
  gradient: ({ inputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    const x = required(inputs, 0);
    const indices = required(inputs, 1);
    const [rows, width] = x.shape;
    if (integerAttribute(attributes, 'axis', 0) !== 0 || x.shape.length !== 2 || !rows || !width) {
      throw new IteraError('GRADIENT_UNDEFINED', `Gather has a gradient only for rows of a matrix.`, {
        shape: x.shape,
      });
    }
    const count = indices.shape.reduce<number>((product, dim) => product * Number(dim), 1);
    const wide = expand(reshape(indices, [count, 1]), [count, width]);
    return [
      scatterElements(zerosLike(x), wide, reshape(upstream, [count, width]), 0, {
        reduction: 'add',
      }),
    ];
  },
});

/** Picks slices of `x` along an axis by int64 indices; the indices' shape replaces that axis. */
export const gather = (x: Value, indices: Value, axis = 0): Value =>
  x.graph.add(gatherOp, [x, indices], { axis })[0] as Value;

const gatherElementsOp = defineOperator({
  opType: 'GatherElements',
  infer: (inputs) => [{ dtype: required(inputs, 0).dtype, shape: required(inputs, 1).shape }],
  gradient: ({ inputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    const x = required(inputs, 0);
    const axis = integerAttribute(attributes, 'axis', 0);
    return [
      scatterElements(zerosLike(x), required(inputs, 1), upstream, axis, {
        reduction: 'add',
      }),
    ];
  },
});

/** result[i][j] = x[i][indices[i][j]] for axis 1, likewise for others. */
export const gatherElements = (x: Value, indices: Value, axis: number): Value =>
  x.graph.add(gatherElementsOp, [x, indices], { axis })[0] as Value;

const scatterElementsOp = defineOperator({
  opType: 'ScatterElements',
  infer: (inputs) => {
    const [x, indices, updates] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
    if (!sameShape(indices.shape, updates.shape) || x.dtype !== updates.dtype) {
      const message = `Indices ${formatShape(indices.shape)} and updates ${formatShape(updates.shape)} differ.`;
      throw new IteraError('SHAPE_MISMATCH', message);
    }
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  gradient: ({ inputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    if (attributes['reduction'] !== 'add') {
      throw new IteraError('GRADIENT_UNDEFINED', 'ScatterElements has a gradient only when it adds.');
    }
    const axis = integerAttribute(attributes, 'axis', 0);
    return [upstream, undefined, gatherElements(upstream, required(inputs, 1), axis)];
  },
});

/** A copy of `x` with elements replaced, or added to when `reduction` is `add`. */
export const scatterElements = (
  x: Value,
  indices: Value,
  updates: Value,
  axis: number,
  { reduction }: { reduction?: 'add' } = {},
): Value =>
  x.graph.add(scatterElementsOp, [x, indices, updates], {
    axis,
    ...(reduction && { reduction }),
  })[0] as Value;

const topKOp = defineOperator({
  opType: 'TopK',
  infer: (inputs, attributes) => {
    const x = required(inputs, 0);
    const [k = 1] = constantNumbers(required(inputs, 1));
    const axis = normalizeAxis(integerAttribute(attributes, 'axis', -1), x.shape.length);
    const size = x.shape[axis] as Dim;
    if (typeof size === 'number' && k > size) {
      throw new IteraError('SHAPE_MISMATCH', `Cannot take ${k} of axis ${axis} of ${formatShape(x.shape)}.`);
    }
    const shape = x.shape.with(axis, k);
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  gradient: ({ inputs, outputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    const x = required(inputs, 0);
    return [scatterElements(zerosLike(x), outputs[1] as Value, upstream, integerAttribute(attributes, 'axis', -1))];
  },
});

/** The k largest elements along an axis in falling order (rising when `largest` is false), and their indices. */
export function topK(x: Value, k: number, axis = -1, { largest = true }: { largest?: boolean } = {}): [Value, Value] {
  const attributes = largest ? { axis } : { axis, largest: 0 };
  const [values, indices] = x.graph.add(topKOp, [x, x.graph.indices([k])], attributes);
  return [values as Value, indices as Value];
}
