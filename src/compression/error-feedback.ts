import { IteraError } from '../core/errors.ts';
import { dampedMeanProducts, type InputStatistics, initialDampening } from './input-statistics.ts';
import { invertScale, nearestLevel, type RoundedRow, type RoundingFormat, type RowRounder } from './rounding-format.ts';
import { createRowRefiner } from './row-refinement.ts';
import { searchScale } from './scale-search.ts';
import { factorUpper, invertUnitUpper, type TriangularFactor } from './triangular-factor.ts';

/** Dampening beyond which statistics that still cannot be factored are refused. */
const largestDampening = 1;

/**
 * Rounds each row w to values q with a small output error e^T H e, e = w - q, H the damped mean of x x^T over the
 * layer's inputs x: columns in order, the error of each spread over the later ones so that they make up for it.
 *
 * With H = R D R^T, R unit upper triangular, the error is Σ D_j (t_j - q_j)², where t_j is what the weight w_j has
 * become when its turn comes: rounding column j to q_j changes each later weight t_k by -(t_j - q_j) (R^-1)_jk. That is
 * GPTQ, whose Cholesky factor U of H^-1 is D^(-1/2) R^-1. Scale and zero point of a block are searched for when its
 * first column is reached, on the weights as changed by then, each column weighted by its D_j = 1 / U_jj²: what an error
 * there costs once later columns have made up for what they can. In the end {@link createRowRefiner} moves single levels
 * and scales while that lowers the error.
 *
 * @param statistics - The layer's inputs.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if the statistics are not those of any inputs: H stays indefinite
 *   however much it is damped.
 * @see Frantar et al. 2022, arXiv:2210.17323 (GPTQ).
 */
export function errorFeedbackRounder(format: RoundingFormat, statistics: InputStatistics): RowRounder {
  const { columns } = statistics;
  const { matrix, factor } = factorDamped(statistics);
  const spread = invertUnitUpper(factor.upper, columns);
  const refine = createRowRefiner(format, matrix, columns);
  const targets = new Float64Array(columns);
  return (weights, row) => {
    targets.set(weights);
    for (let from = 0; from < columns; from += format.blockSize) {
      const to = Math.min(from + format.blockSize, columns);
      const block = from / format.blockSize;
      const { scale, zeroPoint } = searchScale(targets, factor.pivots, from, to, format);
      row.scales[block] = scale;
      row.zeroPoints[block] = zeroPoint;
      roundInTurn(targets, from, to, spread, format, row);
    }
    refine(weights, row);
  };
}

/** Rounds the targets of one block in turn, spreading the error of each over all later columns. */
function roundInTurn(
  targets: Float64Array,
  from: number,
  to: number,
  spread: Float64Array,
  format: RoundingFormat,
  row: RoundedRow,
): void {
  const columns = targets.length;
  const block = from / format.blockSize;
  const scale = row.scales[block] as number;
  const zeroPoint = row.zeroPoints[block] as number;
  const inverse = invertScale(scale);
  const largest = 2 ** format.bits - 1;
  for (let column = from; column < to; column++) {
    const target = targets[column] as number;
    const level = nearestLevel(target, inverse, zeroPoint, largest);
    row.levels[column] = level;
    const error = target - scale * (level - zeroPoint);
    const offset = column * columns;
    for (let later = column + 1; later < columns; later++) {
      targets[later] = (targets[later] as number) - error * (spread[offset + later] as number);
    }
  }
}

function factorDamped(statistics: InputStatistics): { matrix: Float64Array; factor: TriangularFactor } {
  for (let dampening = initialDampening; dampening <= largestDampening; dampening *= 10) {
    const matrix = dampedMeanProducts(statistics, dampening);
    const factor = factorUpper(matrix, statistics.columns);
    if (factor) return { matrix, factor };
  }
  throw new IteraError(
    'INVALID_ARGUMENT',
    'Expected statistics gathered from inputs, whose products are positive semidefinite; these are not. Gather them anew.',
    { columns: statistics.columns },
  );
}
