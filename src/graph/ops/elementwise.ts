import type { DType } from '../../core/dtype.ts';
import { IteraError } from '../../core/errors.ts';
import type { GraphNode, NodeGradient, Operator, Value } from '../graph.ts';
import { defineOperator, integerAttribute, required } from '../operator.ts';
import { broadcastShapes } from '../shape.ts';
import { sumTo } from './broadcasting.ts';

/** A tensor, or a number that becomes a constant of the other operand's type. */
export type Operand = Value | number;

function toValue(operand: Operand, like: Value): Value {
  return typeof operand === 'number' ? like.graph.constant(like.dtype, [], [operand]) : operand;
}

function sameDtype(inputs: readonly (Value | undefined)[], ...indices: number[]): DType {
  const dtypes = indices.map((index) => required(inputs, index).dtype);
  if (new Set(dtypes).size > 1) {
    throw new IteraError('GRAPH_INVALID', `Expected equal element types, got ${dtypes.join(' and ')}.`, { dtypes });
  }
  return dtypes[0] as DType;
}

function unary(opType: string, gradient?: (node: GraphNode, upstream: Value) => Value): Operator {
  return defineOperator({
    opType,
    infer: (inputs) => [{ dtype: required(inputs, 0).dtype, shape: required(inputs, 0).shape }],
    ...(gradient && {
      gradient: (node: GraphNode, [upstream]: readonly (Value | undefined)[]) => [upstream && gradient(node, upstream)],
    }),
  });
}

function binary(opType: string, dtype?: DType, gradient?: NodeGradient): Operator {
  return defineOperator({
    opType,
    infer: (inputs) => [
      {
        dtype: sameDtype(inputs, 0, 1) && (dtype ?? required(inputs, 0).dtype),
        shape: broadcastShapes(required(inputs, 0).shape, required(inputs, 1).shape),
      },
    ],
    ...(gradient && { gradient }),
  });
}

/** Wraps a binary gradient so that each side is summed over the axes along which that input was repeated. */
function unbroadcast(
  rule: (a: Value, b: Value, upstream: Value, output: Value) => readonly [() => Value, () => Value],
): NodeGradient {
  return ({ inputs, outputs }, [upstream]) => {
    if (!upstream) return [];
    const a = required(inputs, 0);
    const b = required(inputs, 1);
    const [left, right] = rule(a, b, upstream, outputs[0] as Value);
    // A constant needs no gradient, and computing one can cost as much as the real one.
    return [a.constant ? undefined : sumTo(left(), a.shape), b.constant ? undefined : sumTo(right(), b.shape)];
  };
}

const addOp = binary(
  'Add',
  undefined,
  unbroadcast((_a, _b, upstream) => [() => upstream, () => upstream]),
);
const subOp = binary(
  'Sub',
  undefined,
  unbroadcast((_a, _b, upstream) => [() => upstream, () => neg(upstream)]),
);
const mulOp = binary(
  'Mul',
  undefined,
  unbroadcast((a, b, upstream) => [() => mul(upstream, b), () => mul(upstream, a)]),
);
const divOp = binary(
  'Div',
  undefined,
  unbroadcast((_a, b, upstream, output) => [() => div(upstream, b), () => neg(div(mul(upstream, output), b))]),
);
const negOp = unary('Neg', (_node, upstream) => neg(upstream));
const expOp = unary('Exp', ({ outputs }, upstream) => mul(upstream, outputs[0] as Value));
const logOp = unary('Log', ({ inputs }, upstream) => div(upstream, required(inputs, 0)));
const sqrtOp = unary('Sqrt', ({ outputs }, upstream) => div(mul(upstream, 0.5), outputs[0] as Value));
const reciprocalOp = unary('Reciprocal', ({ outputs }, upstream) => {
  const output = outputs[0] as Value;
  return neg(mul(upstream, mul(output, output)));
});
const sigmoidOp = unary('Sigmoid', ({ outputs }, upstream) => {
  const output = outputs[0] as Value;
  return mul(mul(upstream, output), sub(1, output));
});
const softplusOp = unary('Softplus', ({ inputs }, upstream) => mul(upstream, sigmoid(required(inputs, 0))));
const tanhOp = unary('Tanh', ({ outputs }, upstream) => {
  const output = outputs[0] as Value;
  return mul(upstream, sub(1, mul(output, output)));
});
const sinOp = unary('Sin', ({ inputs }, upstream) => mul(upstream, cos(required(inputs, 0))));
const cosOp = unary('Cos', ({ inputs }, upstream) => neg(mul(upstream, sin(required(inputs, 0)))));
const maxOp = binary('Max');
const equalOp = binary('Equal', 'bool');
const lessOrEqualOp = binary('LessOrEqual', 'bool');

