import { describe, expect, it, vi } from 'vitest';
import type { BatchSampler } from '../../../src/data/batches.ts';
import type { Stepper } from '../../../src/training/stepper.ts';
import {
  type StepReport,
  type TrainingProgress,
  type TrainOptions,
  train,
  type ValidationPoint,
} from '../../../src/training/trainer.ts';
import { createToySampler, toySchedule, toySizes } from './toy-model.ts';

/** A stepper without a model, whose losses are written down in advance. */
function scripted(lossAt: (step: number) => number): Stepper & { readonly learningRates: number[] } {
  const learningRates: number[] = [];
  const empty = new Float32Array(0);
  return {
    parameters: { data: empty, views: new Map() },
    optimizer: { step: 0, mean: empty, variance: empty },
    computedWeights: () => ({ data: empty, views: new Map() }),
    learningRates,
    async step(_batch, learningRate) {
      learningRates.push(learningRate);
      return { loss: lossAt(learningRates.length), gradientNorm: 2, balance: 1.5 };
    },
    release: async () => undefined,
  };
}

interface Followed {
  readonly saved: TrainingProgress[];
  readonly reports: StepReport[];
  readonly validated: ValidationPoint[][];
}

/** Options that write down everything the trainer says. */
function follow(totalSteps: number, change: Partial<TrainOptions> = {}): { options: TrainOptions } & Followed {
  const followed: Followed = { saved: [], reports: [], validated: [] };
  const options: TrainOptions = {
    schedule: toySchedule(totalSteps),
    validateEvery: 4,
    checkpointEvery: 5,
    checkpoint: async (progress) => void followed.saved.push(progress),
    onStep: (report) => followed.reports.push(report),
    onValidation: (points) => followed.validated.push([...points]),
    ...change,
  };
  return { options, ...followed };
}

const run = (options: TrainOptions, lossAt: (step: number) => number = () => 3, sampler = createToySampler()) =>
  train(scripted(lossAt), sampler, options);

/** Fires when a certain step is reported. */
function abortAfter(step: number): Pick<TrainOptions, 'signal' | 'onStep'> {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onStep: (report) => {
      if (report.step === step) controller.abort();
    },
  };
}

