import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../../src/training/checkpoint-file.ts';
import type { Stepper } from '../../../src/training/stepper.ts';
import { type TrainingProgress, type TrainOptions, train } from '../../../src/training/trainer.ts';
import { countDifferentBits, createToySampler, createToyStepper, toySchedule } from './toy-model.ts';

const totalSteps = 14;
const checkpointEvery = 5;

interface Ending {
  readonly weights: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly optimizerStep: number;
  readonly progress: TrainingProgress;
  /** Losses of the steps taken, by step. */
  readonly losses: ReadonlyMap<number, number>;
}

let folder: string;
let path: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-resume-'));
  path = join(folder, 'checkpoint.safetensors');
});
afterAll(() => rm(folder, { recursive: true }));

/** As a process of its own would: a new stepper with other weights, a new sampler, and the checkpoint if there is one. */
async function trainAnew(
  threads: number,
  resume: boolean,
  change: Partial<TrainOptions> = {},
  onStep: (step: number) => void = () => undefined,
): Promise<Ending> {
  const stepper: Stepper = await createToyStepper({ threads }, { seed: resume ? 99 : 1 });
  try {
    const losses = new Map<number, number>();
    const before = resume ? await readCheckpoint(path, stepper, {}) : undefined;
    const progress = await train(stepper, createToySampler(), {
      schedule: toySchedule(totalSteps),
      validateEvery: 4,
      validate: async () => ({ norm: Math.hypot(...stepper.parameters.data) }),
      checkpointEvery,
      checkpoint: (now) => writeCheckpoint(path, stepper, now, {}),
      ...(before && { resume: before }),
      onStep: ({ step, loss }) => {
        losses.set(step, loss);
        onStep(step);
      },
      ...change,
    });
    const { mean, variance, step: optimizerStep } = stepper.optimizer;
    return { weights: stepper.parameters.data, mean, variance, optimizerStep, progress, losses };
  } finally {
    await stepper.release();
  }
}

function expectSameEnding(actual: Ending, expected: Ending): void {
  for (const part of ['weights', 'mean', 'variance'] as const) {
    expect(countDifferentBits(actual[part], expected[part]), part).toBe(0);
  }
  expect(actual.optimizerStep).toBe(expected.optimizerStep);
  expect(actual.progress).toEqual(expected.progress);
  for (const [step, loss] of actual.losses) expect(loss, `loss of step ${step}`).toBe(expected.losses.get(step));
}

/** Stops as Ctrl-C does, after a step of the caller's choice. */
async function interruptAt(threads: number, step: number, resume: boolean): Promise<void> {
  const controller = new AbortController();
  const { progress } = await trainAnew(threads, resume, { signal: controller.signal }, (at) => {
    if (at === step) controller.abort();
  });
  expect(progress.step).toBe(step);
}

describe.each([1, 2])('with %i threads', (threads) => {
  let whole: Ending;

  beforeAll(async () => {
    whole = await trainAnew(threads, false);
    expect(whole.optimizerStep).toBe(totalSteps);
    expect(whole.losses.get(totalSteps)).toBeLessThan((whole.losses.get(1) as number) - 0.5);
  });

  it.each([1, 5, 8, 13])('a run interrupted after step %i and resumed ends as if it had not been', async (step) => {
    await interruptAt(threads, step, false);
    const resumed = await trainAnew(threads, true);
    expect([...resumed.losses.keys()][0]).toBe(step + 1);
    expectSameEnding(resumed, whole);
  });

  it('so does one that dies between checkpoints, and one that is interrupted again and again', async () => {
    const died = trainAnew(threads, false, {}, (step) => {
      if (step === 8) throw new Error('killed');
    });
    await expect(died).rejects.toThrow('killed');
    await interruptAt(threads, 7, true);
    await interruptAt(threads, 11, true);
    expectSameEnding(await trainAnew(threads, true), whole);
  });

  it('and one that had already ended', async () => {
    await trainAnew(threads, false);
    const resumed = await trainAnew(threads, true);
    expect(resumed.losses.size).toBe(0);
    expectSameEnding(resumed, whole);
  });
});
