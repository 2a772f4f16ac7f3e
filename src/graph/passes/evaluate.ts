import { allocate, type DType } from '../../core/dtype.ts';
import { fromFloat16, toFloat16 } from '../../core/float16.ts';
import { elementCount, type Tensor, tensor } from '../../core/tensor.ts';
import type { GraphNode } from '../graph.ts';
import { constantNumbers, integerAttribute, listAttribute, required } from '../operator.ts';
import { onnxTypes } from '../ops/elementwise.ts';
import { normalizeAxis } from '../shape.ts';

/** Computes a node's outputs from its stored inputs, in order, given their shapes. */
type Rule = (node: GraphNode, inputs: readonly Tensor[], shapes: readonly (readonly number[])[]) => readonly Tensor[];

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const unary = (compute: (x: number) => number): Rule => {
  return (_node, [x]) => [filled(x as Tensor, (x as Tensor).shape, (at) => compute(numberAt(x as Tensor, at)))];
};

const binary = (compute: (a: number, b: number) => number): Rule => {
  return (_node, [a, b], [shape = []]) => {
    const left = spread(a as Tensor, shape);
    const right = spread(b as Tensor, shape);
    return [filled(left, shape, (at) => compute(numberAt(left, at), numberAt(right, at)))];
  };
};

const rules: Readonly<Record<string, Rule>> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Max: binary(Math.max),
  Neg: unary((x) => -x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Sigmoid: unary(sigmoid),
  Softplus: unary(softplus),
  Tanh: unary(Math.tanh),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Cast: ({ attributes }, [x]) => [convert(x as Tensor, onnxTypes[integerAttribute(attributes, 'to')] as DType)],
  Reshape: (_node, [x], [shape = []]) => [{ ...(x as Tensor), shape }],
  Expand: (_node, [x], [shape = []]) => [spread(x as Tensor, shape)],
  Transpose: ({ attributes }, [x], [shape = []]) => {
    const steps = strides((x as Tensor).shape);
    return [
      pick(
        x as Tensor,
        shape,
        listAttribute(attributes, 'perm').map((axis) => steps[axis] as number),
      ),
    ];
  },
  Split: ({ attributes }, [x], shapes) => {
    const source = x as Tensor;
    const axis = normalizeAxis(integerAttribute(attributes, 'axis', 0), source.shape.length);
    const steps = strides(source.shape);
    let start = 0;
    return shapes.map((shape) => {
      const part = pick(source, shape, steps, start * (steps[axis] as number));
      start += shape[axis] as number;
      return part;
    });
  },
  Slice: ({ inputs }, [x], [shape = []]) => {
    const source = x as Tensor;
    const [start = 0] = constantNumbers(required(inputs, 1));
    const [axis = 0] = constantNumbers(required(inputs, 3));
    const steps = strides(source.shape);
    return [pick(source, shape, steps, start * (steps[normalizeAxis(axis, source.shape.length)] as number))];
  },
};

/**
 * Computes a node all of whose inputs are stored, in double precision, each result rounded once.
 *
 * @returns The outputs' content; undefined for an operator, or an element type, that is not computed here.
 */
export function evaluateNode(node: GraphNode): readonly Tensor[] | undefined {
  const rule = node.operator.domain === '' ? rules[node.operator.opType] : undefined;
  const inputs = node.inputs.flatMap((value) => value?.constant ?? []);
  const shapes = node.outputs.map(({ shape }) => shape);
  if (!rule || inputs.length === 0 || inputs.length < node.inputs.length) return undefined;
  if (!shapes.every((shape) => shape.every((dim) => typeof dim === 'number'))) return undefined;
  // Half precision is stored as bits, which only copies and casts understand.
  const copies = ['Cast', 'Reshape', 'Expand', 'Transpose', 'Split', 'Slice'].includes(node.operator.opType);
  if (!copies && inputs.some(({ dtype }) => dtype !== 'float32' && dtype !== 'float64')) return undefined;
  return rule(node, inputs, shapes as readonly (readonly number[])[]);
}

const numberAt = ({ data }: Tensor, index: number): number => Number(data[index]);

function filled({ dtype }: Tensor, shape: readonly number[], compute: (index: number) => number): Tensor {
  const data = allocate(dtype as 'float32', elementCount(shape));
  for (let index = 0; index < data.length; index++) data[index] = compute(index);
  return tensor(dtype as 'float32', shape, data);
}

/** How many elements apart neighbours along each axis stand. */
function strides(shape: readonly number[]): readonly number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}

/** A tensor repeated along its axes of size 1, and new ones in front, to reach a shape. */
function spread(x: Tensor, shape: readonly number[]): Tensor {
  const own = strides(x.shape);
  const extra = shape.length - x.shape.length;
  return pick(
    x,
    shape,
    shape.map((_, axis) => ((x.shape[axis - extra] ?? 1) === 1 ? 0 : (own[axis - extra] as number))),
  );
}

/** Elements of a tensor at an offset and a step for each axis of a shape. */
function pick(x: Tensor, shape: readonly number[], steps: readonly number[], offset = 0): Tensor {
  const data = allocate(x.dtype as 'float32', elementCount(shape));
  const source = x.data as Float32Array;
  const counter = shape.map(() => 0);
  let from = offset;
  for (let index = 0; index < data.length; index++) {
    data[index] = source[from] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      counter[axis] = (counter[axis] as number) + 1;
      from += steps[axis] as number;
      if ((counter[axis] as number) < (shape[axis] as number)) break;
      from -= (steps[axis] as number) * (shape[axis] as number);
      counter[axis] = 0;
    }
  }
  return tensor(x.dtype as 'float32', shape, data);
}

function convert(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  const numbers = x.dtype === 'float16' ? fromFloat16(x.data as Uint16Array) : x.data;
  if (dtype === 'float16') {
    return tensor(dtype, x.shape, toFloat16(Float64Array.from(numbers as ArrayLike<number>, Number)));
  }
  const data = allocate(dtype, numbers.length) as Float32Array | BigInt64Array;
  for (let index = 0; index < numbers.length; index++) {
    const number = Number(numbers[index]);
    if (data instanceof BigInt64Array) data[index] = BigInt(Math.trunc(number));
    else data[index] = dtype === 'bool' ? Number(number !== 0) : number;
  }
  return tensor(dtype as 'float32', x.shape, data as Float32Array);
}
