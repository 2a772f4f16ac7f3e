import { IteraError } from './errors.ts';

/** Bits of a stored level. */
export type BitWidth = 2 | 4 | 8;

/**
 * A matrix `[rows, columns]` of small whole numbers, levels, with a scale and a zero point for each block of columns of
 * a row: value = scale * (level - zero point). Laid out as ONNX Runtime's `MatMulNBits` reads it.
 *
 * @see ONNX Runtime, docs/ContribOperators.md, com.microsoft.MatMulNBits.
 */
export interface QuantizedMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly bits: BitWidth;
  /** Columns that share a scale; the last block of a row may hold fewer. A power of two from 16. */
  readonly blockSize: number;
  /** Packed, first level in the low bits: `[rows, blocks, blockSize * bits / 8]` bytes, blocks = ceil(columns / blockSize). */
  readonly levels: Uint8Array;
  /** `[rows, blocks]`. */
  readonly scales: Float32Array;
  /** Packed like levels, each row filled up to whole bytes: `[rows, ceil(blocks * bits / 8)]`; absent: 2^(bits-1). */
  readonly zeroPoints?: Uint8Array;
}

/** Blocks in a row. */
export function blocksPerRow({ columns, blockSize }: Pick<QuantizedMatrix, 'columns' | 'blockSize'>): number {
  return Math.ceil(columns / blockSize);
}

/**
 * Packs rows of levels, filling each row up to whole bytes.
 *
 * @param levels - `[rows, width]`, one level a byte, each below 2^bits.
 * @param fill - Level of the padding at the end of a row.
 * @param paddedWidth - Levels in a row of the result, at least `width`; by default what fills the last byte.
 */
export function packLevels(
  levels: Uint8Array,
  rows: number,
  bits: BitWidth,
  { fill = 0, paddedWidth }: { fill?: number; paddedWidth?: number } = {},
): Uint8Array {
  const width = levels.length / rows;
  const perByte = 8 / bits;
  const bytes = Math.ceil((paddedWidth ?? width) / perByte);
  const packed = new Uint8Array(rows * bytes);
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < bytes * perByte; at++) {
      const level = at < width ? (levels[row * width + at] as number) : fill;
      const index = row * bytes + Math.floor(at / perByte);
      packed[index] = (packed[index] as number) | (level << ((at % perByte) * bits));
    }
  }
  return packed;
}

/** Undoes {@link packLevels}: one level a byte, `[rows, width]`, padding dropped. */
export function unpackLevels(packed: Uint8Array, rows: number, width: number, bits: BitWidth): Uint8Array {
  const perByte = 8 / bits;
  const bytes = packed.length / rows;
  if (!Number.isInteger(bytes) || bytes * perByte < width) {
    const message = `Expected ${rows} rows of at least ${width} levels of ${bits} bits, got ${packed.length} bytes.`;
    throw new IteraError('SHAPE_MISMATCH', message);
  }
  const levels = new Uint8Array(rows * width);
  const mask = 2 ** bits - 1;
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < width; at++) {
      const byte = packed[row * bytes + Math.floor(at / perByte)] as number;
      levels[row * width + at] = (byte >> ((at % perByte) * bits)) & mask;
    }
  }
  return levels;
}

/** The real numbers that a quantised matrix stands for, `[rows, columns]`. */
export function dequantize(matrix: QuantizedMatrix): Float32Array {
  const { rows, columns, bits, blockSize, scales } = matrix;
  const blocks = blocksPerRow(matrix);
  const padded = blocks * blockSize;
  const levels = unpackLevels(matrix.levels, rows, padded, bits);
  const zeros = matrix.zeroPoints && unpackLevels(matrix.zeroPoints, rows, blocks, bits);
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const block = row * blocks + Math.floor(column / blockSize);
      const zero = zeros ? (zeros[block] as number) : 2 ** (bits - 1);
      values[row * columns + column] = (scales[block] as number) * ((levels[row * padded + column] as number) - zero);
    }
  }
  return values;
}
