import { IteraError } from '../../core/errors.ts';
import type { BitWidth } from '../../core/quantized-matrix.ts';
import type { Attributes, Value } from '../graph.ts';
import { defineOperator, integerAttribute, required } from '../operator.ts';
import { formatShape, type Shape, sameShape, staticElementCount } from '../shape.ts';
import { slice } from './layout.ts';

// Products with matrices of small whole numbers, in ONNX Runtime's layouts (com.microsoft, docs/ContribOperators.md).

/** A `QuantizedMatrix` as values of a graph. */
export interface QuantizedParts {
  readonly rows: number;
  readonly columns: number;
  readonly bits: BitWidth;
  readonly blockSize: number;
  /** `uint8`, `[rows, blocks, blockSize * bits / 8]`, or the same bytes as `[rows, blocks * blockSize * bits / 8]`. */
  readonly levels: Value;
  /** `[rows, blocks]`, of the element type of what the product gives. */
  readonly scales: Value;
  /** `uint8[rows, ceil(blocks * bits / 8)]`. */
  readonly zeroPoints?: Value | undefined;
}

function expectShape(what: string, value: Value | undefined, ...allowed: readonly Shape[]): void {
  if (!value || allowed.some((shape) => sameShape(value.shape, shape))) return;
  const message = `Expected ${what} of shape ${allowed.map(formatShape).join(' or ')}, got ${formatShape(value.shape)}.`;
  throw new IteraError('SHAPE_MISMATCH', message, { shape: value.shape, allowed });
}

function expectBytes(...values: readonly (Value | undefined)[]): void {
  const wrong = values.find((value) => value && value.dtype !== 'uint8');
  if (!wrong) return;
  const message = `Expected ${wrong.name} to be packed in uint8, got ${wrong.dtype}.`;
  throw new IteraError('GRAPH_INVALID', message, { dtype: wrong.dtype });
}

const bitsOf = (attributes: Attributes, name: string): number => integerAttribute(attributes, name, 4);

const matMulNBitsOp = defineOperator({
  opType: 'MatMulNBits',
  domain: 'com.microsoft',
  infer: (inputs, attributes) => {
    const [x, levels, scales] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
    const rows = integerAttribute(attributes, 'N');
    const columns = integerAttribute(attributes, 'K');
    const blockSize = integerAttribute(attributes, 'block_size');
    const bits = bitsOf(attributes, 'bits');
    const blocks = Math.ceil(columns / blockSize);
    const zeroBytes = Math.ceil((blocks * bits) / 8);
    expectBytes(levels, inputs[3]);
    if (x.shape.at(-1) !== columns) {
      const message = `Expected rows of ${columns} numbers, got ${formatShape(x.shape)}.`;
      throw new IteraError('SHAPE_MISMATCH', message);
    }
    if (scales.dtype !== x.dtype) {
      const message = `Expected scales of the input's type ${x.dtype}, got ${scales.dtype}; cast them first.`;
      throw new IteraError('GRAPH_INVALID', message);
    }
    expectShape('levels', levels, [rows, blocks, (blockSize * bits) / 8]);
    expectShape('scales', scales, [rows, blocks], [rows * blocks]);
    expectShape('zero points', inputs[3], [rows, zeroBytes], [rows * zeroBytes]);
    return [{ dtype: x.dtype, shape: x.shape.with(-1, rows) }];
  },
});

export interface MatMulNBitsOptions {
  /** 0 computes in the input's type; 4 first rounds it to 8 bits by block, which is faster. Default 0. */
  readonly accuracyLevel?: 0 | 4 | undefined;
}

/**
 * x W^T for a quantised matrix W; for inference.
 *
 * @param x - `[..., columns]`.
 * @param matrix - Levels `[rows, blocks, bytes]`; scales of the type of `x`: the runtime takes no others.
 * @returns `[..., rows]`.
 */
export function matMulNBits(x: Value, matrix: QuantizedParts, { accuracyLevel = 0 }: MatMulNBitsOptions = {}): Value {
  const { rows, columns, bits, blockSize, levels, scales, zeroPoints } = matrix;
  const attributes = { K: columns, N: rows, bits, block_size: blockSize };
  const inputs = zeroPoints ? [x, levels, scales, zeroPoints] : [x, levels, scales];
  const level = accuracyLevel === 0 ? {} : { accuracy_level: accuracyLevel };
  return x.graph.add(matMulNBitsOp, inputs, { ...attributes, ...level })[0] as Value;
}

