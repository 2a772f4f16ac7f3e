import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { averageGradients } from '../../../src/training/gradient-average.ts';

function draw(count: number, seed: number): Float32Array {
  const random = createRandom(seed, 1);
  return Float32Array.from({ length: count }, () => random.normal());
}

describe('averageGradients', () => {
  it.each([
    [1, 9],
    [2, 8],
    [3, 7],
    [5, 1001],
  ])('leaves the mean of %i arrays in the first, with its sum of squares', (count, length) => {
    const parts = Array.from({ length: count }, (_, index) => draw(length, index));
    const expected = Array.from(
      { length },
      (_, at) => parts.reduce((sum, part) => sum + (part[at] as number), 0) / count,
    );
    const squares = averageGradients(parts, 0, length);
    for (const [at, value] of expected.entries()) expect(parts[0]?.[at]).toBeCloseTo(value, 6);
    expect(squares).toBeCloseTo(
      expected.reduce((sum, value) => sum + value * value, 0),
      4,
    );
  });

  it('changes nothing outside its stretch', () => {
    const parts = [draw(10, 1), draw(10, 2)];
    const before = parts.map((part) => part.slice());
    averageGradients(parts, 3, 6);
    expect(parts[1]).toEqual(before[1]);
    for (const at of [0, 1, 2, 6, 7, 8, 9]) expect(parts[0]?.[at]).toBe(before[0]?.[at]);
    expect(parts[0]?.[4]).not.toBe(before[0]?.[4]);
  });

  it('does not overflow where float32 would', () => {
    expect(averageGradients([new Float32Array(4).fill(1e30)], 0, 4)).toBeCloseTo(4e60, -55);
  });

  it.each([0, 4, 5])('gives a sum that is not finite if the value at %i is not', (index) => {
    const gradients = new Float32Array(6);
    gradients[index] = Number.NaN;
    expect(averageGradients([gradients], 0, 6)).toBeNaN();
    gradients[index] = Number.NEGATIVE_INFINITY;
    expect(averageGradients([gradients], 0, 6)).toBe(Number.POSITIVE_INFINITY);
  });
});
