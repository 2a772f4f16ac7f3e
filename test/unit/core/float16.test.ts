import { expect, test } from 'vitest';
import { fromFloat16, largestFloat16, roundToFloat16, toFloat16 } from '../../../src/core/float16.ts';

test('every half-precision number comes back as its own bits', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, index) => index).filter((value) => {
    const isNan = (value & 0x7c00) === 0x7c00 && (value & 0x3ff) !== 0;
    return !isNan;
  });
  expect(toFloat16(fromFloat16(bits))).toEqual(bits);
});

test('numbers between two are rounded to the nearer, ties to the even one', () => {
  const positive = fromFloat16(Uint16Array.from({ length: 0x7c00 }, (_, index) => index));
  const wrong: number[] = [];
  for (let index = 0; index + 1 < positive.length; index++) {
    const [low, high] = [positive[index] as number, positive[index + 1] as number];
    const middle = (low + high) / 2;
    const gap = high - low;
    const even = index % 2 === 0 ? low : high;
    const rounded = roundToFloat16([middle - gap / 1e3, middle, middle + gap / 1e3, -middle]);
    if (rounded.join() !== [low, even, high, -even].join()) wrong.push(middle);
  }
  expect(wrong).toEqual([]);
});

test.each([
  [65504, 65504],
  [65519.9, 65504],
  [65520, Number.POSITIVE_INFINITY],
  [-65520, Number.NEGATIVE_INFINITY],
  [1e30, Number.POSITIVE_INFINITY],
  [2 ** -25, 0],
  [2 ** -25 * 1.001, 2 ** -24],
  [-0, -0],
  [Number.NaN, Number.NaN],
])('%d becomes %d', (value, expected) => {
  expect(roundToFloat16([value])[0]).toBe(expected);
});

test('the largest number is itself', () => {
  expect(roundToFloat16([largestFloat16])[0]).toBe(largestFloat16);
});
