import { rangeScale, roundBlock } from './round-to-nearest.ts';
import {
  type BlockScale,
  invertScale,
  nearestLevel,
  type RoundingFormat,
  type RowRounder,
  roundScale,
} from './rounding-format.ts';

/**
 * Narrowest and widest scale tried, as a share of that by range. Fewer levels gain more by clipping; with many, what is
 * gained is the luck of how the weights fall between them, close to the full range.
 */
const widths = { 2: [0.4, 1.2], 4: [0.65, 1.2], 8: [0.97, 1.1] } as const;
const steps = 24;
/** Times that levels and scale are fitted to each other in turn; most blocks settle in two. */
const refits = 4;

/**
 * Finds scale and zero point of a block with a small weighted squared error E = Σ m (w - s (q - z))², q the nearest
 * levels.
 *
 * A grid of narrower and wider scales around {@link rangeScale} is tried, symmetric blocks with either sign, asymmetric
 * ones with the neighbouring zero points; for the levels q of each, the best scale has the closed form
 * s = Σ m w (q - z) / Σ m (q - z)². The best of the grid is then rounded to its precision, and levels and scale are
 * fitted in turn while that lowers E. The result is never worse than {@link rangeScale}.
 *
 * @param weights - A row; the block is `[from, to)`.
 * @param importance - m, `[columns]`, not negative: mean squares of the inputs that multiply each column.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if a scale by range does not fit its precision.
 * @see The refit is that of llama.cpp's `make_qx_quants`.
 */
export function searchScale(
  weights: Float64Array,
  importance: Float64Array,
  from: number,
  to: number,
  format: RoundingFormat,
): BlockScale {
  const start = rangeScale(weights, from, to, format);
  if (start.scale === 0) return start;
  const fit = createBlockFit(weights, importance, from, to, 2 ** format.bits - 1);

  let bestError = Number.POSITIVE_INFINITY;
  let candidate = start;
  const [narrowest, widest] = widths[format.bits];
  for (let step = 0; step <= steps; step++) {
    const width = narrowest + ((widest - narrowest) * step) / steps;
    for (const { scale, zeroPoint } of neighbours(start, format)) {
      fit.measure(scale * width, zeroPoint);
      if (fit.refitError() < bestError) {
        bestError = fit.refitError();
        candidate = { scale: fit.refitScale(), zeroPoint };
      }
    }
  }
  return settle(fit, start, candidate, format);
}

/** Signs, or zero points, to try with each width. */
function neighbours({ scale, zeroPoint }: BlockScale, { symmetric, bits }: RoundingFormat): readonly BlockScale[] {
  if (symmetric) {
    return [
      { scale, zeroPoint },
      { scale: -scale, zeroPoint },
    ];
  }
  return [zeroPoint - 1, zeroPoint, zeroPoint + 1]
    .filter((zero) => zero >= 0 && zero < 2 ** bits)
    .map((zero) => ({ scale, zeroPoint: zero }));
}

/** Fits stored scale and levels to each other in turn, from the candidate; the start if nothing is better. */
function settle(fit: BlockFit, start: BlockScale, candidate: BlockScale, format: RoundingFormat): BlockScale {
  fit.measure(start.scale, start.zeroPoint);
  let best = start;
  let bestError = fit.error();
  let scale = candidate.scale;
  for (let turn = 0; turn < refits; turn++) {
    const stored = roundScale(scale, format.scalePrecision);
    if (!Number.isFinite(stored) || stored === 0) break;
    fit.measure(stored, candidate.zeroPoint);
    if (!(fit.error() < bestError)) break;
    best = { scale: stored, zeroPoint: candidate.zeroPoint };
    bestError = fit.error();
    scale = fit.refitScale();
  }
  return best;
}

/** Measures scales on one block. */
interface BlockFit {
  /** Chooses the nearest levels under a scale; the other functions speak of these. */
  measure(scale: number, zeroPoint: number): void;
  /** E under the scale measured. */
  error(): number;
  /** The scale of least E for these levels. */
  refitScale(): number;
  /** E under that scale. */
  refitError(): number;
}

function createBlockFit(
  weights: Float64Array,
  importance: Float64Array,
  from: number,
  to: number,
  largestLevel: number,
): BlockFit {
  let total = 0;
  for (let at = from; at < to; at++) total += (importance[at] as number) * (weights[at] as number) ** 2;
  let measured = 0;
  // Σ m w (q - z) and Σ m (q - z)²; the error follows from these and the total.
  let products = 0;
  let squares = 0;
  return {
    measure(scale, zeroPoint) {
      // Sums in local variables: those of the closure would be stored at every step.
      let product = 0;
      let square = 0;
      const inverse = invertScale(scale);
      for (let at = from; at < to; at++) {
        const weight = weights[at] as number;
        const distance = nearestLevel(weight, inverse, zeroPoint, largestLevel) - zeroPoint;
        const weighted = (importance[at] as number) * distance;
        product += weighted * weight;
        square += weighted * distance;
      }
      measured = scale;
      products = product;
      squares = square;
    },
    error: () => total - 2 * measured * products + measured * measured * squares,
    refitScale: () => (squares > 0 ? products / squares : measured),
    refitError: () => (squares > 0 ? total - (products * products) / squares : total),
  };
}

/**
 * Rounds each weight to the nearest level under {@link searchScale}.
 *
 * @param importance - `[columns]`, not negative.
 */
export function searchRounder(format: RoundingFormat, importance: Float64Array): RowRounder {
  return (weights, row) => {
    for (let from = 0; from < weights.length; from += format.blockSize) {
      const to = Math.min(from + format.blockSize, weights.length);
      roundBlock(weights, from, to, searchScale(weights, importance, from, to, format), format, row);
    }
  };
}
