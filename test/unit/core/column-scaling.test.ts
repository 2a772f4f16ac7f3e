import { describe, expect, it } from 'vitest';
import { measureColumns, scaleColumns, unscaleColumns } from '../../../src/core/column-scaling.ts';
import { createRandom } from '../../../src/core/random.ts';

const random = createRandom(4, 1);
/** Columns of very different means and sizes, the last of equal numbers. */
const columns = 4;
const values = Float32Array.from({ length: 300 * columns }, (_, index) => {
  const column = index % columns;
  return column === 3 ? 2.5 : column * 3 + 10 ** (column - 1) * random.normal();
});

describe('scaling the columns of a matrix', () => {
  it('measures mean and deviation of each', () => {
    const { means, deviations } = measureColumns(Float32Array.of(1, 10, 3, 10, 5, 10), 2);
    expect([...means]).toEqual([3, 10]);
    expect(deviations[0]).toBeCloseTo(Math.sqrt(8 / 3), 6);
    expect(deviations[1]).toBe(1);
  });

  it('gives columns of mean 0 and deviation 1', () => {
    const scaled = measureColumns(scaleColumns(values, measureColumns(values, columns)), columns);
    for (const mean of scaled.means) expect(mean).toBeCloseTo(0, 6);
    for (const deviation of scaled.deviations) expect(deviation).toBeCloseTo(1, 6);
  });

  it('is undone but for rounding', () => {
    const scaling = measureColumns(values, columns);
    const restored = unscaleColumns(scaleColumns(values, scaling), scaling);
    restored.forEach((value, index) => {
      expect(Math.abs(value - (values[index] as number))).toBeLessThan(1e-5 * (1 + Math.abs(value)));
    });
  });

  it('can be done in place', () => {
    const scaling = measureColumns(values, columns);
    const own = values.slice();
    expect(scaleColumns(own, scaling, own)).toBe(own);
    expect(own).toEqual(scaleColumns(values, scaling));
  });
});
