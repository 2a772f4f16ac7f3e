import { describe, expect, it } from 'vitest';
import type { BitAssignment } from '../../../src/compression/bit-allocation.ts';
import { raiseBits } from '../../../src/compression/bit-raising.ts';
import {
  assignedMatrices,
  bitOptions,
  planMixedPrecision,
  uniformAllocation,
} from '../../../src/compression/mixed-precision.ts';
import type { RoundingEffect, TensorSensitivity } from '../../../src/compression/sensitivity.ts';
import type { BitWidth } from '../../../src/core/quantized-matrix.ts';

/** Rows of 32 columns. */
function effectOf(bits: BitWidth, blockSize: number, divergence: number): RoundingEffect {
  const scales = new Float32Array(32 / blockSize);
  const matrix = { rows: 1, columns: 32, bits, blockSize, levels: new Uint8Array(4 * bits), scales };
  const bytes = 4 * bits + 2 * scales.length;
  return { bits, blockSize, matrix, bytes, outputError: 0, divergence, lossChange: -1 };
}

const tensorOf = (name: string, ...effects: RoundingEffect[]): TensorSensitivity => ({
  ...{ name, kind: 'linear', rows: 1, columns: 32 },
  effects,
});

const sensitivities = [
  tensorOf('table', effectOf(4, 32, 0.5), effectOf(4, 16, 0.375), effectOf(8, 32, 0.125)),
  tensorOf('first', effectOf(2, 32, 0.25), effectOf(4, 32, 0.0625), effectOf(8, 32, 0)),
  tensorOf('second', effectOf(2, 32, 2), effectOf(4, 32, 0.25), effectOf(8, 32, 0)),
];

const formatsOf = (assignment: BitAssignment) =>
  Object.fromEntries([...assignment].map(([name, { bits, blockSize }]) => [name, `${bits} by ${blockSize}`]));

describe('mixed precision', () => {
  it('gives bits and scales where they help most, by the divergence that was measured', () => {
    const smallest = planMixedPrecision(sensitivities, { loss: 0.875 });
    expect(formatsOf(smallest.assignment)).toEqual({ table: '4 by 16', first: '2 by 32', second: '4 by 32' });
    expect(smallest).toMatchObject({ bytes: 20 + 10 + 18, predictedLoss: 0.875 });
    const best = planMixedPrecision(sensitivities, { bytes: 34 + 18 + 18 });
    expect(formatsOf(best.assignment)).toEqual({ table: '8 by 32', first: '4 by 32', second: '4 by 32' });
    expect(best.predictedLoss).toBe(0.125 + 0.0625 + 0.25);
  });

  it('keeps the least bits that a tensor is to have', () => {
    const leastBits = (name: string) => (name === 'first' ? 8 : undefined);
    const plan = planMixedPrecision(sensitivities, { loss: 0.875 }, { leastBits });
    expect(plan.assignment.get('first')?.bits).toBe(8);
    expect(bitOptions(sensitivities, { leastBits })[1]?.options.map(({ bits }) => bits)).toEqual([8]);
    const narrow = [tensorOf('only', effectOf(2, 32, 1), effectOf(4, 32, 0.5))];
    expect(() => bitOptions(narrow, { leastBits: () => 8 })).toThrow('Expected only to be measured at 8 bits or more');
  });

  it('adds up the same bits for all, or the fewest more that a tensor was measured with', () => {
    const two = uniformAllocation(sensitivities, 2);
    expect(formatsOf(two.assignment)).toEqual({ table: '4 by 32', first: '2 by 32', second: '2 by 32' });
    expect(two).toMatchObject({ bytes: 18 + 10 + 10, predictedLoss: 2.75 });
    const fine = uniformAllocation(sensitivities, 4, 16);
    expect(formatsOf(fine.assignment)).toEqual({ table: '4 by 16', first: '4 by 32', second: '4 by 32' });
    expect(() => uniformAllocation([tensorOf('only', effectOf(4, 32, 1))], 8)).toThrow('Expected only');
  });

  it('hands out the matrices that were measured', () => {
    const { assignment } = uniformAllocation(sensitivities, 8);
    const matrices = assignedMatrices(assignment);
    expect([...matrices.keys()]).toEqual(['table', 'first', 'second']);
    expect(matrices.get('table')).toBe(sensitivities[0]?.effects[2]?.matrix);
  });

  it('can be raised from what was planned', async () => {
    const { assignment } = planMixedPrecision(sensitivities, { loss: 1 });
    const asked: BitAssignment[] = [];
    const { status, final } = await raiseBits(assignment, bitOptions(sensitivities), async (raised) => {
      asked.push(raised);
      return { passed: [...raised.values()].reduce((sum, { predictedLoss }) => sum + predictedLoss, 0) < 0.5 };
    });
    expect(status).toBe('passed');
    expect(formatsOf(final.assignment)).toEqual({ table: '8 by 32', first: '4 by 32', second: '4 by 32' });
    expect(assignedMatrices(final.assignment).size).toBe(3);
  });
});
