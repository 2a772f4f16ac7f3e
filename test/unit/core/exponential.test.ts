import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exponentialOfMinus } from '../../../src/core/exponential.ts';

it('is e^-x to 2e-13', () => {
  const x = fc.oneof(fc.double({ min: 0, max: 692.9, noNaN: true }), fc.double({ min: 0, max: 40, noNaN: true }));
  fc.assert(
    fc.property(x, (value) => {
      expect(Math.abs(exponentialOfMinus(value) / Math.exp(-value) - 1)).toBeLessThan(2e-13);
    }),
    { seed: 1, numRuns: 5000 },
  );
});

it('is exact at 0, and 0 for what is too small', () => {
  expect(exponentialOfMinus(0)).toBe(1);
  expect(exponentialOfMinus(693)).toBe(0);
  expect(exponentialOfMinus(1e300)).toBe(0);
  expect(exponentialOfMinus(Number.POSITIVE_INFINITY)).toBe(0);
});

it('falls from step to step', () => {
  for (let x = 0; x < 5; x += 1e-4) expect(exponentialOfMinus(x + 1e-4)).toBeLessThan(exponentialOfMinus(x));
});