const gatherBlockQuantizedOp = defineOperator({
  opType: 'GatherBlockQuantized',
  domain: 'com.microsoft',
  infer: (inputs, attributes) => {
    const [levels, indices, scales] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
    const bits = bitsOf(attributes, 'bits');
    const [rows = 0, bytes = 0] = levels.shape.map(Number);
    const width = (bytes * 8) / bits;
    const blocks = Math.ceil(width / integerAttribute(attributes, 'block_size', 128));
    expectBytes(levels, inputs[3]);
    expectShape('levels', levels, [rows, bytes]);
    expectShape('scales', scales, [rows, blocks]);
    expectShape('zero points', inputs[3], [rows, Math.ceil((blocks * bits) / 8)]);
    return [{ dtype: scales.dtype, shape: [...indices.shape, width] }];
  },
});

/**
 * Rows of a quantised table; for inference.
 *
 * @param matrix - Levels `[rows, bytes]`.
 * @param indices - `int64[...]`.
 * @returns `[..., columns]` of the scales' type.
 */
export function gatherBlockQuantized(matrix: QuantizedParts, indices: Value): Value {
  const { columns, bits, blockSize, levels, scales, zeroPoints } = matrix;
  const attributes = { bits, block_size: blockSize, gather_axis: 0, quantize_axis: 1 };
  const inputs = zeroPoints ? [levels, indices, scales, zeroPoints] : [levels, indices, scales];
  const rows = indices.graph.add(gatherBlockQuantizedOp, inputs, attributes)[0] as Value;
  // The last block of a row may be padded.
  return slice(rows, rows.shape.length - 1, 0, columns);
}

const quantizedMoeOp = defineOperator({
  opType: 'QMoE',
  domain: 'com.microsoft',
  infer: (inputs, attributes) => {
    const [x, router] = [required(inputs, 0), required(inputs, 1)];
    const bits = bitsOf(attributes, 'expert_weight_bits');
    const blockSize = integerAttribute(attributes, 'block_size');
    const experts = router.shape[1];
    if (x.shape.length !== 2 || router.shape.length !== 2 || required(inputs, 2).shape[0] !== experts) {
      const message = `Router ${formatShape(router.shape)} does not fit ${formatShape(required(inputs, 2).shape)}.`;
      throw new IteraError('SHAPE_MISMATCH', message);
    }
    for (const [at, zeroAt] of [
      [2, 11],
      [5, 12],
    ] as const) {
      const levels = required(inputs, at);
      const [, rows = 0, bytes = 0] = levels.shape.map(Number);
      const blocks = Math.ceil((bytes * 8) / bits / blockSize);
      expectBytes(levels, inputs[zeroAt]);
      expectShape('scales', required(inputs, at + 1), [experts ?? 0, rows, blocks]);
      expectShape('zero points', inputs[zeroAt], [experts ?? 0, rows, Math.ceil((blocks * bits) / 8)]);
    }
    return [{ dtype: x.dtype, shape: x.shape }];
  },
});

/**
 * The matrices of a layer's experts: levels `uint8[X, rows, columns * bits / 8]`, scales `[X, rows, blocks]`, zero points
 * `[X, rows, ceil(blocks * bits / 8)]`.
 */
export type QuantizedExperts = Pick<QuantizedParts, 'levels' | 'scales' | 'zeroPoints'>;

/**
 * The mixture of `fusedMoe` with quantised experts; for inference. Scales may be `float16` beside a `float32` input.
 *
 * @param x - `[M, D]`.
 * @param router - Router logits, `[M, X]`.
 * @param input - Rows interleaved as in `fusedMoe`, `[X, 2F, D]`.
 * @param output - `[X, D, F]`.
 */
export function quantizedMoe(
  x: Value,
  router: Value,
  input: QuantizedExperts,
  output: QuantizedExperts,
  { k, bits, blockSize }: { k: number; bits: BitWidth; blockSize: number },
): Value {
  if (staticElementCount(input.levels.shape) === undefined) {
    throw new IteraError('SHAPE_MISMATCH', 'The experts of QMoE need sizes known when the graph is built.');
  }
  const inputs: (Value | undefined)[] = [
    x,
    router,
    input.levels,
    input.scales,
    undefined,
    output.levels,
    output.scales,
  ];
  if (input.zeroPoints || output.zeroPoints) {
    inputs.push(...Array(4).fill(undefined), input.zeroPoints, output.zeroPoints);
  }
  const mixing = { k, normalize_routing_weights: 1, activation_type: 'swiglu', swiglu_fusion: 1 };
  return x.graph.add(quantizedMoeOp, inputs, {
    ...mixing,
    expert_weight_bits: bits,
    block_size: blockSize,
  })[0] as Value;
}
