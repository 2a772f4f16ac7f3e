import { describe, expect, it } from 'vitest';
import { averageTeachers } from '../../../src/training/teacher-average.ts';
import type { TeacherRows } from '../../../src/training/teacher-rows.ts';

const rowsOf = (ids: readonly number[], weights: readonly number[], targetWeights: readonly number[]): TeacherRows => ({
  ids: BigInt64Array.from(ids, BigInt),
  weights: Float32Array.from(weights),
  targetWeights: Float32Array.from(targetWeights),
});

describe('the mean of teachers', () => {
  it('is that of their probabilities, the highest first', () => {
    const one = rowsOf([7, 2, 9], [0.5, 0.25, 0.125], [1]);
    const other = rowsOf([2, 7, 4], [0.75, 0.125, 0.0625], [1]);
    const { ids, weights } = averageTeachers([one, other], BigInt64Array.of(1n));
    expect([...ids]).toEqual([2n, 7n, 9n]);
    expect([...weights]).toEqual([0.5, 0.3125, 0.0625]);
  });

  it('knows the true token if the mean keeps it, whoever named it', () => {
    const one = rowsOf([7, 2, 7, 2], [0.5, 0.25, 0.5, 0.25], [1, 0]);
    const other = rowsOf([4, 7, 5, 7], [0.75, 0.125, 0.0625, 0.03125], [0, 1]);
    const { ids, targetWeights } = averageTeachers([one, other], BigInt64Array.of(4n, 5n));
    expect([...ids]).toEqual([4n, 7n, 7n, 2n]);
    expect([...targetWeights]).toEqual([0, 1]);
  });

  it('of one teacher is that teacher', () => {
    const one = rowsOf([7, 2], [0.5, 0.25], [1]);
    expect(averageTeachers([one], BigInt64Array.of(1n))).toBe(one);
  });

  it('takes ids beyond 16 bits', () => {
    const one = rowsOf([70_000, 2], [0.5, 0.25], [1]);
    const { ids } = averageTeachers([one, one, one], BigInt64Array.of(1n));
    expect([...ids]).toEqual([70_000n, 2n]);
  });
});