const whereOp = defineOperator({
  opType: 'Where',
  infer: (inputs) => [
    {
      dtype: sameDtype(inputs, 1, 2),
      shape: broadcastShapes(
        required(inputs, 0).shape,
        broadcastShapes(required(inputs, 1).shape, required(inputs, 2).shape),
      ),
    },
  ],
  gradient: ({ inputs }, [upstream]) => {
    if (!upstream) return [];
    const condition = required(inputs, 0);
    const zero = upstream.graph.constant(upstream.dtype, [], [0]);
    return [
      undefined,
      sumTo(where(condition, upstream, zero), required(inputs, 1).shape),
      sumTo(where(condition, zero, upstream), required(inputs, 2).shape),
    ];
  },
});

/** Element types by ONNX number (TensorProto.DataType). */
export const onnxTypes: Readonly<Record<string, DType>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
};

/** ONNX's number for each element type (TensorProto.DataType). */
export function onnxTypeNumber(dtype: DType): number {
  const found = Object.entries(onnxTypes).find(([, name]) => name === dtype);
  return Number(found?.[0]);
}

const castOp = defineOperator({
  opType: 'Cast',
  infer: (inputs, attributes) => {
    const dtype = onnxTypes[integerAttribute(attributes, 'to')];
    if (!dtype)
      throw new IteraError('GRAPH_INVALID', `Cast to an unknown type.`, {
        to: attributes['to'],
      });
    return [{ dtype, shape: required(inputs, 0).shape }];
  },
  gradient: ({ inputs }, [upstream]) => [upstream && cast(upstream, required(inputs, 0).dtype)],
});

function apply(operator: Operator, ...inputs: Value[]): Value {
  const first = inputs[0] as Value;
  return first.graph.add(operator, inputs)[0] as Value;
}

function applyBinary(operator: Operator, a: Operand, b: Operand): Value {
  const like = typeof a === 'number' ? b : a;
  if (typeof like === 'number') {
    throw new IteraError('GRAPH_INVALID', `${operator.opType} needs at least one tensor.`);
  }
  return apply(operator, toValue(a, like), toValue(b, like));
}

export const add = (a: Operand, b: Operand): Value => applyBinary(addOp, a, b);
export const sub = (a: Operand, b: Operand): Value => applyBinary(subOp, a, b);
export const mul = (a: Operand, b: Operand): Value => applyBinary(mulOp, a, b);
export const div = (a: Operand, b: Operand): Value => applyBinary(divOp, a, b);
/** Not differentiable here: used on sizes and limits only. */
export const max = (a: Operand, b: Operand): Value => applyBinary(maxOp, a, b);
export const equal = (a: Operand, b: Operand): Value => applyBinary(equalOp, a, b);
export const lessOrEqual = (a: Operand, b: Operand): Value => applyBinary(lessOrEqualOp, a, b);
export const neg = (x: Value): Value => apply(negOp, x);
export const exp = (x: Value): Value => apply(expOp, x);
export const log = (x: Value): Value => apply(logOp, x);
export const sqrt = (x: Value): Value => apply(sqrtOp, x);
export const reciprocal = (x: Value): Value => apply(reciprocalOp, x);
export const sigmoid = (x: Value): Value => apply(sigmoidOp, x);
/** log(1 + exp(x)). */
export const softplus = (x: Value): Value => apply(softplusOp, x);
export const tanh = (x: Value): Value => apply(tanhOp, x);
export const sin = (x: Value): Value => apply(sinOp, x);
export const cos = (x: Value): Value => apply(cosOp, x);
export const where = (condition: Value, a: Value, b: Value): Value => apply(whereOp, condition, a, b);
export const cast = (x: Value, dtype: DType): Value =>
  x.dtype === dtype ? x : (x.graph.add(castOp, [x], { to: onnxTypeNumber(dtype) })[0] as Value);
