import { elementCount, type Tensor } from '../core/tensor.ts';

/** All weights in one flat array, with a tensor view for each: the optimiser walks the array, the graph reads the views. */
export interface ParameterBuffer {
  readonly data: Float32Array;
  readonly views: ReadonlyMap<string, Tensor<'float32'>>;
}

export const countElements = (shapes: ReadonlyMap<string, readonly number[]>): number =>
  [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0);

/** A zero-filled buffer for weights of these shapes, in their order. */
export function allocateParameters(shapes: ReadonlyMap<string, readonly number[]>): ParameterBuffer {
  return viewParameters(new Float32Array(countElements(shapes)), shapes);
}

/** Views of an array that holds weights of these shapes, one after the other. */
export function viewParameters(data: Float32Array, shapes: ReadonlyMap<string, readonly number[]>): ParameterBuffer {
  const views = new Map<string, Tensor<'float32'>>();
  let offset = 0;
  for (const [name, shape] of shapes) {
    const length = elementCount(shape);
    views.set(name, { dtype: 'float32', shape, data: data.subarray(offset, offset + length) });
    offset += length;
  }
  return { data, views };
}
