import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { adjustForDiscoveries, studentQuantile, studentTail } from '../../../src/core/significance.ts';

const property = { seed: 1, numRuns: 100 };

describe('studentTail', () => {
  it.each([
    // With one and two degrees of freedom there are closed forms: 1 − (2/π)·atan t and 1 − t/√(2 + t²).
    [1, 1, 0.5],
    [2.5, 1, 1 - (2 / Math.PI) * Math.atan(2.5)],
    [1.5, 2, 1 - 1.5 / Math.sqrt(2 + 1.5 ** 2)],
    [0, 7, 1],
  ])('is exact for t = %d with %d degrees of freedom', (t, degrees, expected) => {
    expect(studentTail(t, degrees)).toBeCloseTo(expected, 12);
    expect(studentTail(-t, degrees)).toBeCloseTo(expected, 12);
  });

  it.each([
    [1.959964, Infinity, 0.05],
    [2.575829, Infinity, 0.01],
    [2.228139, 10, 0.05],
    [2.042272, 30, 0.05],
    [12.7062, 1, 0.05],
  ])('agrees with the tables: %d with %d degrees of freedom', (t, degrees, expected) => {
    expect(studentTail(t, degrees)).toBeCloseTo(expected, 5);
    expect(studentQuantile(1 - expected, degrees)).toBeCloseTo(t, 3);
  });

  it('falls with the distance and with the degrees of freedom, and the quantile undoes it', () => {
    const t = fc.double({ min: 0.01, max: 30, noNaN: true });
    const degrees = fc.double({ min: 0.5, max: 5000, noNaN: true });
    fc.assert(
      fc.property(t, degrees, (at, nu) => {
        const tail = studentTail(at, nu);
        expect(tail).toBeGreaterThanOrEqual(0);
        expect(tail).toBeLessThanOrEqual(1);
        expect(studentTail(at * 1.1, nu)).toBeLessThanOrEqual(tail);
        expect(studentTail(at, nu * 1.1)).toBeLessThanOrEqual(tail + 1e-12);
        if (tail > 1e-9 && tail < 1) expect(studentQuantile(1 - tail, nu)).toBeCloseTo(at, 4);
      }),
      property,
    );
  });

  it('is 0 at infinity and refuses what is no number', () => {
    expect(studentTail(Infinity, 3)).toBe(0);
    const fault = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => studentTail(Number.NaN, 3)).toThrow(fault);
    expect(() => studentTail(1, 0)).toThrow(fault);
    expect(() => studentQuantile(1, 3)).toThrow(fault);
  });
});

describe('adjustForDiscoveries', () => {
  it('agrees with values worked out by hand', () => {
    expect(adjustForDiscoveries([0.01, 0.04, 0.03, 0.5])).toEqual([0.04, 0.04 * (4 / 3), 0.04 * (4 / 3), 0.5]);
    expect(adjustForDiscoveries([])).toEqual([]);
  });

  it('keeps the order, never lowers a p-value, and refuses the same as the step-up rule', () => {
    const values = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.001, max: 0.5, noNaN: true }), (pValues, rate) => {
        const adjusted = adjustForDiscoveries(pValues);
        const sorted = [...pValues].sort((a, b) => a - b);
        const last = sorted.findLastIndex((value, index) => value * (pValues.length / (index + 1)) <= rate);
        const limit = last < 0 ? -1 : (sorted[last] as number);
        pValues.forEach((value, index) => {
          expect(adjusted[index]).toBeGreaterThanOrEqual(value);
          expect((adjusted[index] as number) <= rate).toBe(value <= limit);
        });
      }),
      property,
    );
  });

  it('finds something among 50 tests of nothing in at most its share of the cases', () => {
    const random = createRandom(1, 5);
    let cases = 0;
    for (let round = 0; round < 1000; round++) {
      const adjusted = adjustForDiscoveries(Array.from({ length: 50 }, () => random.uniform()));
      if (adjusted.some((value) => value <= 0.05)) cases += 1;
    }
    // 0.05 within three standard deviations of 1,000 draws.
    expect(cases / 1000).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 1000));
  });
});
