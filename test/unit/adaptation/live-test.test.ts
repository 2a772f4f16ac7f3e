import { describe, expect, it } from 'vitest';
import { testLiveFeedback } from '../../../src/adaptation/live-test.ts';
import { createRandom } from '../../../src/core/random.ts';

const draw = (seed: number, share: number, count: number): boolean[] => {
  const random = createRandom(seed, 31);
  return Array.from({ length: count }, () => random.uniform() < share);
};

describe('testLiveFeedback', () => {
  it.each([0.05, 0.3, 0.6])('raises a false alarm less often than it says, at a share of %f', (share) => {
    const trials = 1000;
    let alarms = 0;
    for (let trial = 0; trial < trials; trial++) {
      if (testLiveFeedback(draw(2 * trial, share, 400), draw(2 * trial + 1, share, 400), 0.05).isWorse) alarms += 1;
    }
    // Three standard deviations above 5%.
    expect(alarms / trials).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / trials));
  });

  it('finds a version that is much worse within a hundred judgements, nearly always', () => {
    let found = 0;
    for (let trial = 0; trial < 200; trial++) {
      if (testLiveFeedback(draw(2 * trial, 0.2, 100), draw(2 * trial + 1, 0.6, 100)).isWorse) found += 1;
    }
    expect(found / 200).toBeGreaterThan(0.95);
  });

  it('never finds one that is better', () => {
    const { isWorse, evidence } = testLiveFeedback(draw(1, 0.6, 500), draw(2, 0.2, 500));
    expect(isWorse).toBe(false);
    expect(evidence).toBeLessThan(5);
  });

  it('compares as many as both have, and says nothing without any', () => {
    expect(testLiveFeedback([], [true, true])).toEqual({
      pairs: 0,
      badShare: { old: 0, new: 0 },
      evidence: 1,
      isWorse: false,
    });
    expect(testLiveFeedback([false, true], [true, true, true])).toMatchObject({
      pairs: 2,
      badShare: { old: 0.5, new: 1 },
    });
  });
});
