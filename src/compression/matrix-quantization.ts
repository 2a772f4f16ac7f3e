import { IteraError } from '../core/errors.ts';
import { blocksPerRow, packLevels, type QuantizedMatrix } from '../core/quantized-matrix.ts';
import { errorFeedbackRounder } from './error-feedback.ts';
import { checkStatistics, dampedMeanSquares, type InputStatistics } from './input-statistics.ts';
import { nearestRounder } from './round-to-nearest.ts';
import {
  checkFormat,
  largestWeight,
  type RoundedRow,
  type RoundingFormat,
  type RowRounder,
} from './rounding-format.ts';
import { searchRounder } from './scale-search.ts';

/**
 * How levels are chosen:
 *
 * - `nearest`: nearest to each weight, scales by each block's range (`nearestRounder`).
 * - `search`: nearest to each weight, scales by least squares, Σ_j m_j (w_j - q_j)² with m the mean squares of the
 *   inputs (damped) or, without statistics, ones (`searchRounder`).
 * - `error-feedback`: by the error of the layer's output (`errorFeedbackRounder`).
 */
export type RoundingMethod = 'nearest' | 'search' | 'error-feedback';

export interface QuantizationOptions extends RoundingFormat {
  readonly method: RoundingMethod;
  /** The inputs that the matrix multiplies. Needed by `error-feedback`, used by `search` if present. */
  readonly statistics?: InputStatistics;
}

/**
 * Rounds a weight to few levels with a scale for each block of a row.
 *
 * {@link dequantize} gives exactly the values that the levels were chosen for, since scales are rounded to
 * `scalePrecision` first. Padding of a last, shorter block stands for 0.
 *
 * @param values - `[rows, columns]`, rows are outputs, as linear layers are stored; at most 1e38 in magnitude.
 * @returns `zeroPoints` absent if symmetric.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for another bit width, block size or precision, for a weight that is
 *   not finite or too large (with float16 scales: about 65504 * 2^(bits-1)), for `error-feedback` without statistics,
 *   and for statistics of no input; `SHAPE_MISMATCH` if `values` or the statistics have another size.
 */
export function quantizeMatrix(
  values: Float32Array,
  rows: number,
  columns: number,
  options: QuantizationOptions,
): QuantizedMatrix {
  checkFormat(options);
  checkValues(values, rows, columns);
  if (options.statistics) checkStatistics(options.statistics, columns);
  const roundRow = createRounder(columns, options);
  const { bits, blockSize, symmetric } = options;
  const blocks = blocksPerRow({ columns, blockSize });
  const padded = blocks * blockSize;
  const levels = new Uint8Array(rows * padded);
  const scales = new Float32Array(rows * blocks);
  const zeroPoints = new Uint8Array(rows * blocks);
  const weights = new Float64Array(columns);
  for (let index = 0; index < rows; index++) {
    const row: RoundedRow = {
      levels: levels.subarray(index * padded, (index + 1) * padded),
      scales: scales.subarray(index * blocks, (index + 1) * blocks),
      zeroPoints: zeroPoints.subarray(index * blocks, (index + 1) * blocks),
    };
    weights.set(values.subarray(index * columns, (index + 1) * columns));
    roundRow(weights, row);
    // Padding stands for 0.
    row.levels.fill(row.zeroPoints[blocks - 1] as number, columns);
  }
  return {
    rows,
    columns,
    bits,
    blockSize,
    levels: packLevels(levels, rows, bits),
    scales,
    ...(!symmetric && { zeroPoints: packLevels(zeroPoints, rows, bits) }),
  };
}

function createRounder(columns: number, options: QuantizationOptions): RowRounder {
  const { method, statistics } = options;
  if (method === 'nearest') return nearestRounder(options);
  if (method === 'search') {
    return searchRounder(options, statistics ? dampedMeanSquares(statistics) : new Float64Array(columns).fill(1));
  }
  if (method !== 'error-feedback') {
    const message = `Expected the method 'nearest', 'search' or 'error-feedback', got '${String(method)}'.`;
    throw new IteraError('INVALID_ARGUMENT', message, { method });
  }
  if (!statistics) {
    const message =
      "Rounding by 'error-feedback' needs statistics of the layer's inputs. Gather them, or use 'search'.";
    throw new IteraError('INVALID_ARGUMENT', message);
  }
  return errorFeedbackRounder(options, statistics);
}

function checkValues(values: Float32Array, rows: number, columns: number): void {
  for (const [name, size] of [
    ['rows', rows],
    ['columns', columns],
  ] as const) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new IteraError('INVALID_ARGUMENT', `Expected at least 1 for ${name}, got ${size}.`, { [name]: size });
    }
  }
  if (values.length !== rows * columns) {
    const message = `Expected ${rows} x ${columns} weights, got ${values.length}.`;
    throw new IteraError('SHAPE_MISMATCH', message, { rows, columns, length: values.length });
  }
  const wrong = values.findIndex((value) => !(Math.abs(value) <= largestWeight));
  if (wrong >= 0) {
    const at = `row ${Math.floor(wrong / columns)}, column ${wrong % columns}`;
    const message = `Expected finite weights of at most ${largestWeight} in magnitude, got ${values[wrong]} in ${at}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { index: wrong, value: values[wrong] });
  }
}
