import { describe, expect, it } from 'vitest';
import {
  assignedMatrices,
  bitOptions,
  planMixedPrecision,
  uniformAllocation,
} from '../../../src/compression/mixed-precision.ts';
import type { TensorSensitivity } from '../../../src/compression/sensitivity.ts';
import type { BitWidth, QuantizedMatrix } from '../../../src/core/quantized-matrix.ts';

const matrixOf = (bits: BitWidth): QuantizedMatrix => ({
  rows: 1,
  columns: 16,
  bits,
  blockSize: 16,
  levels: new Uint8Array(2 * bits),
  scales: new Float32Array(1),
});

const tensorOf = (name: string, divergences: Partial<Record<BitWidth, number>>): TensorSensitivity => ({
  name,
  kind: 'linear',
  rows: 1,
  columns: 16,
  effects: ([2, 4, 8] as const).flatMap((bits) => {
    const divergence = divergences[bits];
    if (divergence === undefined) return [];
    return [{ bits, matrix: matrixOf(bits), bytes: 2 * bits + 2, outputError: 0, divergence, lossChange: -1 }];
  }),
});

const sensitivities = [
  tensorOf('table', { 4: 0.5, 8: 0.125 }),
  tensorOf('first', { 2: 0.25, 4: 0.0625, 8: 0 }),
  tensorOf('second', { 2: 2, 4: 0.25, 8: 0 }),
];

describe('mixed precision', () => {
  it('gives bits where they help most, by the divergence that was measured', () => {
    expect(planMixedPrecision(sensitivities, { loss: 0.625 })).toEqual({
      bits: new Map([
        ['table', 8],
        ['first', 2],
        ['second', 4],
      ]),
      bytes: 18 + 6 + 10,
      predictedLoss: 0.625,
    });
    expect(planMixedPrecision(sensitivities, { bytes: 30 }).predictedLoss).toBe(0.5 + 0.0625 + 0.25);
  });

  it('keeps the least bits that a tensor is to have', () => {
    const leastBits = (name: string) => (name === 'first' ? 8 : undefined);
    expect(planMixedPrecision(sensitivities, { loss: 0.625 }, { leastBits }).bits.get('first')).toBe(8);
    expect(bitOptions(sensitivities, { leastBits })[1]?.options.map(({ bits }) => bits)).toEqual([8]);
    const narrow = [tensorOf('only', { 2: 1, 4: 0.5 })];
    expect(() => bitOptions(narrow, { leastBits: () => 8 })).toThrow('Expected only to be measured at 8 bits or more');
  });

  it('adds up the same bits for all, or the fewest more that a tensor can have', () => {
    expect(uniformAllocation(sensitivities, 2)).toEqual({
      bits: new Map([
        ['table', 4],
        ['first', 2],
        ['second', 2],
      ]),
      bytes: 10 + 6 + 6,
      predictedLoss: 2.75,
    });
    expect(() => uniformAllocation([tensorOf('only', { 4: 1 })], 8)).toThrow('only');
  });

  it('hands out the matrices that were measured', () => {
    const matrices = assignedMatrices(
      sensitivities,
      new Map([
        ['first', 2 as const],
        ['table', 8 as const],
      ]),
    );
    expect(matrices.get('first')).toBe(sensitivities[1]?.effects[0]?.matrix);
    expect(matrices.get('table')).toBe(sensitivities[0]?.effects[1]?.matrix);
    expect(() => assignedMatrices(sensitivities, new Map([['table', 2 as const]]))).toThrow('measured at, got 2');
    expect(() => assignedMatrices(sensitivities, new Map([['other', 2 as const]]))).toThrow('other');
  });
});
