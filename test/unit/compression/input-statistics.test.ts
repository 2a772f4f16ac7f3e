import { describe, expect, it } from 'vitest';
import {
  collectInputStatistics,
  dampedMeanProducts,
  meanSquares,
  mergeInputStatistics,
} from '../../../src/compression/input-statistics.ts';
import { correlatedInputs } from './correlated-layer.ts';

const gather = (columns: number, ...batches: Float32Array[]) => {
  const collector = collectInputStatistics(columns);
  for (const batch of batches) collector.add(batch);
  return collector.statistics();
};

describe('collectInputStatistics', () => {
  it('sums the products of the inputs', () => {
    const statistics = gather(2, Float32Array.of(1, 2, 3, -1));
    expect(statistics).toEqual({ columns: 2, count: 2, products: Float64Array.of(10, -1, -1, 5) });
    expect(meanSquares(statistics)).toEqual(Float64Array.of(5, 2.5));
  });

  it('agrees with the plain definition for any number of inputs', () => {
    for (const count of [1, 3, 4, 7, 9]) {
      const inputs = correlatedInputs(count, 5, count);
      const { products } = gather(5, inputs);
      for (let first = 0; first < 5; first++) {
        for (let second = 0; second < 5; second++) {
          let sum = 0;
          for (let row = 0; row < count; row++)
            sum += Number(inputs[row * 5 + first]) * Number(inputs[row * 5 + second]);
          expect(products[first * 5 + second]).toBeCloseTo(sum, 10);
        }
      }
    }
  });

  it('gives the same in batches and when merged', () => {
    const inputs = correlatedInputs(11, 6, 3);
    const whole = gather(6, inputs);
    const batches = gather(6, inputs.subarray(0, 12), inputs.subarray(12));
    const merged = mergeInputStatistics(gather(6, inputs.subarray(0, 30)), gather(6, inputs.subarray(30)));
    for (const other of [batches, merged]) {
      expect(other.count).toBe(11);
      for (const [index, product] of whole.products.entries()) expect(other.products[index]).toBeCloseTo(product, 10);
    }
  });

  it('hands out a copy', () => {
    const collector = collectInputStatistics(1);
    collector.add(Float32Array.of(2));
    const before = collector.statistics();
    collector.add(Float32Array.of(3));
    expect([before.products[0], collector.statistics().products[0]]).toEqual([4, 13]);
  });

  it('refuses what it cannot add, and adds nothing of it', () => {
    const collector = collectInputStatistics(2);
    expect(() => collector.add(new Float32Array(3))).toThrow(/rows of 2 inputs, got 3/);
    expect(() => collector.add(Float32Array.of(1, 1, 1, Number.NaN))).toThrow(/NaN in row 1, column 1/);
    expect(() => collector.add(Float32Array.of(1, Number.POSITIVE_INFINITY))).toThrow(/Infinity/);
    expect(collector.statistics()).toEqual({ columns: 2, count: 0, products: new Float64Array(4) });
    expect(() => collectInputStatistics(0)).toThrow(/at least 1 column/);
  });

  it('refuses to merge statistics of different widths', () => {
    expect(() => mergeInputStatistics(gather(1), gather(2))).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH' }),
    );
  });
});

describe('dampedMeanProducts', () => {
  it('adds a share of the mean square to the diagonal, also where an input was always 0', () => {
    const statistics = gather(2, Float32Array.of(2, 0, 4, 0));
    expect(dampedMeanProducts(statistics, 0.5)).toEqual(Float64Array.of(10 + 2.5, 0, 0, 2.5));
  });

  it('is the identity where all inputs were 0', () => {
    expect(dampedMeanProducts(gather(2, new Float32Array(4)), 0.01)).toEqual(Float64Array.of(1, 0, 0, 1));
  });
});
