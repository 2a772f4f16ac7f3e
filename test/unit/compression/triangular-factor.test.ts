import { describe, expect, it } from 'vitest';
import { dampedMeanProducts } from '../../../src/compression/input-statistics.ts';
import { factorUpper, invertUnitUpper } from '../../../src/compression/triangular-factor.ts';
import { correlatedStatistics } from './correlated-layer.ts';

describe('factorUpper', () => {
  it('agrees with a factor worked out by hand', () => {
    // [[9, 2], [2, 1]] = R diag(5, 1) R^T with R = [[1, 2], [0, 1]].
    expect(factorUpper(Float64Array.of(9, 2, 2, 1), 2)).toEqual({
      upper: Float64Array.of(1, 2, 0, 1),
      pivots: Float64Array.of(5, 1),
    });
  });

  it('multiplies back to the matrix', () => {
    const size = 24;
    const matrix = dampedMeanProducts(correlatedStatistics(40, size, 2), 0.01);
    const factor = factorUpper(matrix, size);
    if (!factor) throw new Error('not factored');
    const { upper, pivots } = factor;
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        let sum = 0;
        for (let k = 0; k < size; k++) {
          sum += Number(upper[row * size + k]) * Number(pivots[k]) * Number(upper[column * size + k]);
        }
        expect(sum).toBeCloseTo(Number(matrix[row * size + column]), 10);
        if (column < row) expect(upper[row * size + column]).toBe(0);
      }
    }
  });

  it('gives up on singular and indefinite matrices', () => {
    expect(factorUpper(Float64Array.of(1, 1, 1, 1), 2)).toBeUndefined();
    expect(factorUpper(Float64Array.of(1, 2, 2, 1), 2)).toBeUndefined();
    expect(factorUpper(Float64Array.of(Number.NaN), 1)).toBeUndefined();
    expect(factorUpper(new Float64Array(1), 1)).toBeUndefined();
  });
});

describe('invertUnitUpper', () => {
  it('agrees with an inverse worked out by hand', () => {
    expect([...invertUnitUpper(Float64Array.of(1, 2, 3, 0, 1, 4, 0, 0, 1), 3)]).toEqual([1, -2, 5, 0, 1, -4, 0, 0, 1]);
  });

  it('gives the identity when multiplied with the matrix', () => {
    const size = 20;
    const factor = factorUpper(dampedMeanProducts(correlatedStatistics(40, size, 3), 0.01), size);
    if (!factor) throw new Error('not factored');
    const inverse = invertUnitUpper(factor.upper, size);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        let sum = 0;
        for (let k = 0; k < size; k++) sum += Number(factor.upper[row * size + k]) * Number(inverse[k * size + column]);
        expect(sum).toBeCloseTo(Number(row === column), 10);
      }
    }
  });
});