describe('train reports', () => {
  it('every step, with its number, loss, rate, norm, balance and speed', async () => {
    const { options, reports } = follow(12);
    const stepper = scripted((step) => 3 - step / 10);
    await train(stepper, createToySampler(), options);
    expect(reports.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    expect(reports.map(({ loss }) => loss)).toEqual(reports.map(({ step }) => 3 - step / 10));
    expect(reports.map(({ learningRate }) => learningRate)).toEqual(stepper.learningRates);
    expect(reports[0]?.learningRate).toBeCloseTo(0.005, 12);
    expect(reports.at(-1)?.learningRate).toBeCloseTo(0.0001, 12);
    for (const report of reports) {
      expect(report).toMatchObject({ totalSteps: 12, gradientNorm: 2, balance: 1.5 });
      expect(report.tokensPerSecond).toBeGreaterThan(0);
      expect(report.tokensPerSecond).toBeLessThan(Number.POSITIVE_INFINITY);
    }
  });

  it('tokens per second of the step alone', async () => {
    let now = 1000;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    const slow: Stepper = {
      ...scripted(() => 3),
      async step() {
        now += 250;
        return { loss: 3, gradientNorm: 1 };
      },
    };
    const validate = async () => {
      now += 5000;
      return { stories: 1 };
    };
    const { options, reports } = follow(3, { validate, validateEvery: 1 });
    await train(slow, createToySampler(), options);
    clock.mockRestore();
    const expected = (toySizes.batchSize * toySizes.sequenceLength) / 0.25;
    expect(reports.map(({ tokensPerSecond }) => tokensPerSecond)).toEqual([expected, expected, expected]);
  });

  it('a loss curve whose points average ten steps, and the last what is left', async () => {
    const { options } = follow(23);
    // Steps of a quarter are exact in binary, and so are their means.
    const { losses, recent } = await run(options, (step) => step / 4);
    expect(losses).toEqual([
      { step: 10, loss: 5.5 / 4 },
      { step: 20, loss: 15.5 / 4 },
      { step: 23, loss: 22 / 4 },
    ]);
    expect(recent).toEqual([]);
  });

  it('validation points of every dataset, every so many steps and at the end', async () => {
    let calls = 0;
    const { options, validated } = follow(10, { validate: async () => ({ stories: ++calls, articles: 10 * calls }) });
    const { validations } = await run(options);
    const at = (step: number, call: number) => [
      { step, name: 'stories', bitsPerByte: call },
      { step, name: 'articles', bitsPerByte: 10 * call },
    ];
    expect(validated).toEqual([at(4, 1), at(8, 2), at(10, 3)]);
    expect(validations).toEqual(validated.flat());
  });

  it('validates the last step once where it is also a multiple', async () => {
    const { options, validated } = follow(8, { validate: async () => ({ stories: 1 }) });
    await run(options);
    expect(validated.map(([point]) => point?.step)).toEqual([4, 8]);
  });
});

describe('train stores checkpoints', () => {
  it.each([
    [12, [5, 10, 12]],
    [10, [5, 10]],
    [3, [3]],
  ])('of a run of %i steps at %j', async (steps, expected) => {
    const { options, saved } = follow(steps);
    await run(options);
    expect(saved.map(({ step }) => step)).toEqual(expected);
  });

  it('that later steps do not change', async () => {
    const sampler = createToySampler();
    const { options, saved } = follow(25, { validate: async () => ({ stories: 1 }) });
    const end = await run(options, (step) => step / 9, sampler);
    expect(saved[0]?.recent).toHaveLength(5);
    expect(saved[1]).toMatchObject({ step: 10, losses: [{ step: 10 }], recent: [] });
    expect(saved[1]?.validations).toHaveLength(2);
    expect(saved[0]?.sampler).not.toEqual(saved[1]?.sampler);
    expect(saved.at(-1)).toEqual(end);
    expect(end.sampler).toEqual(sampler.state());
  });

  it('after the validation of the same step, so that resuming does not lose the point', async () => {
    const { options, saved } = follow(8, { checkpointEvery: 4, validate: async () => ({ stories: 1 }) });
    await run(options);
    expect(saved[0]?.validations.map(({ step }) => step)).toEqual([4]);
  });

  it('and ends with the error of one that cannot be stored', async () => {
    const fault = new Error('disk full');
    const { options, reports } = follow(12, { checkpoint: () => Promise.reject(fault) });
    await expect(run(options)).rejects.toBe(fault);
    expect(reports).toHaveLength(5);
  });

  it('nowhere if there is nowhere to', async () => {
    const { checkpoint: _, ...options } = follow(6).options;
    expect((await run(options)).step).toBe(6);
  });
});

describe('an aborted train', () => {
  it.each([1, 4, 7])('stops after step %i and stores it', async (step) => {
    const { options, saved } = follow(12, abortAfter(step));
    const progress = await run(options);
    expect(progress.step).toBe(step);
    expect(saved.at(-1)).toEqual(progress);
  });

  it('stores a step once that is stored anyway', async () => {
    const { options, saved } = follow(12, abortAfter(5));
    expect((await run(options)).step).toBe(5);
    expect(saved.map(({ step }) => step)).toEqual([5]);
    const last = follow(12, abortAfter(12));
    expect((await run(last.options)).step).toBe(12);
    expect(last.saved.map(({ step }) => step)).toEqual([5, 10, 12]);
  });

  it('takes no step if it was aborted before, and stores what resuming needs', async () => {
    const { options, saved, reports } = follow(12, { signal: AbortSignal.abort() });
    expect(await run(options)).toMatchObject({ step: 0, losses: [], recent: [] });
    expect(reports).toEqual([]);
    expect(saved.map(({ step }) => step)).toEqual([0]);
  });

  it('that had been resumed and took no step stores nothing anew', async () => {
    const first = follow(12, abortAfter(3));
    const resume = await run(first.options);
    const { options, saved } = follow(12, { resume, signal: AbortSignal.abort() });
    expect(await run(options)).toEqual(resume);
    expect(saved).toEqual([]);
  });
});

describe('a resumed train', () => {
  const lossAt = (step: number) => 4 + Math.sin(step);

  it.each([1, 3, 10, 13, 24])('after %i steps ends with the progress of an uninterrupted one', async (cut) => {
    const whole = follow(25, { validate: async () => ({ stories: 2 }) });
    const expected = await run(whole.options, lossAt);
    const first = follow(25, { ...abortAfter(cut), validate: async () => ({ stories: 2 }) });
    const stopped = await run(first.options, lossAt);
    const resume = JSON.parse(JSON.stringify(stopped)) as TrainingProgress;
    const second = follow(25, { resume, validate: async () => ({ stories: 2 }) });
    expect(await run(second.options, (step) => lossAt(step + cut))).toEqual(expected);
    expect(second.reports[0]).toMatchObject({ step: cut + 1, learningRate: whole.reports[cut]?.learningRate });
  });

  it('does nothing where the run had ended', async () => {
    const { options } = follow(6);
    const resume = await run(options);
    const again = follow(6, { resume, validate: async () => ({ stories: 1 }) });
    expect(await run(again.options)).toEqual(resume);
    expect([again.saved, again.reports, again.validated]).toEqual([[], [], []]);
  });

  it('refuses the state of another sampler before any step', async () => {
    const resume = await run(follow(6).options);
    const { options, reports } = follow(12, { resume });
    await expect(run(options, undefined, createToySampler(6))).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' });
    expect(reports).toEqual([]);
  });
});

describe('a train whose loss explodes', () => {
  it.each([
    ['after the first point of the curve', 14, 10],
    ['among the first steps, before there is a curve', 4, 0],
  ])('%s ends there, its last checkpoint being from before', async (_, step, lastSaved) => {
    const { options, saved, reports } = follow(30);
    const ended = run(options, (at) => (at < step ? 3 : 8.5));
    await expect(ended).rejects.toMatchObject({
      code: 'TRAINING_DIVERGED',
      message: `Step ${step}: the loss rose from 3.000 to 8.500 nats. Lower the learning rate.`,
      data: { step, before: 3, loss: 8.5 },
    });
    expect(saved.at(-1)?.step ?? 0).toBe(lastSaved);
    expect(reports).toHaveLength(step - 1);
  });

  it('goes on where it merely rises', async () => {
    const { options } = follow(30);
    expect((await run(options, (at) => (at < 14 ? 3 : 7.9))).step).toBe(30);
  });

  it('is noticed right after resuming too', async () => {
    const resume = await run(follow(30, abortAfter(12)).options);
    const { options } = follow(30, { resume });
    await expect(run(options, () => 9)).rejects.toMatchObject({ code: 'TRAINING_DIVERGED' });
  });
});

describe('train refuses', () => {
  it('an impossible schedule before any step', async () => {
    const { options, reports } = follow(5, { schedule: { ...toySchedule(5), peak: 2 } });
    await expect(run(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(reports).toEqual([]);
  });

  it('to hide what a step throws', async () => {
    const fault = new Error('no memory');
    const broken: Stepper = { ...scripted(() => 3), step: () => Promise.reject(fault) };
    const sampler: BatchSampler = createToySampler();
    const { options, saved } = follow(5);
    await expect(train(broken, sampler, options)).rejects.toBe(fault);
    expect(saved).toEqual([]);
  });
});
