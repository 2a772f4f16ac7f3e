/** H = R D R^T: R upper triangular with ones on its diagonal, D diagonal and positive. */
export interface TriangularFactor {
  /** R, `[size, size]`, row-major; below the diagonal 0. */
  readonly upper: Float64Array;
  /** The diagonal of D, `[size]`. */
  readonly pivots: Float64Array;
}

/**
 * Factors a symmetric positive definite matrix, from the last column to the first, so that the factor is upper
 * triangular.
 *
 * D^(-1/2) R^-1 is then the upper triangular U with H^-1 = U^T U, the Cholesky factor of the inverse.
 *
 * @param matrix - H, `[size, size]`; only its upper triangle is read.
 * @returns Undefined if a pivot is not clearly positive: the matrix is singular or indefinite.
 * @see Golub & Van Loan 2013, "Matrix Computations", section 4.1, with the order of the columns reversed.
 */
export function factorUpper(matrix: Float64Array, size: number): TriangularFactor | undefined {
  let trace = 0;
  for (let index = 0; index < size; index++) trace += matrix[index * (size + 1)] as number;
  const least = (trace / size) * 1e-10;
  const upper = new Float64Array(size * size);
  const pivots = new Float64Array(size);
  // R[column, k] * D[k], so that the products below run over two contiguous rows.
  const scaled = new Float64Array(size);
  for (let column = size - 1; column >= 0; column--) {
    const own = column * size;
    let pivot = matrix[own + column] as number;
    for (let k = column + 1; k < size; k++) {
      scaled[k] = (upper[own + k] as number) * (pivots[k] as number);
      pivot -= (upper[own + k] as number) * (scaled[k] as number);
    }
    if (!(pivot > least)) return undefined;
    pivots[column] = pivot;
    upper[own + column] = 1;
    for (let row = 0; row < column; row++) {
      const offset = row * size;
      let entry = matrix[offset + column] as number;
      for (let k = column + 1; k < size; k++) entry -= (upper[offset + k] as number) * (scaled[k] as number);
      upper[offset + column] = entry / pivot;
    }
  }
  return { upper, pivots };
}

/**
 * The inverse of an upper triangular matrix with ones on its diagonal, which is one too.
 *
 * @param upper - `[size, size]`; only what is above the diagonal is read.
 */
export function invertUnitUpper(upper: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size);
  // Row by row from the last: row = unit vector - Σ upper[row, k] * (row k of the inverse), k > row.
  for (let row = size - 1; row >= 0; row--) {
    const own = row * size;
    inverse[own + row] = 1;
    for (let k = row + 1; k < size; k++) {
      const factor = upper[own + k] as number;
      const other = k * size;
      for (let column = k; column < size; column++) {
        inverse[own + column] = (inverse[own + column] as number) - factor * (inverse[other + column] as number);
      }
    }
  }
  return inverse;
}
