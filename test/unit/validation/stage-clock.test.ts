import { expect, it } from 'vitest';
import type { Stage } from '../../../src/validation/stage.ts';
import { createStageClock } from '../../../src/validation/stage-clock.ts';

const stage = (expectedS: number): Stage => ({ id: 'a', name: 'a', expectedS, run: async () => ({}) });

it('goes by the time that stages usually take, and by how slow this machine is', () => {
  let nowMs = 0;
  const stages = [stage(100), stage(100), stage(200)] as const;
  const clock = createStageClock(stages, () => nowMs);
  clock.begin(stages[0], false);
  expect(clock.read()).toEqual({ place: 1, total: 3, share: 0, remainingS: 400 });
  nowMs = 50_000;
  expect(clock.read().share).toBeCloseTo(0.125, 5);
  nowMs = 210_000;
  expect(clock.seconds()).toBe(210);
  clock.begin(stages[1], false);
  const { share, remainingS } = clock.read();
  expect(share).toBe(0.25);
  // Twice as slow as expected.
  expect(remainingS).toBeCloseTo(600, 5);
  expect(clock.read(0.5).share).toBe(0.375);
});

it('takes kept stages for done, but not for a sign of speed', () => {
  const stages = [stage(100), stage(100)] as const;
  const clock = createStageClock(stages, () => 0);
  clock.begin(stages[0], true);
  clock.begin(stages[1], false);
  expect(clock.read()).toEqual({ place: 2, total: 2, share: 0.5, remainingS: 100 });
});
