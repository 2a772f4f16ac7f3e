import { IteraError } from '../core/errors.ts';

/** One dimension: a number, or a symbol such as `B` that stands for a size known only when the graph runs. */
export type Dim = number | string;

/** The dimensions of a tensor, outermost first. */
export type Shape = readonly Dim[];

/** A shape as text, e.g. `[B, T, 64]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** The sum of two dimensions; symbolic when either is. */
export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a === 0) return b;
  if (b === 0) return a;
  return `${a}+${b}`;
}

/** Turns an axis that may count from the end into one that counts from the start. */
export function normalizeAxis(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw new IteraError('SHAPE_MISMATCH', `Axis ${axis} is outside a tensor of ${rank} dimensions.`, { axis, rank });
  }
  return positive;
}

/**
 * The shape of an element-wise operation on two tensors (multidirectional broadcasting).
 *
 * @throws {@link IteraError} `SHAPE_MISMATCH` if a pair of dimensions is neither equal nor 1.
 * @see ONNX specification, Broadcasting in ONNX.
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, index) => {
    const left = a[index - rank + a.length] ?? 1;
    const right = b[index - rank + b.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new IteraError('SHAPE_MISMATCH', `Shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast.`, {
      a,
      b,
    });
  });
}

/** Product of the dimensions, or undefined when one of them is symbolic. */
export function staticElementCount(shape: Shape): number | undefined {
  let count = 1;
  for (const dim of shape) {
    if (typeof dim !== 'number') return undefined;
    count *= dim;
  }
  return count;
}

/** Reads a dimension back from text: a number where it is one, a symbol otherwise. */
export const parseDim = (text: string): Dim => (/^\d+$/.test(text) ? Number(text) : text);
