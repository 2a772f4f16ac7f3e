import { IteraError } from '../core/errors.ts';
import { dequantize, type QuantizedMatrix } from '../core/quantized-matrix.ts';
import { checkStatistics, type InputStatistics } from './input-statistics.ts';

/**
 * Relative squared error of a linear layer's output, tr((W - Q) H (W - Q)^T) / tr(W H W^T): W the weights, Q what the
 * rounded matrix stands for, H = Σ x x^T over the layer's inputs x.
 *
 * @param values - W, `[rows, columns]`.
 * @param statistics - H; absent, the inputs are taken as uncorrelated and equally strong: |W - Q|² / |W|².
 * @returns At least 0; 0 if both outputs are 0, infinite if only that of the weights is.
 * @throws {@link IteraError} `SHAPE_MISMATCH` if the sizes differ, `INVALID_ARGUMENT` for statistics over no input.
 */
export function outputError(values: Float32Array, matrix: QuantizedMatrix, statistics?: InputStatistics): number {
  const { rows, columns } = matrix;
  if (values.length !== rows * columns) {
    const message = `Expected ${rows} x ${columns} weights, as the rounded matrix has, got ${values.length}.`;
    throw new IteraError('SHAPE_MISMATCH', message, { rows, columns, length: values.length });
  }
  if (statistics) checkStatistics(statistics, columns);
  const rounded = dequantize(matrix);
  const errors = Float64Array.from(values, (value, index) => value - (rounded[index] as number));
  const error = power(errors, columns, statistics);
  const whole = power(Float64Array.from(values), columns, statistics);
  return error === 0 ? 0 : error / whole;
}

/** tr(A H A^T); without H, |A|². Never negative but for rounding, which is cut off. */
function power(matrix: Float64Array, columns: number, statistics: InputStatistics | undefined): number {
  if (!statistics) return matrix.reduce((sum, value) => sum + value * value, 0);
  const { products, count } = statistics;
  let total = 0;
  for (let start = 0; start < matrix.length; start += columns) {
    for (let row = 0; row < columns; row++) {
      const factor = matrix[start + row] as number;
      if (factor === 0) continue;
      const offset = row * columns;
      // H is symmetric: everything right of the diagonal counts twice.
      let sum = (factor * (products[offset + row] as number)) / 2;
      for (let column = row + 1; column < columns; column++) {
        sum += (matrix[start + column] as number) * (products[offset + column] as number);
      }
      total += factor * sum;
    }
  }
  return Math.max(0, (2 * total) / count);
}
