import { roundToFloat16 } from '../../../../src/core/float16.ts';
import {
  type BitWidth,
  blocksPerRow,
  packLevels,
  type QuantizedMatrix,
} from '../../../../src/core/quantized-matrix.ts';

/** Rounds a matrix to the nearest levels, with scales that half precision holds exactly; asymmetric with zero points. */
export function roundMatrix(
  weights: ArrayLike<number>,
  rows: number,
  columns: number,
  { bits, blockSize, asymmetric = false }: { bits: BitWidth; blockSize: number; asymmetric?: boolean },
): QuantizedMatrix {
  const blocks = blocksPerRow({ columns, blockSize });
  const top = 2 ** bits - 1;
  const middle = 2 ** (bits - 1);
  const levels = new Uint8Array(rows * columns);
  const zeros = new Uint8Array(rows * blocks);
  const scales = new Float32Array(rows * blocks);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * columns + block * blockSize;
      const to = Math.min(from + blockSize, (row + 1) * columns);
      const own = Array.from({ length: to - from }, (_, index) => weights[from + index] as number);
      const [least, most] = [Math.min(0, ...own), Math.max(0, ...own)];
      const wanted = asymmetric ? (most - least) / top : Math.max(-least, most) / (middle - 0.5);
      const scale = roundToFloat16([wanted || 1])[0] as number;
      const zero = asymmetric ? Math.min(top, Math.round(-least / scale)) : middle;
      scales[row * blocks + block] = scale;
      zeros[row * blocks + block] = zero;
      own.forEach((value, index) => {
        levels[from + index] = Math.min(top, Math.max(0, Math.round(value / scale) + zero));
      });
    }
  }
  const packed = packLevels(levels, rows, bits, { paddedWidth: blocks * blockSize });
  const matrix = { rows, columns, bits, blockSize, levels: packed, scales };
  return asymmetric ? { ...matrix, zeroPoints: packLevels(zeros, rows, bits) } : matrix;
}
