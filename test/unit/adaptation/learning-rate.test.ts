import { describe, expect, it } from 'vitest';
import { learningRatePresets, nextLearningRate } from '../../../src/adaptation/learning/learning-rate.ts';
import type { AdaptationRun, RunStatus } from '../../../src/adaptation/store/store-records.ts';

const run = (status: RunStatus, learningRate = 2e-4, preset = 'default'): AdaptationRun => ({
  ...{ id: 'r', status, trigger: 'manual', seed: 1, parent: 'v1', startedAt: '2026-01-01T00:00:00.000Z' },
  settings: { preset, learningRate },
});

describe('nextLearningRate', () => {
  it('starts where the preset does', () => {
    expect(nextLearningRate([], 'original')).toBe(learningRatePresets.original.start);
    expect(nextLearningRate([run('promoted', 1e-3, 'default')], 'original')).toBe(learningRatePresets.original.start);
  });

  it('starts lower for a larger model', () => {
    expect(nextLearningRate([], 'default', 300_000)).toBe(2e-4);
    expect(nextLearningRate([], 'default', 2_920_000)).toBeCloseTo(1e-4, 10);
    expect(nextLearningRate([], 'original', 2_920_000)).toBe(1e-5);
  });

  it('rises by half after more failures than successes, and falls by a fifth after nearly only successes', () => {
    expect(nextLearningRate([run('rejected')], 'default')).toBeCloseTo(3e-4, 10);
    expect(nextLearningRate([run('promoted')], 'default')).toBeCloseTo(1.6e-4, 10);
    expect(nextLearningRate([run('canary'), run('rejected')], 'default')).toBeCloseTo(2e-4, 10);
  });

  it('stays within the bounds', () => {
    const { least, most } = learningRatePresets.original;
    expect(nextLearningRate([run('rejected', 9e-5, 'original')], 'original')).toBe(most);
    expect(nextLearningRate([run('promoted', 1.1e-7, 'original')], 'original')).toBe(least);
  });

  it('counts neither runs that failed or had too little to learn from, nor those with a rate of their own', () => {
    const own = { ...run('rejected'), settings: { learningRate: 9e-4 } };
    expect(nextLearningRate([run('failed'), run('skipped'), own, run('promoted')], 'default')).toBeCloseTo(1.6e-4, 10);
  });

  it('refuses a preset that there is not', () => {
    expect(() => nextLearningRate([], 'toString')).toThrow('default, original');
  });
});
