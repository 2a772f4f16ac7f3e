import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BatchSamplerState, createBatchSampler, type TokenizedDataset } from '../../../src/data/batches.ts';

/** Tokens first, first + 1, ...: a token tells its place. */
function countUp(length: number, first = 0): TokenizedDataset {
  const tokens = Uint32Array.from({ length }, (_, index) => first + index);
  return { name: `from ${first}`, tokens, documentStarts: Uint32Array.of(0), totalBytes: length };
}

const mixture = {
  sources: [
    { tokens: countUp(1000), weight: 3 },
    { tokens: countUp(500, 10_000), weight: 1 },
  ],
  batchSize: 4,
  sequenceLength: 16,
  seed: 7,
};

describe('createBatchSampler', () => {
  it('gives rows of neighbouring tokens and the token after each', () => {
    const { inputIds, targets } = createBatchSampler(mixture).next();
    expect(inputIds).toHaveLength(64);
    for (let row = 0; row < 4; row++) {
      const first = inputIds[row * 16] as bigint;
      for (let column = 0; column < 16; column++) {
        expect(inputIds[row * 16 + column]).toBe(first + BigInt(column));
        expect(targets[row * 16 + column]).toBe(first + BigInt(column) + 1n);
      }
    }
  });

  it('visits every window of an epoch once, and cuts elsewhere in the next', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.integer({ min: 1, max: 20 }), fc.nat(), (length, rows, seed) => {
        const sequenceLength = Math.min(rows, length - 1);
        const sampler = createBatchSampler({
          sources: [{ tokens: countUp(length), weight: 1 }],
          batchSize: 1,
          sequenceLength,
          seed,
        });
        const starts: number[] = [];
        while (sampler.state().sources[0]?.epoch === 0) starts.push(Number(sampler.next().inputIds[0]));
        // The last start begins the second epoch.
        starts.pop();
        const phase = Math.min(...starts);
        expect(phase).toBeLessThan(sequenceLength);
        const expected = [];
        for (let start = phase; start + sequenceLength < length; start += sequenceLength) expected.push(start);
        expect(starts.sort((first, second) => first - second)).toEqual(expected);
      }),
      { seed: 9 },
    );
    const sampler = createBatchSampler({ ...mixture, sources: mixture.sources.slice(0, 1), batchSize: 1 });
    const phases = new Set<bigint>();
    for (let step = 0; step < 1000; step++) phases.add((sampler.next().inputIds[0] as bigint) % 16n);
    expect(phases.size).toBeGreaterThan(4);
  });

  it('draws sources by weight', () => {
    const sampler = createBatchSampler(mixture);
    let fromFirst = 0;
    for (let step = 0; step < 1000; step++) {
      const { inputIds } = sampler.next();
      for (let row = 0; row < 4; row++) if ((inputIds[row * 16] as bigint) < 10_000n) fromFirst++;
    }
    // 4000 draws at 3/4: the standard deviation is 27.
    expect(Math.abs(fromFirst - 3000)).toBeLessThan(120);
  });

  it('depends on the seed and nothing else', () => {
    const first = createBatchSampler(mixture).next();
    expect(createBatchSampler(mixture).next()).toEqual(first);
    expect(createBatchSampler({ ...mixture, seed: 8 }).next()).not.toEqual(first);
  });

  it.each([0, 1, 10, 333])('goes on from a state taken after %i batches as if nothing had happened', (steps) => {
    const sampler = createBatchSampler(mixture);
    for (let step = 0; step < steps; step++) sampler.next();
    const state = JSON.parse(JSON.stringify(sampler.state())) as BatchSamplerState;
    const expected = Array.from({ length: 50 }, () => sampler.next());
    const resumed = createBatchSampler(mixture);
    resumed.next();
    resumed.restore(state);
    expect(resumed.state()).toEqual(state);
    expect(Array.from({ length: 50 }, () => resumed.next())).toEqual(expected);
  });

  it.each([
    ['a batch of nothing', { batchSize: 0 }],
    ['half a token', { sequenceLength: 1.5 }],
    ['a seed that is no number', { seed: Number.NaN }],
    ['no sources', { sources: [] }],
    ['a source as long as a row', { sources: [{ tokens: countUp(16), weight: 1 }] }],
    ['no weight', { sources: [{ tokens: countUp(100), weight: 0 }] }],
    ['endless weight', { sources: [{ tokens: countUp(100), weight: Number.POSITIVE_INFINITY }] }],
  ])('refuses %s', (_, change) => {
    expect(() => createBatchSampler({ ...mixture, ...change })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  it.each<[string, (state: BatchSamplerState) => object]>([
    ['of another version', (state) => ({ ...state, version: 2 })],
    ['of another seed', (state) => ({ ...state, seed: 8 })],
    ['of other rows', (state) => ({ ...state, sequenceLength: 8 })],
    ['of fewer sources', (state) => ({ ...state, sources: state.sources.slice(1) })],
    ['of other data', (state) => ({ ...state, sources: state.sources.map((place) => ({ ...place, tokenCount: 9 })) })],
    ['past the epoch', (state) => ({ ...state, sources: state.sources.map((place) => ({ ...place, position: 999 })) })],
    [
      'past the epoch of its last source',
      ({ sources: [first, ...others], ...state }) => {
        const moved = others.map((place) => ({ ...place, position: 999 }));
        return { ...state, sources: [{ ...first, position: 3 }, ...moved] };
      },
    ],
    ['without a generator', ({ random, ...state }) => ({ ...state, random: random.slice(1) })],
    ['without sources', (state) => ({ ...state, sources: null })],
    ['before the start', (state) => ({ ...state, sources: state.sources.map((place) => ({ ...place, epoch: -1 })) })],
  ])('refuses a state %s and stays where it was', (_, change) => {
    const sampler = createBatchSampler(mixture);
    const state = sampler.state();
    expect(() => sampler.restore(change(state) as BatchSamplerState)).toThrow(
      expect.objectContaining({ code: 'CHECKPOINT_INVALID' }),
    );
    expect(sampler.state()).toEqual(state);
  });
});
