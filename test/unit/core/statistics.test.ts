import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import {
  bootstrapRatioInterval,
  mean,
  median,
  medianInterval,
  pairedRatioInterval,
  quantile,
  standardDeviation,
} from '../../../src/core/statistics.ts';

const property = { seed: 1, numRuns: 100 };
const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });

describe('descriptive statistics', () => {
  it('agrees with values worked out by hand', () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(quantile([4, 1, 3, 2], 0.25)).toBeCloseTo(1.75, 12);
    expect(quantile([4, 1, 3, 2], 1)).toBe(4);
    expect(median([3, 1, 2])).toBe(2);
    expect(median(Float32Array.of(4, 1, 3, 2))).toBe(2.5);
  });

  it('keeps a quantile within the values and in order, and the input as it was', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1 }), fc.tuple(unit(), unit()), (values, [a, b]) => {
        const before = [...values];
        const low = quantile(values, Math.min(a, b));
        const high = quantile(values, Math.max(a, b));
        expect(low).toBeGreaterThanOrEqual(Math.min(...values));
        expect(high).toBeLessThanOrEqual(Math.max(...values));
        expect(low).toBeLessThanOrEqual(high);
        expect(values).toEqual(before);
      }),
      property,
    );
  });

  it('shifts with its values and ignores the shift in the deviation', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 2 }), finite, (values, shift) => {
        const shifted = values.map((value) => value + shift);
        expect(mean(shifted)).toBeCloseTo(mean(values) + shift, 6);
        expect(standardDeviation(shifted)).toBeCloseTo(standardDeviation(values), 6);
      }),
      property,
    );
  });

  it.each([
    ['mean of nothing', () => mean([])],
    ['deviation of one value', () => standardDeviation([1])],
    ['quantile of nothing', () => quantile([], 0.5)],
    ['quantile beyond 1', () => quantile([1], 1.1)],
    ['quantile at NaN', () => quantile([1], Number.NaN)],
  ])('refuses the %s', (_name, call) => {
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('bootstrapRatioInterval', () => {
  it('covers a known mean in at least 90 of 100 trials, and not always', () => {
    let covered = 0;
    for (let trial = 0; trial < 100; trial++) {
      const random = createRandom(7, trial);
      const documents = Array.from({ length: 60 }, () => ({ numerator: 3 + random.normal(), denominator: 1 }));
      const [low, high] = bootstrapRatioInterval(documents, { seed: trial, resamples: 400 }) as [number, number];
      if (low <= 3 && 3 <= high) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(90);
    expect(covered).toBeLessThan(100);
  });

  it('covers a known ratio of documents of unequal length', () => {
    let covered = 0;
    for (let trial = 0; trial < 100; trial++) {
      const random = createRandom(8, trial);
      const documents = Array.from({ length: 60 }, () => {
        const denominator = 10 + random.integer(90);
        return { numerator: denominator * (2 + 0.5 * random.normal()), denominator };
      });
      const [low, high] = bootstrapRatioInterval(documents, { seed: trial, resamples: 400 }) as [number, number];
      if (low <= 2 && 2 <= high) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(90);
  });

  it('repeats exactly for a seed and differs for another', () => {
    const documents = noisyDocuments(30);
    const first = bootstrapRatioInterval(documents, { seed: 5 });
    expect(bootstrapRatioInterval(documents, { seed: 5 })).toEqual(first);
    expect(bootstrapRatioInterval(documents, { seed: 6 })).not.toEqual(first);
  });

  it('contains the ratio, widens with confidence and commutes with an increasing transform', () => {
    const documents = noisyDocuments(30);
    const ratio = sum(documents, 'numerator') / sum(documents, 'denominator');
    const wide = bootstrapRatioInterval(documents, { seed: 1, confidence: 0.99 }) as [number, number];
    const narrow = bootstrapRatioInterval(documents, { seed: 1, confidence: 0.5 }) as [number, number];
    expect(wide[0]).toBeLessThan(narrow[0]);
    expect(narrow[0]).toBeLessThan(ratio);
    expect(ratio).toBeLessThan(narrow[1]);
    expect(narrow[1]).toBeLessThan(wide[1]);
    const bits = bootstrapRatioInterval(documents, { seed: 1, confidence: 0.5, transform: (nats) => nats / Math.LN2 });
    expect(bits?.[0]).toBeCloseTo(narrow[0] / Math.LN2, 12);
    expect(bits?.[1]).toBeCloseTo(narrow[1] / Math.LN2, 12);
  });

  it('holds the ratio of all documents, however unequal and however few are drawn', () => {
    const document = fc.record({ numerator: finite, denominator: fc.double({ min: 1e-3, max: 1e6, noNaN: true }) });
    fc.assert(
      fc.property(
        fc.array(document, { minLength: 2, maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        (all, resamples) => {
          const [low, high] = bootstrapRatioInterval(all, { seed: 1, resamples }) as [number, number];
          const ratio = sum(all, 'numerator') / sum(all, 'denominator');
          expect(low).toBeLessThanOrEqual(ratio);
          expect(high).toBeGreaterThanOrEqual(ratio);
        },
      ),
      property,
    );
  });

  it('is a point for documents that are all alike', () => {
    const documents = Array.from({ length: 5 }, () => ({ numerator: 6, denominator: 4 }));
    expect(bootstrapRatioInterval(documents, { seed: 1, resamples: 20 })).toEqual([1.5, 1.5]);
  });

  it('gives no interval for fewer than two documents', () => {
    expect(bootstrapRatioInterval([], { seed: 1 })).toBeUndefined();
    expect(bootstrapRatioInterval([{ numerator: 1, denominator: 2 }], { seed: 1 })).toBeUndefined();
  });

  it('draws again where only empty documents were drawn', () => {
    const documents = [
      { numerator: 3, denominator: 2 },
      { numerator: 0, denominator: 0 },
    ];
    expect(bootstrapRatioInterval(documents, { seed: 1, resamples: 200 })).toEqual([1.5, 1.5]);
  });

  it.each([
    ['a numerator that is not a number', [{ numerator: Number.NaN, denominator: 1 }], { seed: 1 }],
    ['a negative denominator', [{ numerator: 1, denominator: -1 }], { seed: 1 }],
    ['nothing but empty documents', [{ numerator: 1, denominator: 0 }], { seed: 1 }],
    ['a fractional seed', [], { seed: 0.5 }],
    ['no resamples', [], { seed: 1, resamples: 0 }],
    ['full confidence', [], { seed: 1, confidence: 1 }],
  ])('refuses %s', (_name, documents, options) => {
    expect(() => bootstrapRatioInterval(documents, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('pairedRatioInterval', () => {
  it('finds a small difference that the documents hide when taken apart', () => {
    const random = createRandom(11);
    const documents = Array.from({ length: 40 }, () => {
      const baseline = 100 * (3 + random.normal());
      return { candidate: baseline + 1 + 0.2 * random.normal(), baseline, denominator: 100 };
    });
    const [low, high] = pairedRatioInterval(documents, { seed: 1 }) as [number, number];
    expect(low).toBeGreaterThan(1);
    expect(low).toBeLessThan(Math.exp(0.01));
    expect(high).toBeGreaterThan(Math.exp(0.01));
    const alone = bootstrapRatioInterval(
      documents.map(({ candidate, denominator }) => ({ numerator: candidate, denominator })),
      { seed: 1, transform: Math.exp },
    ) as [number, number];
    expect(high - low).toBeLessThan((alone[1] - alone[0]) / 100);
  });

  it('turns into its inverse when the models change places', () => {
    const random = createRandom(12);
    const documents = Array.from({ length: 10 }, () => ({
      candidate: random.uniform(),
      baseline: random.uniform(),
      denominator: 1,
    }));
    const swapped = documents.map(({ candidate, baseline, denominator }) => ({
      candidate: baseline,
      baseline: candidate,
      denominator,
    }));
    const [low, high] = pairedRatioInterval(documents, { seed: 2, resamples: 1001 }) as [number, number];
    const [otherLow, otherHigh] = pairedRatioInterval(swapped, { seed: 2, resamples: 1001 }) as [number, number];
    expect(otherLow).toBeCloseTo(1 / high, 2);
    expect(otherHigh).toBeCloseTo(1 / low, 2);
  });

  it('is exactly 1 for equal models and absent for a single document', () => {
    const documents = noisyDocuments(5).map(({ numerator, denominator }) => ({
      candidate: numerator,
      baseline: numerator,
      denominator,
    }));
    expect(pairedRatioInterval(documents, { seed: 1 })).toEqual([1, 1]);
    expect(pairedRatioInterval(documents.slice(0, 1), { seed: 1 })).toBeUndefined();
  });
});

function unit(): fc.Arbitrary<number> {
  return fc.double({ min: 0, max: 1, noNaN: true });
}

function noisyDocuments(length: number): { numerator: number; denominator: number }[] {
  const random = createRandom(3);
  return Array.from({ length }, () => ({
    numerator: 50 + 20 * random.uniform(),
    denominator: 20 + random.integer(20),
  }));
}

function sum(documents: readonly { numerator: number; denominator: number }[], key: 'numerator' | 'denominator') {
  return documents.reduce((total, document) => total + document[key], 0);
}

describe('medianInterval', () => {
  // Ranks and coverage from binomial tables.
  it.each([
    [6, [1, 6], 0.96875],
    [10, [2, 9], 0.978515625],
    [15, [4, 12], 0.96484375],
    [20, [6, 15], 0.9586105346679688],
    [25, [8, 18], 0.9567147493362427],
  ])('of %d values', (n, interval, confidence) => {
    const found = medianInterval(Array.from({ length: n }, (_, index) => n - index));
    expect(found.interval).toEqual(interval);
    expect(found.confidence).toBeCloseTo(confidence, 12);
  });

  it('of so many values that a power of a half is 0', () => {
    const { interval, confidence } = medianInterval(Array.from({ length: 10_000 }, (_, index) => index + 1));
    // The normal approximation: 5000.5 -/+ 1.96 * 50.
    expect(interval[0]).toBeGreaterThan(4899);
    expect(interval[1]).toBeLessThan(5103);
    expect(confidence).toBeGreaterThan(0.95);
    expect(confidence).toBeLessThan(0.952);
  });

  it('gives all there is, and what that covers, for few values', () => {
    expect(medianInterval([3])).toEqual({ interval: [3, 3], confidence: 0 });
    expect(medianInterval([3, 1])).toEqual({ interval: [1, 3], confidence: 0.5 });
    expect(medianInterval([3, 1, 2, 5])).toEqual({ interval: [1, 5], confidence: 0.875 });
  });

  it('refuses no values', () => {
    expect(() => medianInterval([])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
