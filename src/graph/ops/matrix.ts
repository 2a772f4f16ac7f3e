import { IteraError } from '../../core/errors.ts';
import type { Operator, Value } from '../graph.ts';
import { defineOperator, integerAttribute, required } from '../operator.ts';
import { broadcastShapes, type Dim, formatShape, type Shape } from '../shape.ts';
import { reshape, sumTo } from './broadcasting.ts';
import { transpose } from './layout.ts';

function clash(a: Shape, b: Shape): IteraError {
  const message = `Inner dimensions of ${formatShape(a)} and ${formatShape(b)} differ.`;
  return new IteraError('SHAPE_MISMATCH', message, { a, b });
}

function swapLast(x: Value): Value {
  const order = x.shape.map((_, axis) => axis);
  const last = order.length - 1;
  return transpose(x, [...order.slice(0, -2), last, last - 1]);
}

/** Batches of products, of the runtime's own (com.microsoft) where a factor is transposed: it costs no copy there. */
const matMulOperator = (opType: 'MatMul' | 'FusedMatMul'): Operator =>
  defineOperator({
    opType,
    domain: opType === 'MatMul' ? '' : 'com.microsoft',
    infer: (inputs, attributes) => {
      const a = required(inputs, 0);
      const b = required(inputs, 1);
      if (a.shape.length < 2 || b.shape.length < 2 || a.dtype !== b.dtype) throw clash(a.shape, b.shape);
      const [rows, inner] = lastTwo(a, integerAttribute(attributes, 'transA', 0) === 1);
      const [innerB, columns] = lastTwo(b, integerAttribute(attributes, 'transB', 0) === 1);
      if (inner !== innerB) throw clash(a.shape, b.shape);
      const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
      return [{ dtype: a.dtype, shape: [...batch, rows, columns] }];
    },
    gradient: ({ inputs, attributes }, [upstream]) => {
      if (!upstream) return [];
      const a = required(inputs, 0);
      const b = required(inputs, 1);
      const transA = integerAttribute(attributes, 'transA', 0) === 1;
      const transB = integerAttribute(attributes, 'transB', 0) === 1;
      const left = (): Value =>
        transA ? matMul(b, upstream, { transA: transB, transB: true }) : matMul(upstream, b, { transB: !transB });
      const right = (): Value =>
        transB ? matMul(upstream, a, { transA: true, transB: transA }) : matMul(a, upstream, { transA: !transA });
      return [a.constant ? undefined : sumTo(left(), a.shape), b.constant ? undefined : sumTo(right(), b.shape)];
    },
  });

const matMulOp = matMulOperator('MatMul');
const fusedMatMulOp = matMulOperator('FusedMatMul');

function lastTwo({ shape }: Value, transposed: boolean): [Dim, Dim] {
  const [rows = 1, columns = 1] = shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

export interface MatMulOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
}

/** Product of the last two axes, each factor's optionally swapped before; the other axes broadcast. */
export function matMul(a: Value, b: Value, { transA = false, transB = false }: MatMulOptions = {}): Value {
  if (!transA && !transB) return a.graph.add(matMulOp, [a, b])[0] as Value;
  // The runtime's operator knows float32 only.
  if (a.dtype !== 'float32') return matMul(transA ? swapLast(a) : a, transB ? swapLast(b) : b);
  const attributes = { ...(transA && { transA: 1 }), ...(transB && { transB: 1 }) };
  return a.graph.add(fusedMatMulOp, [a, b], attributes)[0] as Value;
}

const gemmOp = defineOperator({
  opType: 'Gemm',
  infer: (inputs, attributes) => {
    const a = required(inputs, 0);
    const b = required(inputs, 1);
    const c = inputs[2];
    if (a.shape.length !== 2 || b.shape.length !== 2 || a.dtype !== b.dtype) throw clash(a.shape, b.shape);
    const [rows, inner] = integerAttribute(attributes, 'transA', 0) ? [a.shape[1], a.shape[0]] : a.shape;
    const [innerB, columns] = integerAttribute(attributes, 'transB', 0) ? [b.shape[1], b.shape[0]] : b.shape;
    if (inner !== innerB) throw clash(a.shape, b.shape);
    const shape = [rows ?? 1, columns ?? 1];
    if (c && formatShape(broadcastShapes(shape, c.shape)) !== formatShape(shape)) throw clash(shape, c.shape);
    return [{ dtype: a.dtype, shape }];
  },
  gradient: ({ inputs, attributes }, [upstream]) => {
    if (!upstream) return [];
    const a = required(inputs, 0);
    const b = required(inputs, 1);
    const c = inputs[2];
    const transA = integerAttribute(attributes, 'transA', 0) === 1;
    const transB = integerAttribute(attributes, 'transB', 0) === 1;
    if ('alpha' in attributes) throw new IteraError('GRADIENT_UNDEFINED', 'A scaled Gemm has no gradient.');
    const bias = c && !c.constant ? sumTo(upstream, c.shape) : undefined;
    return [
      a.constant
        ? undefined
        : transA
          ? gemm(b, upstream, { transA: transB, transB: true })
          : gemm(upstream, b, { transB: !transB }),
      b.constant
        ? undefined
        : transB
          ? transA
            ? gemm(upstream, a, { transA: true, transB: true })
            : tallProduct(upstream, a)
          : transA
            ? gemm(a, upstream)
            : tallProduct(a, upstream),
      bias,
    ];
  },
});

export interface GemmOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  /** Multiplies the product. */
  readonly alpha?: number;
  /** Added to the product, broadcast to its shape. */
  readonly bias?: Value;
}

/** Product of two matrices, each optionally transposed, times an optional factor, plus an optional bias. */
export function gemm(a: Value, b: Value, options: GemmOptions = {}): Value {
  const { transA = false, transB = false, alpha = 1, bias } = options;
  const inputs = bias ? [a, b, bias] : [a, b];
  return a.graph.add(gemmOp, inputs, {
    ...(transA && { transA: 1 }),
    ...(transB && { transB: 1 }),
    ...(alpha !== 1 && { alpha: { float: alpha } }),
  })[0] as Value;
}

/** Of so few columns, a transposition costs more than it saves. */
const narrow = 32;

/**
 * a^T b. ONNX Runtime's product takes a quarter to a half longer when it transposes its first factor itself, many times
 * over, so the narrower of the two is transposed before, and the product after if that was `b`. On three axes, because on
 * two the runtime would fold the transposition back into the product.
 *
 * @param a - `[M, I]`.
 * @param b - `[M, J]`.
 */
function tallProduct(a: Value, b: Value): Value {
  const [rows, widthA, widthB] = [a.shape[0], a.shape[1], b.shape[1]];
  const known = typeof rows === 'number' && typeof widthA === 'number' && typeof widthB === 'number';
  if (!known || Math.min(widthA, widthB) < narrow) return gemm(a, b, { transA: true });
  return widthA > widthB ? transposed(gemm(transposed(b), a)) : gemm(transposed(a), b);
}

function transposed(x: Value): Value {
  const [rows, columns] = x.shape.map(Number) as [number, number];
  return reshape(transpose(reshape(x, [1, rows, columns]), [0, 2, 1]), [columns, rows]);
}
