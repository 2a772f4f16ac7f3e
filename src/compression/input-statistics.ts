import { IteraError } from '../core/errors.ts';

/** Second moments of the inputs of a linear layer, gathered over many batches. */
export interface InputStatistics {
  /** Width of the inputs: columns of the layer's weight. */
  readonly columns: number;
  /** Inputs seen. */
  readonly count: number;
  /** Σ x x^T over the inputs x, `[columns, columns]`, symmetric. */
  readonly products: Float64Array;
}

/** Gathers {@link InputStatistics}: columns² numbers, however many inputs come. */
export interface InputStatisticsCollector {
  /**
   * Adds inputs.
   *
   * @param inputs - `[n, columns]`.
   * @throws {@link IteraError} `SHAPE_MISMATCH` if they are no whole rows, `INVALID_ARGUMENT` if one is not finite;
   *   nothing is added then.
   */
  add(inputs: Float32Array): void;
  /** What has been gathered so far, as a copy. */
  statistics(): InputStatistics;
}

/**
 * Starts gathering the inputs of a layer.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` unless `columns` is a whole number from 1.
 */
export function collectInputStatistics(columns: number): InputStatisticsCollector {
  if (!Number.isSafeInteger(columns) || columns < 1) {
    throw new IteraError('INVALID_ARGUMENT', `Expected at least 1 column, got ${columns}.`, { columns });
  }
  // Only the upper triangle, until the statistics are asked for.
  const upper = new Float64Array(columns * columns);
  let count = 0;
  return {
    add(inputs) {
      checkInputs(inputs, columns);
      addOuterProducts(upper, inputs, columns);
      count += inputs.length / columns;
    },
    statistics: () => ({ columns, count, products: mirror(upper, columns) }),
  };
}

/** Adds x x^T for each input x, four at a time: the sums are read and written once for all four. */
function addOuterProducts(upper: Float64Array, inputs: Float32Array, columns: number): void {
  const group = 4 * columns;
  const whole = inputs.length - (inputs.length % group);
  for (let first = 0; first < whole; first += group) {
    const second = first + columns;
    const third = second + columns;
    const fourth = third + columns;
    for (let row = 0; row < columns; row++) {
      const a = inputs[first + row] as number;
      const b = inputs[second + row] as number;
      const c = inputs[third + row] as number;
      const d = inputs[fourth + row] as number;
      const offset = row * columns;
      for (let column = row; column < columns; column++) {
        upper[offset + column] =
          (upper[offset + column] as number) +
          a * (inputs[first + column] as number) +
          b * (inputs[second + column] as number) +
          c * (inputs[third + column] as number) +
          d * (inputs[fourth + column] as number);
      }
    }
  }
  for (let last = whole; last < inputs.length; last += columns) {
    for (let row = 0; row < columns; row++) {
      const factor = inputs[last + row] as number;
      const offset = row * columns;
      for (let column = row; column < columns; column++) {
        upper[offset + column] = (upper[offset + column] as number) + factor * (inputs[last + column] as number);
      }
    }
  }
}

function mirror(upper: Float64Array, columns: number): Float64Array {
  const full = upper.slice();
  for (let row = 1; row < columns; row++) {
    for (let column = 0; column < row; column++) full[row * columns + column] = full[column * columns + row] as number;
  }
  return full;
}

/**
 * Statistics over the inputs of both.
 *
 * @throws {@link IteraError} `SHAPE_MISMATCH` if their widths differ.
 */
export function mergeInputStatistics(first: InputStatistics, second: InputStatistics): InputStatistics {
  if (first.columns !== second.columns) {
    const message = `Expected statistics over inputs of one width, got ${first.columns} and ${second.columns}.`;
    throw new IteraError('SHAPE_MISMATCH', message, { first: first.columns, second: second.columns });
  }
  const products = first.products.map((product, index) => product + (second.products[index] as number));
  return { columns: first.columns, count: first.count + second.count, products };
}

/** The share of the mean square of all inputs by which H is damped, as GPTQ does. */
export const initialDampening = 0.01;

/** Mean square of each input, `[columns]`: the diagonal over the count. */
export function meanSquares({ columns, count, products }: InputStatistics): Float64Array {
  return Float64Array.from({ length: columns }, (_, column) => (products[column * (columns + 1)] as number) / count);
}

/**
 * {@link meanSquares} with a share of their mean added to each, so that an input that was always 0 does not count for
 * nothing. Without any input but zeros: ones.
 *
 * @param dampening - The share, above 0.
 */
export function dampedMeanSquares(statistics: InputStatistics, dampening = initialDampening): Float64Array {
  const squares = meanSquares(statistics);
  const mean = squares.reduce((sum, square) => sum + square, 0) / statistics.columns;
  return squares.map((square) => (mean > 0 ? square + dampening * mean : 1));
}

/**
 * Mean of x x^T over the inputs x, `[columns, columns]`, with {@link dampedMeanSquares} on its diagonal, which keep it
 * well away from singular.
 */
export function dampedMeanProducts(statistics: InputStatistics, dampening: number): Float64Array {
  const { columns, count, products } = statistics;
  const damped = products.map((product) => product / count);
  dampedMeanSquares(statistics, dampening).forEach((square, column) => {
    damped[column * (columns + 1)] = square;
  });
  return damped;
}

/**
 * @throws {@link IteraError} `SHAPE_MISMATCH` if the statistics are of another width, `INVALID_ARGUMENT` if they hold
 *   no input.
 */
export function checkStatistics({ columns, count, products }: InputStatistics, expected: number): void {
  if (columns !== expected || products.length !== columns * columns) {
    const message = `Expected statistics over ${expected} columns, got ${columns} (${products.length} products).`;
    throw new IteraError('SHAPE_MISMATCH', message, { expected, columns, products: products.length });
  }
  if (!(count > 0)) {
    throw new IteraError('INVALID_ARGUMENT', 'Expected statistics over at least one input, got none.', { count });
  }
}

function checkInputs(inputs: Float32Array, columns: number): void {
  if (inputs.length % columns !== 0) {
    const message = `Expected rows of ${columns} inputs, got ${inputs.length} numbers.`;
    throw new IteraError('SHAPE_MISMATCH', message, { columns, length: inputs.length });
  }
  const wrong = inputs.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const message = `Expected finite inputs, got ${inputs[wrong]} in row ${Math.floor(wrong / columns)}, column ${wrong % columns}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { index: wrong });
  }
}
