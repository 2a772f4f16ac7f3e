import { IteraError } from '../core/errors.ts';
import { roundToFloat16 } from '../core/float16.ts';
import type { BitWidth } from '../core/quantized-matrix.ts';

/** How a matrix is stored once rounded. */
export interface RoundingFormat {
  readonly bits: BitWidth;
  /** Columns that share a scale: 16, 32, 64 or 128. */
  readonly blockSize: number;
  /** Zero point fixed at 2^(bits-1); otherwise each block has its own. */
  readonly symmetric: boolean;
  /** What scales are rounded to before levels are chosen: the precision that the file stores them in. */
  readonly scalePrecision: 'float16' | 'float32';
}

/** Scale and zero point of one block: value = scale * (level - zeroPoint). A symmetric block's scale may be negative. */
export interface BlockScale {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** One row while it is being rounded. */
export interface RoundedRow {
  /** One level a byte, `[blocks * blockSize]`. */
  readonly levels: Uint8Array;
  /** `[blocks]`. */
  readonly scales: Float32Array;
  /** One zero point a byte, `[blocks]`. */
  readonly zeroPoints: Uint8Array;
}

/**
 * Rounds one row of weights: fills `row` except for the padding of its last block.
 *
 * @param weights - `[columns]`; unchanged on return.
 */
export type RowRounder = (weights: Float64Array, row: RoundedRow) => void;

/** The range of weights accepted; beyond, a stretched scale times a level could leave float32. */
export const largestWeight = 1e38;

/** @throws {@link IteraError} `INVALID_ARGUMENT` if a number is not one that the format allows. */
export function checkFormat({ bits, blockSize, scalePrecision }: RoundingFormat): void {
  const allowed: readonly [string, unknown, readonly unknown[]][] = [
    ['bits', bits, [2, 4, 8]],
    ['blockSize', blockSize, [16, 32, 64, 128]],
    ['scalePrecision', scalePrecision, ['float16', 'float32']],
  ];
  for (const [name, value, choices] of allowed) {
    if (!choices.includes(value)) {
      const message = `Expected ${name} to be one of ${choices.join(', ')}, got ${String(value)}.`;
      throw new IteraError('INVALID_ARGUMENT', message, { [name]: value });
    }
  }
}

/** A scale as the file will store it; infinite where it does not fit. Never -0. */
export function roundScale(scale: number, precision: RoundingFormat['scalePrecision']): number {
  const stored = precision === 'float16' ? (roundToFloat16([scale])[0] as number) : Math.fround(scale);
  return stored === 0 ? 0 : stored;
}

/**
 * As {@link roundScale}, but never infinite.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if the scale does not fit.
 */
export function storeScale(scale: number, precision: RoundingFormat['scalePrecision']): number {
  const stored = roundScale(scale, precision);
  if (Number.isFinite(stored)) return stored;
  throw new IteraError(
    'INVALID_ARGUMENT',
    `A block's scale, ${scale}, does not fit ${precision}: the weights are too large. ` +
      "Store the scales as 'float32'.",
    { scale, precision },
  );
}

/**
 * The whole number nearest to weight / scale + zeroPoint, within the levels there are.
 *
 * @param inverse - 1 / scale; 0 for a scale of 0, whose block holds zeros only.
 */
export function nearestLevel(weight: number, inverse: number, zeroPoint: number, largestLevel: number): number {
  const level = weight * inverse + zeroPoint + 0.5;
  // Truncation is the fastest way to a whole number, and right once nothing is negative.
  return level < 0 ? 0 : level > largestLevel ? largestLevel : level | 0;
}

/** What {@link nearestLevel} multiplies by. */
export function invertScale(scale: number): number {
  return scale === 0 ? 0 : 1 / scale;
}
