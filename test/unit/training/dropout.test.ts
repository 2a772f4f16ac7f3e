import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { initializeWeights } from '../../../src/models/initialization.ts';
import { drawMasks } from '../../../src/training/dropout.ts';
import { startShardThreads } from '../../../src/training/shard-threads-file.ts';
import { createStepper } from '../../../src/training/stepper.ts';
import { countDifferentBits, createToySampler, createToyStepper, toyConfig, toyOptions } from './toy-model.ts';

const config = toyConfig();

describe('drawMasks', () => {
  it('drops the share it is told to and keeps the mean', () => {
    const { data, shape } = drawMasks(config, 500, { rate: 0.2, seed: 1 }, [1, 0]);
    expect(shape).toEqual([4, 500, 32]);
    const dropped = data.filter((value) => value === 0).length / data.length;
    expect(dropped).toBeCloseTo(0.2, 2);
    expect(new Set(data)).toEqual(new Set([0, Math.fround(1.25)]));
    expect(data.reduce((sum, value) => sum + value, 0) / data.length).toBeCloseTo(1, 2);
  });

  it('draws other masks for another seed, step and part, and the same ones again', () => {
    const draw = (seed: number, step: number, part: number) =>
      drawMasks(config, 2, { rate: 0.5, seed }, [step, part]).data.join();
    expect(new Set([draw(1, 1, 0), draw(2, 1, 0), draw(1, 2, 0), draw(1, 1, 1), draw(1, 1, 0)]).size).toBe(4);
  });
});

describe('a stepper with dropout', () => {
  const losses = async (rate: number): Promise<number> => {
    const stepper = await createToyStepper({ dropout: { rate, seed: 1 } });
    const { loss } = await stepper.step(createToySampler().next(), 0.01);
    await stepper.release();
    return loss;
  };

  it('computes another loss than without, and the same with a rate of 0', async () => {
    const without = await createToyStepper();
    const { loss } = await without.step(createToySampler().next(), 0.01);
    await without.release();
    expect(await losses(0)).toBeCloseTo(loss, 6);
    expect(Math.abs((await losses(0.5)) - loss)).toBeGreaterThan(1e-3);
  });

  it('takes the same steps however the parts are shared out', async () => {
    const open = (threads: number) =>
      createStepper(
        config,
        initializeWeights(config, createRandom(1, 1)),
        { ...toyOptions, microBatchSize: 1, dropout: { rate: 0.3, seed: 4 }, threads },
        startShardThreads,
      );
    const [alone, together] = [await open(1), await open(2)];
    const [left, right] = [createToySampler(), createToySampler()];
    for (let step = 0; step < 4; step++) {
      await alone.step(left.next(), 0.01);
      await together.step(right.next(), 0.01);
    }
    expect(countDifferentBits(alone.parameters.data, together.parameters.data)).toBe(0);
    await alone.release();
    await together.release();
  });
});
