import { IteraError } from '../../core/errors.ts';
import type { Value } from '../graph.ts';
import { constantNumbers, defineOperator, integerAttribute, listAttribute, required } from '../operator.ts';
import { addDims, type Dim, formatShape, normalizeAxis, staticElementCount } from '../shape.ts';
import { expand, reshape } from './broadcasting.ts';
import { shapeOf } from './sizes.ts';

const transposeOp = defineOperator({
  opType: 'Transpose',
  infer: (inputs, attributes) => {
    const x = required(inputs, 0);
    const order = listAttribute(attributes, 'perm');
    if (order.length !== x.shape.length || new Set(order).size !== order.length) {
      throw new IteraError('SHAPE_MISMATCH', `Order [${order.join()}] does not fit ${formatShape(x.shape)}.`);
    }
    return [
      {
        dtype: x.dtype,
        shape: order.map((axis) => x.shape[normalizeAxis(axis, x.shape.length)] as Dim),
      },
    ];
  },
  gradient: ({ attributes }, [upstream]) => {
    const order = listAttribute(attributes, 'perm');
    return [
      upstream &&
        transpose(
          upstream,
          order.map((_, axis) => order.indexOf(axis)),
        ),
    ];
  },
});

/** Reorders axes: axis `i` of the result is axis `order[i]` of `x`. */
export function transpose(x: Value, order: readonly number[]): Value {
  if (order.every((axis, index) => axis === index)) return x;
  // Moving axes of size 1 moves no element, and a reshape costs nothing.
  const moved = order.filter((axis) => x.shape[axis] !== 1);
  const stays = moved.every((axis, index) => index === 0 || axis > (moved[index - 1] as number));
  if (stays && staticElementCount(x.shape) !== undefined) {
    return reshape(
      x,
      order.map((axis) => x.shape[axis] as Dim),
    );
  }
  return x.graph.add(transposeOp, [x], { perm: order })[0] as Value;
}

