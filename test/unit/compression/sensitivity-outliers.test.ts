import { describe, expect, it } from 'vitest';
import { findSensitiveTensors } from '../../../src/compression/sensitivity-outliers.ts';

const errorsOf = (values: readonly number[]) => values.map((error, index) => ({ name: `tensor ${index}`, error }));

describe('findSensitiveTensors', () => {
  it('names the tensors above the percentile times the margin, the strongest first, and says why', () => {
    // Of 41 errors the 95th percentile is the 39th in order: 38.
    const errors = errorsOf([...Array.from({ length: 39 }, (_, index) => index), 50, 80]);
    const report = findSensitiveTensors(errors, { margin: 1.25 });
    expect(report).toMatchObject({ percentile: 95, margin: 1.25, quantile: 38, threshold: 47.5 });
    expect(report.sensitive.map(({ name, error }) => [name, error])).toEqual([
      ['tensor 40', 80],
      ['tensor 39', 50],
    ]);
    expect(report.sensitive[0]?.excess).toBeCloseTo(80 / 47.5, 12);
    expect(report.sensitive[0]?.reason).toBe(
      'Its error, 80, is 1.68 times the threshold of 47.5 (percentile 95, 38, times 1.25).',
    );
  });

  it('finds none among equals, and none within the margin', () => {
    expect(findSensitiveTensors(errorsOf([3, 3, 3, 3])).sensitive).toEqual([]);
    const errors = errorsOf([...Array.from({ length: 30 }, () => 1), 1.05]);
    expect(findSensitiveTensors(errors, { margin: 1.1 }).sensitive).toEqual([]);
    expect(findSensitiveTensors(errors, { margin: 1 }).sensitive).toHaveLength(1);
  });

  it('finds one at most of fewer than 20, at the default percentile', () => {
    const { sensitive } = findSensitiveTensors(errorsOf([...Array.from({ length: 17 }, () => 0), 100, 5000]));
    expect(sensitive.map(({ name }) => name)).toEqual(['tensor 18']);
  });

  it('refuses what has no percentile', () => {
    const refused = (errors: readonly number[], options = {}) =>
      expect(() => findSensitiveTensors(errorsOf(errors), options)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    refused([]);
    refused([1, Number.NaN]);
    refused([1, -1]);
    refused([1], { percentile: 101 });
    refused([1], { percentile: Number.NaN });
    refused([1], { margin: 0.9 });
    refused([1], { margin: Number.POSITIVE_INFINITY });
  });
});
