import type { DType, TypedArrayOf } from './dtype.ts';
import { IteraError } from './errors.ts';

/** A dense array in row-major order. `data.length` is the product of `shape`. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  /** Sizes of the dimensions, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  readonly data: TypedArrayOf[D];
}

/** Number of elements of a shape; 1 for a scalar's empty shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/**
 * Wraps data as a tensor.
 *
 * @throws {@link IteraError} `SHAPE_MISMATCH` if the data has another number of elements than the shape.
 */
export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: TypedArrayOf[D]): Tensor<D> {
  if (data.length !== elementCount(shape)) {
    throw new IteraError(
      'SHAPE_MISMATCH',
      `Expected ${elementCount(shape)} elements for shape [${shape.join(', ')}], got ${data.length}.`,
      { shape, length: data.length },
    );
  }
  return { dtype, shape, data };
}
