import { describe, expect, it } from 'vitest';
import { collectInputStatistics } from '../../../src/compression/input-statistics.ts';
import { quantizeMatrix } from '../../../src/compression/matrix-quantization.ts';
import { outputError } from '../../../src/compression/output-error.ts';
import { dequantize } from '../../../src/core/quantized-matrix.ts';
import { correlatedInputs, normalWeights } from './correlated-layer.ts';

const nearest = { bits: 4, blockSize: 16, symmetric: true, scalePrecision: 'float16', method: 'nearest' } as const;

describe('outputError', () => {
  it('is the squared difference of the outputs over that of the whole', () => {
    const [rows, columns, count] = [3, 20, 50];
    const weights = normalWeights(rows, columns, 4);
    const inputs = correlatedInputs(count, columns, 5);
    const collector = collectInputStatistics(columns);
    collector.add(inputs);
    const matrix = quantizeMatrix(weights, rows, columns, nearest);
    const rounded = dequantize(matrix);
    let [error, whole] = [0, 0];
    for (let row = 0; row < rows; row++) {
      for (let input = 0; input < count; input++) {
        let [exact, approximate] = [0, 0];
        for (let column = 0; column < columns; column++) {
          const x = Number(inputs[input * columns + column]);
          exact += x * Number(weights[row * columns + column]);
          approximate += x * Number(rounded[row * columns + column]);
        }
        error += (exact - approximate) ** 2;
        whole += exact ** 2;
      }
    }
    expect(error / whole).toBeGreaterThan(1e-3);
    expect(outputError(weights, matrix, collector.statistics())).toBeCloseTo(error / whole, 12);
  });

  it('is that of the weights without statistics', () => {
    const weights = Float32Array.of(8, 0.25, 3);
    const matrix = quantizeMatrix(weights, 1, 3, nearest);
    expect([...dequantize(matrix)].map((value) => value + 0)).toEqual([8, 0, 3]);
    expect(outputError(weights, matrix)).toBeCloseTo(0.0625 / 73.0625, 15);
  });

  it('is 0 for zeros that stay zeros and infinite for zeros that do not', () => {
    const zeros = new Float32Array(3);
    expect(outputError(zeros, quantizeMatrix(zeros, 1, 3, nearest))).toBe(0);
    expect(outputError(zeros, quantizeMatrix(Float32Array.of(1, 0, 0), 1, 3, nearest))).toBe(Number.POSITIVE_INFINITY);
  });

  it('refuses sizes that do not belong together', () => {
    const matrix = quantizeMatrix(new Float32Array(6), 2, 3, nearest);
    expect(() => outputError(new Float32Array(5), matrix)).toThrow(/2 x 3 weights/);
    const collector = collectInputStatistics(2);
    collector.add(new Float32Array(2));
    expect(() => outputError(new Float32Array(6), matrix, collector.statistics())).toThrow(/over 3 columns, got 2/);
    const empty = collectInputStatistics(3).statistics();
    expect(() => outputError(new Float32Array(6), matrix, empty)).toThrow(/at least one input/);
  });
});
