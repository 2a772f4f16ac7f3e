import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AllocatableTensor,
  allocateBits,
  type BitAssignment,
  type BitOption,
} from '../../../src/compression/bit-allocation.ts';
import type { BitWidth } from '../../../src/core/quantized-matrix.ts';
import { createRandom } from '../../../src/core/random.ts';

const widths: readonly BitWidth[] = [2, 4, 8];

/** Losses that add up without rounding. */
const option = (bits: BitWidth) =>
  fc.record({
    bits: fc.constant(bits),
    bytes: fc.integer({ min: 0, max: 40 }),
    predictedLoss: fc.integer({ min: 0, max: 40 }).map((loss) => loss / 64),
  });

const tensorList = fc
  .array(
    fc.subarray([...widths], { minLength: 1 }).chain((bits) => fc.tuple(...bits.map(option))),
    { minLength: 1, maxLength: 5 },
  )
  .map((lists) => lists.map((options, index): AllocatableTensor => ({ name: `tensor ${index}`, options })));

/** Every way to choose, one after the other. */
function everyChoice(tensors: readonly AllocatableTensor[]): { bytes: number; loss: number }[] {
  let all = [{ bytes: 0, loss: 0 }];
  for (const { options } of tensors) {
    all = all.flatMap(({ bytes, loss }) =>
      options.map((each) => ({ bytes: bytes + each.bytes, loss: loss + each.predictedLoss })),
    );
  }
  return all;
}

/** What an assignment really comes to. */
function totalsOf(tensors: readonly AllocatableTensor[], assignment: BitAssignment) {
  expect([...assignment.keys()]).toEqual(tensors.map(({ name }) => name));
  const chosen = tensors.map(({ name, options }) => {
    const option = assignment.get(name) as BitOption;
    expect(options).toContain(option);
    return option;
  });
  return {
    bytes: chosen.reduce((sum, { bytes }) => sum + bytes, 0),
    predictedLoss: chosen.reduce((sum, { predictedLoss }) => sum + predictedLoss, 0),
  };
}

describe('allocateBits', () => {
  it('finds the smallest size within a loss that trying everything finds', () => {
    fc.assert(
      fc.property(tensorList, fc.integer({ min: 0, max: 120 }), (tensors, sixtyFourths) => {
        const loss = sixtyFourths / 64;
        const within = everyChoice(tensors).filter((choice) => choice.loss <= loss);
        if (within.length === 0) {
          const least = Math.min(...everyChoice(tensors).map((choice) => choice.loss));
          expect(() => allocateBits(tensors, { loss })).toThrow(`at least ${least} nats per token`);
          return;
        }
        const { assignment, ...totals } = allocateBits(tensors, { loss });
        expect(totals).toEqual(totalsOf(tensors, assignment));
        expect(totals.predictedLoss).toBeLessThanOrEqual(loss);
        expect(totals.bytes).toBe(Math.min(...within.map(({ bytes }) => bytes)));
        const asSmall = within.filter(({ bytes }) => bytes === totals.bytes);
        expect(totals.predictedLoss).toBe(Math.min(...asSmall.map((choice) => choice.loss)));
      }),
      { seed: 21, numRuns: 300 },
    );
  });

  it('finds the least loss within a size that trying everything finds', () => {
    fc.assert(
      fc.property(tensorList, fc.integer({ min: 0, max: 150 }), (tensors, bytes) => {
        const within = everyChoice(tensors).filter((choice) => choice.bytes <= bytes);
        if (within.length === 0) {
          const least = Math.min(...everyChoice(tensors).map((choice) => choice.bytes));
          expect(() => allocateBits(tensors, { bytes })).toThrow(`at least ${least} bytes`);
          return;
        }
        const { assignment, ...totals } = allocateBits(tensors, { bytes });
        expect(totals).toEqual(totalsOf(tensors, assignment));
        expect(totals.bytes).toBeLessThanOrEqual(bytes);
        expect(totals.predictedLoss).toBe(Math.min(...within.map(({ loss }) => loss)));
      }),
      { seed: 22, numRuns: 300 },
    );
  });

  it('keeps its limits and stays close to the optimum where allocations have to be thinned out', () => {
    const random = createRandom(5, 23);
    // Loss falls by as much as bytes rise, so that no allocation beats another: all 2^17 are left.
    const tensors = Array.from({ length: 17 }, (_, index): AllocatableTensor => {
      const bytes = 1000 + random.integer(2 ** 30);
      return {
        name: `tensor ${index}`,
        options: [
          { bits: 4, bytes, predictedLoss: bytes },
          { bits: 8, bytes: 2 * bytes, predictedLoss: 0 },
        ],
      };
    });
    const all = everyChoice(tensors);
    const most = Math.max(...tensors.map(({ options }) => (options[0] as BitOption).predictedLoss)) * 17;
    const excesses: number[] = [];
    for (const share of [0.05, 0.2, 0.35]) {
      const loss = most * share;
      const found = allocateBits(tensors, { loss });
      expect(found.predictedLoss).toBeLessThanOrEqual(loss);
      const best = all.reduce((least, each) => (each.loss <= loss ? Math.min(least, each.bytes) : least), Infinity);
      expect(found.bytes).toBeGreaterThanOrEqual(best);
      excesses.push(found.bytes / best - 1);
    }
    expect(Math.max(...excesses)).toBeLessThan(17 / 2 ** 14);
    // Otherwise nothing was thinned out.
    expect(Math.max(...excesses)).toBeGreaterThan(0);
    const smallest = all.reduce((least, { bytes }) => Math.min(least, bytes), Infinity);
    expect(allocateBits(tensors, { bytes: smallest }).bytes).toBe(smallest);
    expect(allocateBits(tensors, { loss: 0 }).predictedLoss).toBe(0);
  });

  it('never takes an option whose loss is not finite', () => {
    const options: BitOption[] = [
      { bits: 2, bytes: 1, predictedLoss: Number.NaN },
      { bits: 4, bytes: 2, predictedLoss: Number.POSITIVE_INFINITY },
      { bits: 8, bytes: 3, predictedLoss: 1 },
    ];
    expect(allocateBits([{ name: 'a', options }], { loss: 5 }).assignment.get('a')).toBe(options[2]);
    expect(() => allocateBits([{ name: 'a', options: options.slice(0, 2) }], { loss: 5 })).toThrow('finite loss for a');
  });

  it('refuses what bits cannot be chosen for', () => {
    const fine: BitOption = { bits: 4, bytes: 2, predictedLoss: 1 };
    const refused = (tensors: readonly AllocatableTensor[]) =>
      expect(() => allocateBits(tensors, { loss: 9 })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    refused([]);
    refused([{ name: 'a', options: [] }]);
    refused([
      { name: 'a', options: [fine] },
      { name: 'a', options: [fine] },
    ]);
    refused([{ name: 'a', options: [{ ...fine, bytes: 1.5 }] }]);
    refused([{ name: 'a', options: [{ ...fine, bytes: -1 }] }]);
    refused([{ name: 'a', options: [{ ...fine, predictedLoss: -1 }] }]);
    expect(() => allocateBits([{ name: 'a', options: [fine] }], { loss: Number.NaN })).toThrow('got NaN');
  });
});
