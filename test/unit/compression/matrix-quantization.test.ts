import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collectInputStatistics } from '../../../src/compression/input-statistics.ts';
import { type QuantizationOptions, quantizeMatrix } from '../../../src/compression/matrix-quantization.ts';
import { outputError } from '../../../src/compression/output-error.ts';
import { roundToFloat16 } from '../../../src/core/float16.ts';
import { dequantize, unpackLevels } from '../../../src/core/quantized-matrix.ts';
import { correlatedStatistics, normalWeights } from './correlated-layer.ts';

const nearest: QuantizationOptions = {
  bits: 4,
  blockSize: 16,
  symmetric: true,
  scalePrecision: 'float32',
  method: 'nearest',
};
const methods = ['nearest', 'search', 'error-feedback'] as const;

describe('quantizeMatrix', () => {
  it('agrees with blocks rounded by hand', () => {
    // Row 0: extreme 4, scale -1/2. Row 1: extreme -16, scale 2.
    const values = Float32Array.of(4, 1, -0.6, 0.24, -4, -16, 3.1, 14, 15, 1);
    const matrix = quantizeMatrix(values, 2, 5, nearest);
    expect(matrix).toMatchObject({ rows: 2, columns: 5, bits: 4, blockSize: 16, scales: Float32Array.of(-0.5, 2) });
    expect(matrix.zeroPoints).toBeUndefined();
    const levels = unpackLevels(matrix.levels, 2, 16, 4);
    expect([...levels.subarray(0, 6)]).toEqual([0, 6, 9, 8, 15, 8]);
    expect([...levels.subarray(16, 22)]).toEqual([0, 10, 15, 15, 9, 8]);
    // Without the sign of zeros, which a negative scale turns.
    expect([...dequantize(matrix)].map((value) => value + 0)).toEqual([4, 1, -0.5, 0, -3.5, -16, 4, 14, 14, 2]);
  });

  it('stores a zero point for each block when asymmetric', () => {
    const values = new Float32Array(20).fill(1);
    values.set([-1, 6.5], 0);
    values.set([0, -0.5, -7, 0.5], 16);
    const matrix = quantizeMatrix(values, 1, 20, { ...nearest, symmetric: false });
    expect([...matrix.scales]).toEqual([0.5, 0.5]);
    expect([...unpackLevels(matrix.zeroPoints as Uint8Array, 1, 2, 4)]).toEqual([2, 14]);
    expect(dequantize(matrix)).toEqual(values);
    // Padding stands for 0.
    expect([...unpackLevels(matrix.levels, 1, 32, 4).subarray(20)]).toEqual(new Array(12).fill(14));
  });

  it.each(methods)('gives weights on levels back unchanged by %s', (method) => {
    const columns = 48;
    const values = Float32Array.from({ length: 4 * columns }, (_, index) => ((index * 7) % 16) / 4 - 2);
    const statistics = correlatedStatistics(100, columns, 1);
    for (const symmetric of [true, false]) {
      for (const scalePrecision of ['float16', 'float32'] as const) {
        const matrix = quantizeMatrix(values, 4, columns, {
          ...nearest,
          symmetric,
          scalePrecision,
          method,
          statistics,
        });
        expect(outputError(values, matrix)).toBeLessThan(1e-13);
      }
    }
  });

  it.each(methods)('stores scales that float16 holds exactly by %s', (method) => {
    const columns = 64;
    const values = normalWeights(16, columns, 1);
    const statistics = correlatedStatistics(200, columns, 1);
    for (const symmetric of [true, false]) {
      const options = { ...nearest, symmetric, method, statistics };
      const { scales } = quantizeMatrix(values, 16, columns, { ...options, scalePrecision: 'float16' });
      expect(roundToFloat16(scales)).toEqual(scales);
      const precise = quantizeMatrix(values, 16, columns, options).scales;
      expect(roundToFloat16(precise)).not.toEqual(precise);
    }
  });

  it.each(methods)('keeps zeros, and tiny and huge weights, finite by %s', (method) => {
    const columns = 32;
    const statistics = correlatedStatistics(100, columns, 1);
    // The least magnitudes of float32, below which no scale can go.
    const few = 4 * 2 ** -149;
    for (const symmetric of [true, false]) {
      for (const bits of [2, 4, 8] as const) {
        const options = { ...nearest, bits, symmetric, method, statistics };
        const zeros = quantizeMatrix(new Float32Array(64), 2, columns, options);
        expect(dequantize(zeros)).toEqual(new Float32Array(64));
        for (const size of [1e-45, 1e-39, 1e-6, 1e37]) {
          const values = normalWeights(2, columns, bits).map((value) => value * size);
          const result = dequantize(quantizeMatrix(values, 2, columns, options));
          const worst = Math.max(...result.map((value, at) => Math.abs(value - Number(values[at]))));
          expect(worst).toBeLessThanOrEqual(Math.max(...values.map(Math.abs)) + few);
        }
      }
    }
  });

  it('stays within half a step of each weight in range', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc.constantFrom(2, 4, 8),
        (list, bits) => {
          const values = Float32Array.from(list);
          const matrix = quantizeMatrix(values, 1, values.length, { ...nearest, bits, symmetric: false });
          for (const [at, value] of dequantize(matrix).entries()) {
            const scale = Number(matrix.scales[Math.floor(at / 16)]);
            // The zero point itself is rounded too, by up to half a step.
            expect(Math.abs(value - Number(values[at]))).toBeLessThanOrEqual(1.001 * scale + 1e-40);
          }
        },
      ),
      { seed: 2, numRuns: 100 },
    );
  });

  it('lowers the squared error by searching, without statistics', () => {
    const values = normalWeights(32, 64, 5);
    for (const bits of [2, 4, 8] as const) {
      for (const symmetric of [true, false]) {
        const options = { ...nearest, bits, blockSize: 32, symmetric };
        const byRange = outputError(values, quantizeMatrix(values, 32, 64, options));
        const bySearch = outputError(values, quantizeMatrix(values, 32, 64, { ...options, method: 'search' }));
        expect(bySearch).toBeLessThan(0.95 * byRange);
      }
    }
  });

  it('refuses weights that are not finite or too large', () => {
    const values = new Float32Array(6);
    values[4] = Number.NaN;
    expect(() => quantizeMatrix(values, 2, 3, nearest)).toThrow(/NaN in row 1, column 1/);
    values[4] = Number.NEGATIVE_INFINITY;
    expect(() => quantizeMatrix(values, 2, 3, nearest)).toThrow(/-Infinity in row 1, column 1/);
    values[4] = 3e38;
    expect(() => quantizeMatrix(values, 2, 3, nearest)).toThrow(/at most 1e\+38/);
    values[4] = 1e6;
    expect(quantizeMatrix(values, 2, 3, nearest).scales[1]).toBe(-125000);
    expect(() => quantizeMatrix(values, 2, 3, { ...nearest, scalePrecision: 'float16' })).toThrow(
      /-125000, does not fit float16.*'float32'/,
    );
  });

  it('refuses other sizes and options', () => {
    const values = new Float32Array(6);
    const refused = (change: object, message: RegExp) =>
      expect(() => quantizeMatrix(values, 2, 3, { ...nearest, ...change })).toThrow(message);
    refused({ bits: 3 }, /bits to be one of 2, 4, 8, got 3/);
    refused({ blockSize: 24 }, /blockSize to be one of 16, 32, 64, 128, got 24/);
    refused({ scalePrecision: 'bfloat16' }, /scalePrecision to be one of/);
    refused({ method: 'best' }, /method 'nearest', 'search' or 'error-feedback', got 'best'/);
    refused({ method: 'error-feedback' }, /needs statistics/);
    refused({ statistics: collectInputStatistics(3).statistics() }, /at least one input, got none/);
    expect(() => quantizeMatrix(values, 2, 4, nearest)).toThrow(expect.objectContaining({ code: 'SHAPE_MISMATCH' }));
    expect(() => quantizeMatrix(values, 0, 3, nearest)).toThrow(/at least 1 for rows/);
    const collector = collectInputStatistics(2);
    collector.add(new Float32Array(2));
    refused({ statistics: collector.statistics() }, /over 3 columns, got 2/);
  });
});