const concatOp = defineOperator({
  opType: 'Concat',
  infer: (inputs, attributes) => {
    const first = required(inputs, 0);
    const axis = normalizeAxis(integerAttribute(attributes, 'axis'), first.shape.length);
    const sizes = inputs.map((_, index) => {
      const { shape, dtype } = required(inputs, index);
      const fits =
        shape.length === first.shape.length && shape.every((dim, at) => at === axis || dim === first.shape[at]);
      if (!fits || dtype !== first.dtype) {
        throw new IteraError('SHAPE_MISMATCH', `Cannot join ${formatShape(first.shape)} and ${formatShape(shape)}.`);
      }
      return shape[axis] as Dim;
    });
    return [
      {
        dtype: first.dtype,
        shape: first.shape.with(axis, sizes.reduce(addDims)),
      },
    ];
  },
  gradient: ({ inputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    const parts = inputs.map((_, index) => required(inputs, index));
    const axis = normalizeAxis(integerAttribute(attributes, 'axis'), upstream.shape.length);
    const sizes = parts.map((part) => part.shape[axis] as Dim);
    if (sizes.every((size) => typeof size === 'number')) return split(upstream, axis, sizes);
    const lengths = concat(
      parts.map((part) => shapeOf(part, axis)),
      0,
    );
    return splitBy(upstream, axis, lengths, sizes);
  },
});

/** Joins tensors along an axis. */
export function concat(parts: readonly Value[], axis: number): Value {
  const [first] = parts;
  if (!first) throw new IteraError('GRAPH_INVALID', 'Concat needs at least one tensor.');
  return parts.length === 1 ? first : (first.graph.add(concatOp, parts, { axis })[0] as Value);
}

const splitOp = defineOperator({
  opType: 'Split',
  infer: (inputs, attributes) => {
    const x = required(inputs, 0);
    const sizes = required(inputs, 1);
    const axis = normalizeAxis(integerAttribute(attributes, 'axis'), x.shape.length);
    const named = attributes['itera_dims'];
    const dims: Dim[] = sizes.constant
      ? [...constantNumbers(sizes)]
      : String(named)
          .split(',')
          .map((dim) => (/^\d+$/.test(dim) ? Number(dim) : dim));
    const total =
      staticElementCount(dims) === undefined ? undefined : (dims as number[]).reduce((sum, size) => sum + size, 0);
    if (total !== undefined && typeof x.shape[axis] === 'number' && total !== x.shape[axis]) {
      throw new IteraError(
        'SHAPE_MISMATCH',
        `Parts [${dims.join()}] do not add up to axis ${axis} of ${formatShape(x.shape)}.`,
      );
    }
    return dims.map((dim) => ({
      dtype: x.dtype,
      shape: x.shape.with(axis, dim),
    }));
  },
  sizeHint: (shapes, inputs, attributes) => {
    const axis = normalizeAxis(integerAttribute(attributes, 'axis', 0), required(inputs, 0).shape.length);
    return inputs[1]?.constant ? undefined : shapes.map((shape) => shape?.[axis] ?? '?').join();
  },
  gradient: ({ inputs, outputs, attributes }, upstream) => {
    const present = upstream.find((gradient) => gradient);
    if (!present) return [];
    const parts = outputs.map((output, index) => upstream[index] ?? zerosLike(output));
    // Parts of sizes unknown until run time still add up to the size that was cut.
    return [reshape(concat(parts, integerAttribute(attributes, 'axis')), required(inputs, 0).shape)];
  },
});

function zerosLike(x: Value): Value {
  const count = staticElementCount(x.shape);
  if (count === undefined) throw new IteraError('GRADIENT_UNDEFINED', `${x.name} of unknown size has no gradient.`);
  return expand(
    x.graph.constant(
      x.dtype,
      x.shape.map(() => 1),
      [0],
    ),
    x.shape,
  );
}

/** Cuts an axis into parts of the given sizes. */
export function split(x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  return sizes.length === 1 ? [x] : x.graph.add(splitOp, [x, x.graph.indices(sizes)], { axis });
}

/** Cuts an axis into parts whose sizes are computed in the graph; `dims` names them. */
export function splitBy(x: Value, axis: number, sizes: Value, dims: readonly Dim[]): readonly Value[] {
  return x.graph.add(splitOp, [x, sizes], { axis, itera_dims: dims.join() });
}

const sliceOp = defineOperator({
  opType: 'Slice',
  infer: (inputs, attributes) => {
    const x = required(inputs, 0);
    const axes = constantNumbers(required(inputs, 3));
    if (axes.length !== 1 || inputs[4]) {
      throw new IteraError('GRAPH_INVALID', 'Slice is known for one axis and without steps only.', { axes });
    }
    const axis = normalizeAxis(axes[0] ?? 0, x.shape.length);
    const named = attributes['itera_dims'];
    if (typeof named === 'string') {
      return [
        {
          dtype: x.dtype,
          shape: x.shape.with(axis, /^\d+$/.test(named) ? Number(named) : named),
        },
      ];
    }
    const [start = 0] = constantNumbers(required(inputs, 1));
    const [end = 0] = constantNumbers(required(inputs, 2));
    const size = x.shape[axis];
    if (typeof size !== 'number' || start < 0 || end > size || start > end) {
      throw new IteraError(
        'SHAPE_MISMATCH',
        `Cannot cut [${start}, ${end}) from axis ${axis} of ${formatShape(x.shape)}.`,
      );
    }
    return [{ dtype: x.dtype, shape: x.shape.with(axis, end - start) }];
  },
  sizeHint: ([shape], inputs) => {
    const limitsKnown = inputs[1]?.constant && inputs[2]?.constant;
    const [axis = 0] = constantNumbers(required(inputs, 3));
    return limitsKnown ? undefined : String(shape?.[axis] ?? '?');
  },
  gradient: ({ inputs }, [upstream]) => {
    if (!upstream) return [];
    const x = required(inputs, 0);
    const [axis = 0] = constantNumbers(required(inputs, 3));
    const [start = 0] = constantNumbers(required(inputs, 1));
    const [end = 0] = constantNumbers(required(inputs, 2));
    const size = Number(x.shape[axis]);
    const side = (length: number) =>
      length === 0
        ? []
        : [
            expand(
              x.graph.constant(
                x.dtype,
                x.shape.map(() => 1),
                [0],
              ),
              x.shape.with(axis, length),
            ),
          ];
    return [concat([...side(start), upstream, ...side(size - end)], axis)];
  },
});

/** Elements [start, end) of one axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = normalizeAxis(axis, x.shape.length);
  if (start === 0 && end === x.shape[at]) return x;
  const { graph } = x;
  return graph.add(sliceOp, [x, graph.indices([start]), graph.indices([end]), graph.indices([at])])[0] as Value;
}

/** Elements [start, end) of one axis, the limits being int64[1] tensors; `dim` names the resulting size. */
export function sliceBy(x: Value, axis: number, start: Value, end: Value, dim: Dim): Value {
  const at = normalizeAxis(axis, x.shape.length);
  return x.graph.add(sliceOp, [x, start, end, x.graph.indices([at])], {
    itera_dims: String(dim),
  })[0] as Value;
}
