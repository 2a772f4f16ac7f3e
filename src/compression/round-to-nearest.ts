import {
  type BlockScale,
  invertScale,
  nearestLevel,
  type RoundedRow,
  type RoundingFormat,
  type RowRounder,
  storeScale,
} from './rounding-format.ts';

/**
 * The scale of a block by its extremes alone.
 *
 * Symmetric: scale = -e / 2^(bits-1) for the weight e of largest magnitude, sign included, so that e itself is level 0
 * exactly and all 2^bits levels are in use; a weight near -e is clipped to the last level. Asymmetric: with the range
 * [l, h] of the weights and 0, scale = (h - l) / (2^bits - 1) and zero point = round(-l / scale).
 *
 * @param weights - A row; the block is `[from, to)`.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if the scale does not fit its precision.
 * @see The symmetric form is that of llama.cpp's Q4_0 (`quantize_row_q4_0_ref`).
 */
export function rangeScale(weights: Float64Array, from: number, to: number, format: RoundingFormat): BlockScale {
  let low = 0;
  let high = 0;
  for (let at = from; at < to; at++) {
    const weight = weights[at] as number;
    if (weight < low) low = weight;
    else if (weight > high) high = weight;
  }
  const half = 2 ** (format.bits - 1);
  if (format.symmetric) {
    const extreme = -low > high ? low : high;
    return { scale: storeScale(-extreme / half, format.scalePrecision), zeroPoint: half };
  }
  const scale = storeScale((high - low) / (2 * half - 1), format.scalePrecision);
  return { scale, zeroPoint: nearestLevel(-low, invertScale(scale), 0, 2 * half - 1) };
}

/** Sets a block's scale and zero point, and the nearest levels to its weights. */
export function roundBlock(
  weights: Float64Array,
  from: number,
  to: number,
  { scale, zeroPoint }: BlockScale,
  format: RoundingFormat,
  row: RoundedRow,
): void {
  const block = from / format.blockSize;
  row.scales[block] = scale;
  row.zeroPoints[block] = zeroPoint;
  const largest = 2 ** format.bits - 1;
  const inverse = invertScale(scale);
  for (let at = from; at < to; at++) row.levels[at] = nearestLevel(weights[at] as number, inverse, zeroPoint, largest);
}

/** Rounds each weight to the nearest level under {@link rangeScale}. */
export function nearestRounder(format: RoundingFormat): RowRounder {
  return (weights, row) => {
    for (let from = 0; from < weights.length; from += format.blockSize) {
      const to = Math.min(from + format.blockSize, weights.length);
      roundBlock(weights, from, to, rangeScale(weights, from, to, format), format, row);
    }
  };
}
