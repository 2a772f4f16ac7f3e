import { IteraError } from '../../core/errors.ts';
import type { Value } from '../graph.ts';
import { defineOperator, integerAttribute, required } from '../operator.ts';
import { normalizeAxis } from '../shape.ts';

/** The sizes of a tensor as int64. */
export const shapeOp = defineOperator({
  opType: 'Shape',
  infer: (inputs, attributes) => {
    const { shape } = required(inputs, 0);
    const start = integerAttribute(attributes, 'start', 0);
    return [
      {
        dtype: 'int64',
        shape: [integerAttribute(attributes, 'end', shape.length) - start],
      },
    ];
  },
});

/** The size of one axis at run time, `int64[1]`. */
export function shapeOf(x: Value, axis: number): Value {
  const start = normalizeAxis(axis, x.shape.length);
  return x.graph.add(shapeOp, [x], { start, end: start + 1 })[0] as Value;
}

const rangeOp = defineOperator({
  opType: 'Range',
  sizeHint: ([shape]) => String(shape?.[0] ?? '?'),
  infer: (inputs, attributes) => {
    const dim = attributes['itera_dims'];
    if (typeof dim !== 'string') throw new IteraError('GRAPH_INVALID', 'Range needs a name for its length.');
    return [{ dtype: required(inputs, 0).dtype, shape: [dim] }];
  },
});

/** Whole numbers start..limit-1 as int64; `dim` names the length. Both limits are int64 scalars. */
export function range(start: Value, limit: Value, dim: string): Value {
  const one = start.graph.constant('int64', [], [1]);
  return start.graph.add(rangeOp, [start, limit, one], {
    itera_dims: dim,
  })[0] as Value;
}
