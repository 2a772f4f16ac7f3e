import { describe, expect, it } from 'vitest';
import type { Metric, ValueRecord } from '../../../../src/core/measurement.ts';
import { createRandom, type Random } from '../../../../src/core/random.ts';
import { bootstrapRatioInterval, mean } from '../../../../src/core/statistics.ts';
import { type ChangeTest, testChange } from '../../../../src/report/compare/change-test.ts';

/** A record of made-up documents, with its interval made as the library makes it. */
function measure(samples: readonly number[], more: Partial<ValueRecord> = {}): ValueRecord {
  const documents = samples.map((numerator) => ({ numerator, denominator: 1 }));
  const interval = bootstrapRatioInterval(documents, { seed: 1, resamples: 400 });
  return {
    ...{ id: 'micro/bits_per_byte', subject: 'micro', metric: 'bits_per_byte', unit: 'bits/byte', method: 'made up' },
    ...{ conditions: {}, status: 'measured', value: mean(samples), confidence: 0.95, n: samples.length, samples },
    ...(interval && { interval }),
    ...more,
  };
}

/** Documents that differ much from each other, as real ones do. */
const draw = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => 1.5 + 0.3 * random.normal());

const test = (before: ValueRecord, after: ValueRecord, onSameText: boolean): ChangeTest => {
  const found = testChange(before, after, onSameText);
  if ('reason' in found) throw new Error(found.reason);
  return found;
};

/** The share of 300 comparisons whose p-value is at most 0.05. */
function findingShare(seed: number, compare: (random: Random) => ChangeTest): number {
  const random = createRandom(seed);
  let found = 0;
  for (let round = 0; round < 300; round++) if (compare(random).pValue <= 0.05) found += 1;
  return found / 300;
}

/** 0.05 and three standard deviations of 300 draws. */
const mostFalse = 0.05 + 3 * Math.sqrt((0.05 * 0.95) / 300);

describe('two intervals', () => {
  it.each([10, 40])('of %d documents each differ by chance in at most 5%% of the cases', (count) => {
    const share = findingShare(count, (random) =>
      test(measure(draw(random, count)), measure(draw(random, count)), false),
    );
    expect(share).toBeLessThan(mostFalse);
  });

  it('of 60 documents each show a shift of a fifth in nearly all cases', () => {
    const share = findingShare(2, (random) => {
      const after = draw(random, 60).map((value) => value * 1.2);
      return test(measure(draw(random, 60)), measure(after), false);
    });
    expect(share).toBeGreaterThan(0.95);
  });

  it('find less, not more, where both are of the same documents', () => {
    const share = findingShare(3, (random) => {
      const own = draw(random, 40);
      const noisy = own.map((value) => value + 0.01 * random.normal());
      return test(measure(own), measure(noisy), false);
    });
    expect(share).toBe(0);
  });

  it('are compared on the scale of ratios, and symmetrically', () => {
    const one = measure([1, 2, 3, 4, 5, 6], { value: 3, interval: [2.7, 3.3] });
    const other = { ...one, value: 3.6, interval: [3.3, 3.9] as const };
    const [there, back] = [test(one, other, false), test(other, one, false)];
    expect(there.scale).toBe('relative');
    expect(there.pValue).toBeCloseTo(back.pValue, 12);
    expect((1 + there.interval[0]) * (1 + back.interval[1])).toBeCloseTo(1, 9);
    // By hand: ln 1.2 by the root of both variances, each widened by 6/5.
    const variance = (low: number, high: number) => (Math.log(high / low) / 2 / 1.959964) ** 2 * (6 / 5);
    const [a, b] = [variance(2.7, 3.3), variance(3.3, 3.9)];
    const degrees = (a + b) ** 2 / (a ** 2 / 5 + b ** 2 / 5);
    expect(degrees).toBeGreaterThan(5);
    expect(Math.log1p(there.interval[0])).toBeLessThan(Math.log(1.2) - 1.96 * Math.sqrt(a + b));
    expect((Math.log1p(there.interval[0]) + Math.log1p(there.interval[1])) / 2).toBeCloseTo(Math.log(1.2), 9);
  });

  it('of shares, or that reach 0, are compared by their difference', () => {
    const share: Partial<ValueRecord> = { metric: 'top1_agreement' as Metric, value: 0.9, interval: [0.88, 0.92] };
    const before = measure([1, 2, 3, 4, 5, 6], share);
    const after = { ...before, value: 0.95, interval: [0.93, 0.97] as const };
    const found = test(before, after, false);
    expect(found.scale).toBe('absolute');
    expect((found.interval[0] + found.interval[1]) / 2).toBeCloseTo(0.05, 9);
    const zero = measure([1, 2, 3, 4, 5, 6], { value: 0, interval: [0, 0.1] });
    expect(test(zero, measure([1, 2, 3, 4, 5, 6], { value: 0.1, interval: [0.05, 0.2] }), false).scale).toBe(
      'absolute',
    );
  });

  it('of no width differ for certain, or not at all', () => {
    const flat = measure([2, 2, 2, 2, 2, 2]);
    expect(test(flat, { ...flat, value: 2.1, interval: [2.1, 2.1] }, false).pValue).toBe(0);
    expect(test(flat, flat, false).pValue).toBe(1);
  });
});

describe('the same documents in pairs', () => {
  it('differ by chance in at most 5% of the cases', () => {
    const share = findingShare(4, (random) => {
      const own = draw(random, 30);
      const [one, other] = [0, 1].map(() => own.map((value) => value + 0.02 * random.normal()));
      return test(measure(one as number[]), measure(other as number[]), true);
    });
    expect(share).toBeLessThan(mostFalse);
  });

  it('show a shift of 1% that two intervals do not', () => {
    const compare = (onSameText: boolean) => (random: Random) => {
      const own = draw(random, 60);
      return test(measure(own), measure(own.map((value) => value * 1.01 + 0.02 * random.normal())), onSameText);
    };
    expect(findingShare(5, compare(true))).toBeGreaterThan(0.9);
    expect(findingShare(5, compare(false))).toBe(0);
    const { kind, interval } = compare(true)(createRandom(6));
    expect(kind).toBe('paired');
    expect(interval[0]).toBeLessThan(0.01);
    expect(interval[1]).toBeGreaterThan(0.01);
  });

  it.each<[string, Partial<ValueRecord>]>([
    ['another number of documents', { samples: [1, 2, 3, 4, 5] }],
    ['samples of another kind', { samples: [9, 9, 9, 9, 9, 9] }],
    ['another method', { method: 'another sample' }],
  ])('are not taken for such with %s', (_name, change) => {
    const before = measure([1, 2, 3, 4, 5, 6]);
    expect(test(before, measure([1, 2, 3, 4, 5, 6.5], change), true).kind).toBe('intervals');
  });
});

describe('testChange', () => {
  const whole = measure([1, 2, 3, 4, 5, 6]);
  const { interval: _, ...bare } = whole;
  const { confidence: __, ...bounds } = whole;
  it.each<[string, ValueRecord, ValueRecord, RegExp]>([
    ['an interval before', bare, whole, /no interval before/],
    ['an interval after', whole, bare, /no interval after/],
    ['a coverage', whole, bounds, /without a coverage/],
    ['enough samples', whole, { ...whole, n: 4 }, /fewer than 5/],
  ])('says that a record lacks %s', (_name, before, after, reason) => {
    expect(testChange(before, after, false)).toEqual({ reason: expect.stringMatching(reason) });
  });
});
