import { describe, expect, it } from 'vitest';
import { errorFeedbackRounder } from '../../../src/compression/error-feedback.ts';
import { dampedMeanProducts, type InputStatistics } from '../../../src/compression/input-statistics.ts';
import { quantizeMatrix } from '../../../src/compression/matrix-quantization.ts';
import { outputError } from '../../../src/compression/output-error.ts';
import {
  invertScale,
  nearestLevel,
  type RoundedRow,
  type RoundingFormat,
} from '../../../src/compression/rounding-format.ts';
import { createRowRefiner } from '../../../src/compression/row-refinement.ts';
import { searchScale } from '../../../src/compression/scale-search.ts';
import { factorUpper } from '../../../src/compression/triangular-factor.ts';
import { correlatedStatistics, normalWeights } from './correlated-layer.ts';

const format: RoundingFormat = { bits: 4, blockSize: 16, symmetric: true, scalePrecision: 'float32' };

const emptyRow = (blocks: number, blockSize: number): RoundedRow => ({
  levels: new Uint8Array(blocks * blockSize),
  scales: new Float32Array(blocks),
  zeroPoints: new Uint8Array(blocks),
});

/** e^T H e. */
function errorOf(weights: Float64Array, row: RoundedRow, matrix: Float64Array, blockSize: number): number {
  const errors = weights.map((weight, column) => {
    const block = Math.floor(column / blockSize);
    return weight - Number(row.scales[block]) * (Number(row.levels[column]) - Number(row.zeroPoints[block]));
  });
  return errors.reduce(
    (total, first, i) =>
      total + first * errors.reduce((sum, e, j) => sum + e * Number(matrix[i * errors.length + j]), 0),
    0,
  );
}

/** Inverse of a symmetric positive definite matrix by Gauss-Jordan elimination. */
function invert(matrix: Float64Array, size: number): number[][] {
  const rows = Array.from({ length: size }, (_, i) => [
    ...matrix.subarray(i * size, (i + 1) * size),
    ...Array.from({ length: size }, (__, j) => Number(i === j)),
  ]);
  for (let pivot = 0; pivot < size; pivot++) {
    const own = (rows[pivot] as number[]).map((value) => value / Number(rows[pivot]?.[pivot]));
    for (let i = 0; i < size; i++) {
      const factor = Number(rows[i]?.[pivot]);
      rows[i] = i === pivot ? own : (rows[i] as number[]).map((value, j) => value - factor * Number(own[j]));
    }
  }
  return rows.map((row) => row.slice(size));
}

/**
 * Levels by the procedure as GPTQ's authors derive it (optimal brain surgeon): each column is rounded in turn, all
 * later ones change by -error / [H^-1]_jj * [H^-1]_j, and the column leaves the inverse by one step of elimination.
 */
function roundByInverse(weights: Float64Array, matrix: Float64Array): RoundedRow {
  const size = weights.length;
  const inverse = invert(matrix, size);
  const factor = factorUpper(matrix, size);
  const current = weights.slice();
  const row = emptyRow(size / format.blockSize, format.blockSize);
  for (let j = 0; j < size; j++) {
    const block = Math.floor(j / format.blockSize);
    if (j % format.blockSize === 0) {
      const found = searchScale(current, factor?.pivots as Float64Array, j, j + format.blockSize, format);
      row.scales[block] = found.scale;
      row.zeroPoints[block] = found.zeroPoint;
    }
    const scale = Number(row.scales[block]);
    row.levels[j] = nearestLevel(Number(current[j]), invertScale(scale), 8, 15);
    const pivotRow = [...(inverse[j] as number[])];
    const error = (Number(current[j]) - scale * (Number(row.levels[j]) - 8)) / Number(pivotRow[j]);
    for (let k = j + 1; k < size; k++) {
      current[k] = Number(current[k]) - error * Number(pivotRow[k]);
      const share = Number(inverse[k]?.[j]) / Number(pivotRow[j]);
      inverse[k] = (inverse[k] as number[]).map((value, at) => value - share * Number(pivotRow[at]));
    }
  }
  return row;
}

