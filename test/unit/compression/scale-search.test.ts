import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rangeScale } from '../../../src/compression/round-to-nearest.ts';
import {
  type BlockScale,
  invertScale,
  nearestLevel,
  type RoundingFormat,
} from '../../../src/compression/rounding-format.ts';
import { searchScale } from '../../../src/compression/scale-search.ts';

const format: RoundingFormat = { bits: 4, blockSize: 16, symmetric: true, scalePrecision: 'float32' };

const errorOf = (weights: Float64Array, importance: Float64Array, { scale, zeroPoint }: BlockScale, bits: number) =>
  weights.reduce((sum, weight, at) => {
    const level = nearestLevel(weight, invertScale(scale), zeroPoint, 2 ** bits - 1);
    return sum + Number(importance[at]) * (weight - scale * (level - zeroPoint)) ** 2;
  }, 0);

describe('rangeScale', () => {
  it('puts the extreme on the lowest level, sign included', () => {
    expect(rangeScale(Float64Array.of(1, 4, -2), 0, 3, format)).toEqual({ scale: -0.5, zeroPoint: 8 });
    expect(rangeScale(Float64Array.of(1, -4, 2), 0, 3, format)).toEqual({ scale: 0.5, zeroPoint: 8 });
    expect(rangeScale(Float64Array.of(1, -4, 2), 0, 1, { ...format, bits: 2 })).toEqual({ scale: -0.5, zeroPoint: 2 });
  });

  it('spans the range and 0 by all levels when asymmetric', () => {
    const asymmetric = { ...format, symmetric: false };
    expect(rangeScale(Float64Array.of(-1, 6.5), 0, 2, asymmetric)).toEqual({ scale: 0.5, zeroPoint: 2 });
    expect(rangeScale(Float64Array.of(3, 7.5), 0, 2, asymmetric)).toEqual({ scale: 0.5, zeroPoint: 0 });
    expect(rangeScale(Float64Array.of(-3, -7.5), 0, 2, asymmetric)).toEqual({ scale: 0.5, zeroPoint: 15 });
  });

  it('gives blocks of zeros scale 0', () => {
    expect(rangeScale(new Float64Array(16), 0, 16, format)).toEqual({ scale: 0, zeroPoint: 8 });
    expect(rangeScale(new Float64Array(16), 0, 16, { ...format, symmetric: false })).toEqual({
      scale: 0,
      zeroPoint: 0,
    });
  });
});

describe('searchScale', () => {
  const ones = new Float64Array(16).fill(1);

  it('finds the scale that weights were made with', () => {
    const weights = Float64Array.of(-7, -5, -3, -2, -1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 2, 0).map((level) => level * 0.25);
    const found = searchScale(weights, ones, 0, 16, format);
    expect(Math.abs(found.scale)).toBeCloseTo(0.25, 12);
    expect(errorOf(weights, ones, found, 4)).toBeCloseTo(0, 20);
    // By range the largest weight is at full scale, 1.75 / 8, and most others fall between levels.
    expect(errorOf(weights, ones, rangeScale(weights, 0, 16, format), 4)).toBeGreaterThan(0.01);
  });

  it('clips what does not count', () => {
    const weights = Float64Array.of(8, 0.2, -0.4, 0.6, 0.8, -1, 1.2, -1.4, 0.2, 0.4, 0, -0.2, 0.6, -0.8, 1, 1.4);
    const importance = ones.slice();
    importance[0] = 1e-6;
    const found = searchScale(weights, importance, 0, 16, { ...format, bits: 2 });
    expect(errorOf(weights, importance, found, 2)).toBeLessThan(
      0.6 * errorOf(weights, importance, rangeScale(weights, 0, 16, { ...format, bits: 2 }), 2),
    );
  });

  it('is never worse than the scale by range', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.double({ min: -1e5, max: 1e5, noNaN: true }), fc.double({ min: 0, max: 10, noNaN: true })),
          {
            minLength: 1,
            maxLength: 32,
          },
        ),
        fc.constantFrom(2, 4, 8),
        fc.boolean(),
        fc.constantFrom('float16', 'float32'),
        (pairs, bits, symmetric, scalePrecision) => {
          const weights = Float64Array.from(pairs, ([weight]) => weight);
          const importance = Float64Array.from(pairs, ([, value]) => value);
          const chosen: RoundingFormat = { bits, blockSize: 32, symmetric, scalePrecision };
          const found = errorOf(weights, importance, searchScale(weights, importance, 0, weights.length, chosen), bits);
          const byRange = errorOf(weights, importance, rangeScale(weights, 0, weights.length, chosen), bits);
          const total = errorOf(weights, importance, { scale: 0, zeroPoint: 0 }, bits);
          // Errors are differences of sums of the weights' own size.
          expect(found).toBeLessThanOrEqual(byRange + 1e-12 * total);
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });
});
