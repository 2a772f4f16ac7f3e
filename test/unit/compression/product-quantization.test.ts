import { describe, expect, it } from 'vitest';
import { quantizeMatrix } from '../../../src/compression/matrix-quantization.ts';
import { quantizeProduct } from '../../../src/compression/product-quantization.ts';
import { dequantize } from '../../../src/core/quantized-matrix.ts';
import { correlatedStatistics, normalWeights } from './correlated-layer.ts';

const rounding = {
  bits: 4,
  blockSize: 16,
  symmetric: false,
  scalePrecision: 'float16',
  method: 'error-feedback',
} as const;
const [rows, columns] = [10, 24];
const weights = normalWeights(rows, columns, 3);
const first = correlatedStatistics(200, columns, 5);
const second = correlatedStatistics(200, columns, 6);
const none = { columns, count: 0, products: new Float64Array(columns * columns) };

/** Rows of W rounded by themselves. */
const rowsAlone = (from: number, to: number, statistics: typeof first | undefined) =>
  dequantize(
    quantizeMatrix(weights.subarray(from * columns, to * columns), to - from, columns, {
      ...rounding,
      ...(statistics ? { statistics } : { method: 'search' }),
    }),
  );

describe.each([false, true])('quantizeProduct, symmetric: %s', (symmetric) => {
  it('rounds rows by what they multiply', () => {
    const parts = [
      { from: 0, to: 4, statistics: first },
      { from: 4, to: 7, statistics: second },
      { from: 7, to: 10, statistics: first },
    ];
    const matrix = quantizeProduct({ rows, columns, weights }, { ...rounding, symmetric }, parts);
    expect(matrix).toMatchObject({ rows, columns, bits: 4, blockSize: 16 });
    expect(matrix.zeroPoints === undefined).toBe(symmetric);
    const values = dequantize(matrix);
    for (const { from, to, statistics } of parts) {
      const alone = quantizeMatrix(weights.slice(from * columns, to * columns), to - from, columns, {
        ...{ ...rounding, symmetric },
        statistics,
      });
      expect(values.subarray(from * columns, to * columns)).toEqual(dequantize(alone));
    }
  });
});

describe('quantizeProduct', () => {
  it('searches scales for rows that multiplied nothing', () => {
    const matrix = quantizeProduct({ rows, columns, weights }, rounding, [
      { from: 0, to: 6, statistics: none },
      { from: 6, to: 10, statistics: second },
    ]);
    const values = dequantize(matrix);
    expect(values.subarray(0, 6 * columns)).toEqual(rowsAlone(0, 6, undefined));
    expect(values.subarray(6 * columns)).toEqual(rowsAlone(6, 10, second));
  });

  it('searches scales where nothing is known', () => {
    const matrix = quantizeProduct({ rows, columns, weights }, rounding);
    expect(dequantize(matrix)).toEqual(rowsAlone(0, rows, undefined));
  });
});
