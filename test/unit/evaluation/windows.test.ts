import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planWindows } from '../../../src/evaluation/windows.ts';

/** Lengths with windows that fit them and strides that fit those. */
const plans = fc
  .tuple(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 1, max: 200 }))
  .chain(([length, contextLength]) =>
    fc.tuple(fc.constant(length), fc.constant(contextLength), fc.integer({ min: 1, max: contextLength })),
  );

describe('planWindows', () => {
  it('scores every position exactly once, in order', () => {
    fc.assert(
      fc.property(plans, ([length, contextLength, stride]) => {
        const scored = planWindows(length, contextLength, stride).flatMap(({ scoreFrom, end }) =>
          Array.from({ length: end - scoreFrom }, (_, index) => scoreFrom + index),
        );
        expect(scored).toEqual(Array.from({ length }, (_, index) => index));
      }),
      { seed: 3 },
    );
  });

  it('gives scored positions after the first window contextLength - stride to contextLength of context', () => {
    fc.assert(
      fc.property(plans, ([length, contextLength, stride]) => {
        const [first, ...later] = planWindows(length, contextLength, stride);
        if (first) expect(first).toEqual({ start: 0, end: Math.min(length, contextLength), scoreFrom: 0 });
        for (const { start, end, scoreFrom } of later) {
          expect(end - start).toBe(contextLength);
          expect(end - scoreFrom).toBeLessThanOrEqual(stride);
          // Inputs before the first and the last scored position, its own included.
          expect(scoreFrom - start).toBeGreaterThanOrEqual(contextLength - stride);
          expect(end - start).toBeLessThanOrEqual(contextLength);
        }
      }),
      { seed: 4 },
    );
  });

  it('runs no more windows than the text needs', () => {
    fc.assert(
      fc.property(plans, ([length, contextLength, stride]) => {
        const rest = Math.max(0, length - contextLength);
        expect(planWindows(length, contextLength, stride)).toHaveLength(Math.min(length, 1) + Math.ceil(rest / stride));
      }),
      { seed: 5 },
    );
  });

  it('is one window where the text fits, and none for no text', () => {
    expect(planWindows(5, 8, 4)).toEqual([{ start: 0, end: 5, scoreFrom: 0 }]);
    expect(planWindows(8, 8, 4)).toEqual([{ start: 0, end: 8, scoreFrom: 0 }]);
    expect(planWindows(0, 8, 4)).toEqual([]);
  });

  it('moves on by the stride and fills the last window with context', () => {
    expect(planWindows(14, 8, 4)).toEqual([
      { start: 0, end: 8, scoreFrom: 0 },
      { start: 4, end: 12, scoreFrom: 8 },
      { start: 6, end: 14, scoreFrom: 12 },
    ]);
  });
});
