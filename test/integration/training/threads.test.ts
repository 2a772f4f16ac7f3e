import { afterEach, describe, expect, it } from 'vitest';
import { IteraError } from '../../../src/core/errors.ts';
import { createRandom } from '../../../src/core/random.ts';
import { initializeWeights } from '../../../src/models/initialization.ts';
import { startShardThreads } from '../../../src/training/shard-threads-file.ts';
import { createStepper, type Stepper, type StepperOptions, type WeightRounder } from '../../../src/training/stepper.ts';
import { countDifferentBits, createToySampler, toyConfig, toyOptions } from '../../unit/training/toy-model.ts';

const config = toyConfig();
const opened: Stepper[] = [];

async function open(change: Partial<StepperOptions>, onThreads: boolean): Promise<Stepper> {
  const initial = initializeWeights(config, createRandom(1, 1));
  const options = { ...toyOptions, batchSize: 4, ...change };
  const stepper = await createStepper(config, initial, options, onThreads ? startShardThreads : undefined);
  opened.push(stepper);
  return stepper;
}

async function takeSteps(stepper: Stepper, count: number): Promise<number[]> {
  const sampler = createToySampler(5, 4);
  const losses: number[] = [];
  for (let step = 0; step < count; step++) losses.push((await stepper.step(sampler.next(), 0.01)).loss);
  return losses;
}

const roundWeights: WeightRounder = (weights, rounded) => {
  for (const [name, { data }] of weights) rounded.get(name)?.data.set(data.map((value) => Math.round(value * 32) / 32));
};

afterEach(async () => {
  for (const stepper of opened.splice(0)) await stepper.release();
});

describe('training on several threads', () => {
  it.each<[string, number[], Partial<StepperOptions>]>([
    ['AdamW', [2, 3, 4], {}],
    ['Muon', [2, 4], { muon: { momentum: 0.95, rateFactor: 1 } }],
    ['rounded weights', [2], { roundWeights }],
  ])('gives the same bits however the micro-batches are shared out: %s', async (_, counts, change) => {
    const alone = await open({ ...change, microBatchSize: 1 }, false);
    const losses = await takeSteps(alone, 6);
    for (const threads of counts) {
      const together = await open({ ...change, microBatchSize: 1, threads }, true);
      expect(await takeSteps(together, 6)).toEqual(losses);
      expect(countDifferentBits(together.parameters.data, alone.parameters.data)).toBe(0);
      expect(countDifferentBits(together.optimizer.mean, alone.optimizer.mean)).toBe(0);
      expect(countDifferentBits(together.optimizer.variance, alone.optimizer.variance)).toBe(0);
    }
  });

  it('takes the step of the whole batch, but for rounding and the balance of experts', async () => {
    const change = { balanceWeight: 0, clipNorm: 100 };
    const [whole, cut] = [await open(change, false), await open({ ...change, microBatchSize: 2, threads: 2 }, true)];
    const batch = createToySampler(5, 4).next();
    const [one, other] = [await whole.step(batch, 0), await cut.step(batch, 0)];
    expect(other.loss).toBeCloseTo(one.loss, 5);
    expect(other.gradientNorm).toBeCloseTo(one.gradientNorm, 4);
  });

  it('reports a loss that is not finite and leaves the weights alone', async () => {
    const stepper = await open({ microBatchSize: 2, threads: 2 }, true);
    const sampler = createToySampler(5, 4);
    await stepper.step(sampler.next(), 0.01);
    stepper.parameters.data[3] = Number.NaN;
    const before = stepper.parameters.data.slice();
    const error = await stepper.step(sampler.next(), 0.01).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(IteraError);
    expect(error).toMatchObject({ code: 'TRAINING_DIVERGED' });
    expect(countDifferentBits(stepper.parameters.data, before)).toBe(0);
  });

  it('passes on what goes wrong in a thread', async () => {
    const stepper = await open({ microBatchSize: 2, threads: 2 }, true);
    const batch = createToySampler(5, 4).next();
    batch.inputIds.fill(1_000_000n);
    await expect(stepper.step(batch, 0.01)).rejects.toMatchObject({ code: 'RUNTIME_FAILED' });
  });

  it('refuses micro-batches that do not divide the batch', async () => {
    await expect(open({ microBatchSize: 3 }, false)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
