import { describe, expect, it } from 'vitest';
import { checkSchedule, learningRateAt, type ScheduleOptions } from '../../../src/training/schedule.ts';

const options: ScheduleOptions = { peak: 0.5, totalSteps: 100, warmupSteps: 10, decayShare: 0.4, finalShare: 0.1 };
const rates = (given: ScheduleOptions): number[] =>
  Array.from({ length: given.totalSteps }, (_, step) => learningRateAt(step, given));

describe('learningRateAt', () => {
  it('rises from a tenth of the peak to the peak in ten equal steps', () => {
    const rising = rates(options).slice(0, 10);
    rising.forEach((rate, step) => {
      expect(rate).toBeCloseTo(0.05 * (step + 1), 12);
    });
  });

  it('stays at the peak until the last 40 steps', () => {
    expect(rates(options).slice(9, 60)).toEqual(Array(51).fill(0.5));
  });

  it('falls in a straight line over the last 40 steps, to its final share at the very last', () => {
    const falling = rates(options).slice(59);
    expect(falling.at(-1)).toBeCloseTo(0.05, 12);
    for (let index = 1; index < falling.length; index++) {
      const fall = (falling[index - 1] as number) - (falling[index] as number);
      expect(fall).toBeCloseTo((0.5 - 0.05) / 40, 12);
    }
  });

  it('starts at the peak without warm-up and ends at it without decay', () => {
    expect(new Set(rates({ ...options, warmupSteps: 0, decayShare: 0 }))).toEqual(new Set([0.5]));
  });

  it('decays over the whole run when the share is 1', () => {
    const all = rates({ ...options, warmupSteps: 0, decayShare: 1, finalShare: 0 });
    expect(all[0]).toBeCloseTo(0.5 * 0.99, 12);
    expect(all.at(-1)).toBe(0);
    expect([...all].sort((a, b) => b - a)).toEqual(all);
  });

  it('never leaves 0 to the peak, even where warm-up and decay overlap or the run is over', () => {
    const tight = { ...options, totalSteps: 8, warmupSteps: 20, decayShare: 1 };
    for (const rate of [...rates(tight), learningRateAt(8, tight), learningRateAt(500, options)]) {
      expect(rate).toBeGreaterThanOrEqual(0);
      expect(rate).toBeLessThanOrEqual(0.5);
    }
  });

  it('works for a single step', () => {
    expect(learningRateAt(0, { ...options, totalSteps: 1, warmupSteps: 0, decayShare: 0 })).toBe(0.5);
  });
});

describe('checkSchedule', () => {
  it('accepts the ends of every range', () => {
    expect(() =>
      checkSchedule({ peak: 1e-9, totalSteps: 1, warmupSteps: 0, decayShare: 0, finalShare: 0 }),
    ).not.toThrow();
    expect(() =>
      checkSchedule({ peak: 0.999, totalSteps: 1, warmupSteps: 9, decayShare: 1, finalShare: 1 }),
    ).not.toThrow();
  });

  it.each<[keyof ScheduleOptions, readonly number[]]>([
    ['peak', [0, 1, -0.1, Number.NaN, Number.POSITIVE_INFINITY]],
    ['totalSteps', [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]],
    ['warmupSteps', [-1, 0.5, Number.NaN]],
    ['decayShare', [-0.01, 1.01, Number.NaN]],
    ['finalShare', [-0.01, 1.01, Number.NaN]],
  ])('refuses a bad %s and names it', (name, values) => {
    for (const value of values) {
      expect(() => checkSchedule({ ...options, [name]: value })).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: expect.stringMatching(new RegExp(`${name}.*${value}`)),
        }),
      );
    }
  });
});
