import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../../src/core/tensor.ts';
import { viewParameters } from '../../../src/training/parameter-buffer.ts';
import { averageWithStart } from '../../../src/training/weight-average.ts';

const shapes = new Map([
  ['a', [2, 2]],
  ['b', [1]],
]);
const tensor = (...data: number[]): Tensor<'float32'> => ({
  dtype: 'float32',
  shape: [data.length],
  data: Float32Array.from(data),
});
const trained = () => viewParameters(Float32Array.of(1, 2, 3, 4, 5), shapes);

describe('averageWithStart', () => {
  it.each([
    [0, [1, 2, 3, 4, 5]],
    [0.25, [2.75, 0.5, 2.25, 4, 1.25]],
    [1, [8, -4, 0, 4, -10]],
  ])('gives the first weights the share %d', (share, expected) => {
    const parameters = trained();
    const start = new Map([
      ['b', tensor(-10)],
      ['a', tensor(8, -4, 0, 4)],
    ]);
    averageWithStart(parameters, start, share);
    expect([...parameters.data]).toEqual(expected);
    expect([...(start.get('a') as Tensor).data]).toEqual([8, -4, 0, 4]);
  });

  it.each([
    ['lacks a weight', new Map([['a', tensor(1, 2, 3, 4)]]), /1 elements of weight b.*got none/],
    ['has another size', new Map([['a', tensor(1, 2, 3)]]), /4 elements of weight a.*got 3/],
  ])('refuses a start that %s', (_, start, message) => {
    expect(() => averageWithStart(trained(), start, 0.5)).toThrow(message);
  });
});