describe('errorFeedbackRounder', () => {
  it('chooses the levels of GPTQ as derived with the inverse, then refines them', () => {
    const columns = 48;
    const statistics = correlatedStatistics(100, columns, 7);
    const matrix = dampedMeanProducts(statistics, 0.01);
    const round = errorFeedbackRounder(format, statistics);
    const refine = createRowRefiner(format, matrix, columns);
    for (let seed = 0; seed < 10; seed++) {
      const weights = Float64Array.from(normalWeights(1, columns, seed));
      const expected = roundByInverse(weights, matrix);
      const before = errorOf(weights, expected, matrix, 16);
      refine(weights, expected);
      const row = emptyRow(3, 16);
      round(weights, row);
      expect(row).toEqual(expected);
      expect(errorOf(weights, row, matrix, 16)).toBeLessThanOrEqual(before);
    }
  });

  it('beats search and nearest on correlated inputs it has not seen', () => {
    const [rows, columns] = [64, 96];
    const weights = normalWeights(rows, columns, 1);
    const statistics = correlatedStatistics(2000, columns, 2);
    const heldOut = correlatedStatistics(2000, columns, 3);
    for (const bits of [2, 4, 8] as const) {
      for (const symmetric of [true, false]) {
        const options = { bits, blockSize: 32, symmetric, scalePrecision: 'float16', statistics } as const;
        const errors = (['nearest', 'search', 'error-feedback'] as const).map((method) =>
          outputError(weights, quantizeMatrix(weights, rows, columns, { ...options, method }), heldOut),
        );
        expect(errors[1]).toBeLessThan(0.9 * Number(errors[0]));
        expect(errors[2]).toBeLessThan(0.7 * Number(errors[1]));
      }
    }
  });

  it('falls back on plain rounding where inputs say nothing', () => {
    const columns = 32;
    const weights = normalWeights(2, columns, 1);
    const statistics: InputStatistics = { columns, count: 5, products: new Float64Array(columns * columns) };
    const options = { ...format, statistics } as const;
    const blind = outputError(weights, quantizeMatrix(weights, 2, columns, { ...options, method: 'error-feedback' }));
    const search = outputError(weights, quantizeMatrix(weights, 2, columns, { ...options, method: 'search' }));
    expect(blind).toBeLessThanOrEqual(search * (1 + 1e-9));
  });

  it('keeps the weights of inputs that were always 0', () => {
    const columns = 32;
    const statistics = correlatedStatistics(200, columns, 2);
    const products = statistics.products.map((product, index) =>
      Math.floor(index / columns) % 2 === 0 && (index % columns) % 2 === 0 ? product : 0,
    );
    const weights = normalWeights(8, columns, 3);
    const dead = { ...statistics, products };
    const matrix = quantizeMatrix(weights, 8, columns, { ...format, method: 'error-feedback', statistics: dead });
    expect(outputError(weights, matrix, dead)).toBeLessThan(0.01);
    expect(outputError(weights, matrix)).toBeLessThan(0.05);
  });

  it('damps statistics more until they can be factored, and refuses those that never can', () => {
    const products = new Float64Array(32 * 32);
    for (let column = 0; column < 32; column++) products[column * 33] = 1;
    const options = { ...format, method: 'error-feedback' } as const;
    const weights = normalWeights(1, 32, 1);
    // Eigenvalues 1 +- 1.05: indefinite until the diagonal grows by more than 5%.
    products[1] = products[32] = 1.05;
    const slightly: InputStatistics = { columns: 32, count: 1, products };
    expect(factorUpper(dampedMeanProducts(slightly, 0.01), 32)).toBeUndefined();
    expect(outputError(weights, quantizeMatrix(weights, 1, 32, { ...options, statistics: slightly }))).toBeLessThan(
      0.05,
    );
    const wrong = products.slice();
    wrong[1] = wrong[32] = 9;
    expect(() => quantizeMatrix(weights, 1, 32, { ...options, statistics: { ...slightly, products: wrong } })).toThrow(
      /positive semidefinite/,
    );
  });
});

describe('createRowRefiner', () => {
  it('moves a level that makes up for the error of another', () => {
    // Two inputs that are nearly the same: what counts is the sum of the errors, 0.4 + 0.4.
    const matrix = new Float64Array(16 * 16);
    for (let column = 0; column < 16; column++) matrix[column * 17] = 1;
    matrix[1] = matrix[16] = 0.99;
    const weights = new Float64Array(16);
    weights.set([1.4, 2.4, 5]);
    const row = emptyRow(1, 16);
    row.levels.fill(8);
    row.levels.set([9, 10, 13]);
    row.scales[0] = 1;
    row.zeroPoints[0] = 8;
    createRowRefiner(format, matrix, 16)(weights, row);
    expect([...row.levels.subarray(0, 3)]).toEqual([10, 10, 13]);
  });
});
