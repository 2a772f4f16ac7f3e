import { afterEach, describe, expect, it } from 'vitest';
import type { IteraError } from '../../../src/core/errors.ts';
import { createRandom } from '../../../src/core/random.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { initializeWeights } from '../../../src/models/initialization.ts';
import { createTokenScorer } from '../../../src/runtime/token-scorer.ts';
import type { Stepper, StepperOptions, WeightRounder } from '../../../src/training/stepper.ts';
import { createStepper } from '../../../src/training/stepper.ts';
import {
  countDifferentBits,
  createToySampler,
  createToyStepper,
  toyConfig,
  toyOptions,
  toySizes,
} from './toy-model.ts';

const opened: Stepper[] = [];

async function open(...given: Parameters<typeof createToyStepper>): Promise<Stepper> {
  const stepper = await createToyStepper(...given);
  opened.push(stepper);
  return stepper;
}

afterEach(async () => {
  for (const stepper of opened.splice(0)) await stepper.release();
});

/** Steps on the same text until the end; the losses. */
async function takeSteps(stepper: Stepper, count: number, learningRate = 0.01): Promise<number[]> {
  const sampler = createToySampler();
  const losses: number[] = [];
  for (let step = 0; step < count; step++) losses.push((await stepper.step(sampler.next(), learningRate)).loss);
  return losses;
}

describe('a stepper', () => {
  it('starts near chance and learns a short repeated text', async () => {
    const losses = await takeSteps(await open(), 60);
    const average = (from: number, to: number) => losses.slice(from, to).reduce((a, b) => a + b) / (to - from);
    // Chance among 300 tokens is 5.7 nats; 41 tokens in a fixed order are all there is to learn.
    expect(average(0, 2)).toBeGreaterThan(5);
    expect(average(55, 60)).toBeLessThan(average(0, 5) - 2.5);
  });

  it.each<[string, Parameters<typeof toyConfig>]>([
    ['state-space layers', [['mamba', 'mamba'], {}]],
    ['attention', [['attention'], {}]],
    ['no experts', [['mamba'], { numLocalExperts: 0, numExpertsPerTok: 0 }]],
    ['an output layer of its own', [['mamba'], { tieWordEmbeddings: false }]],
    ['biases and two groups', [['mamba'], { mambaProjBias: true, mambaNGroups: 2 }]],
  ])('learns with %s', async (_, [layers, change]) => {
    const config = toyConfig(layers, change);
    const losses = await takeSteps(await open({}, { config }), 30);
    expect(Math.min(...losses.slice(-5))).toBeLessThan((losses[0] as number) - 1);
  });

  it('reports the loss that the inference graph gives the same tokens', async () => {
    const stepper = await open();
    await takeSteps(stepper, 10);
    const graph = buildInferenceGraph(toyConfig(), stepper.parameters.views);
    const scorer = await createTokenScorer(graph, toyConfig());
    const batch = createToySampler(77).next();
    const { sequenceLength: length } = toySizes;
    const rows = [0, 1].map((row) => {
      const inputs = batch.inputIds.subarray(row * length, (row + 1) * length);
      return Uint32Array.from([...inputs, batch.targets[(row + 1) * length - 1] as bigint], Number);
    });
    const nats = (await scorer.score(rows)).flatMap((row) => [...row]);
    await scorer.release();
    const { loss } = await stepper.step(batch, 0);
    expect(loss).toBeCloseTo(nats.reduce((a, b) => a + b) / nats.length, 4);
  });

  it('reports the balance of the experts, which is 1 when their shares are equal, and none without experts', async () => {
    const { balance } = await (await open()).step(createToySampler().next(), 0.01);
    expect(balance).toBeGreaterThan(0.8);
    expect(balance).toBeLessThan(2);
    const config = toyConfig(['mamba'], { numLocalExperts: 0, numExpertsPerTok: 0 });
    expect(await (await open({}, { config })).step(createToySampler().next(), 0.01)).not.toHaveProperty('balance');
  });

  it('takes the same steps whatever was run before it', async () => {
    const [first, second] = [await open(), await open()];
    const losses = await takeSteps(first, 8);
    await takeSteps(await open({}, { seed: 9 }), 3);
    expect(await takeSteps(second, 8)).toEqual(losses);
    expect(countDifferentBits(first.parameters.data, second.parameters.data)).toBe(0);
  });

  it('copies the weights it is given', async () => {
    const initial = initializeWeights(toyConfig(), createRandom(1, 1));
    const stepper = await createStepper(toyConfig(), initial, toyOptions);
    opened.push(stepper);
    const before = initial.get('model.norm.weight')?.data.slice();
    await takeSteps(stepper, 2);
    expect(initial.get('model.norm.weight')?.data).toEqual(before);
    expect(stepper.parameters.views.get('model.norm.weight')?.data).not.toEqual(before);
  });

  it('refuses weights that lack one or have one of another size', async () => {
    const initial = initializeWeights(toyConfig(), createRandom(1, 1));
    const name = 'model.layers.0.mamba.D';
    const short = new Map(initial).set(name, { dtype: 'float32', shape: [1], data: new Float32Array(1) });
    const lacking = new Map(initial);
    lacking.delete(name);
    for (const given of [short, lacking]) {
      await expect(createStepper(toyConfig(), given, toyOptions)).rejects.toMatchObject({
        code: 'WEIGHTS_MISMATCH',
        message: expect.stringContaining(name),
      });
    }
  });
});

describe('clipping', () => {
  /** The optimiser's mean after one step from 0 is (1 - beta1) times the gradient that it was given. */
  async function norms(clipNorm: number): Promise<{ reported: number; given: number }> {
    const stepper = await open({ clipNorm });
    const { gradientNorm: reported } = await stepper.step(createToySampler().next(), 0.01);
    return { reported, given: Math.hypot(...stepper.optimizer.mean) / (1 - toyOptions.adamw.beta1) };
  }

  it('scales larger gradients down to the limit and reports their own norm', async () => {
    const { reported, given } = await norms(0.01);
    expect(reported).toBeGreaterThan(0.1);
    expect(given).toBeCloseTo(0.01, 5);
  });

  it('leaves smaller gradients as they are', async () => {
    const { reported, given } = await norms(1000);
    expect(given).toBeCloseTo(reported, 4);
  });

  it('keeps their direction', async () => {
    const [clipped, free] = [await open({ clipNorm: 0.01 }), await open({ clipNorm: 1000 })];
    for (const stepper of [clipped, free]) await stepper.step(createToySampler().next(), 0.01);
    const [a, b] = [clipped.optimizer.mean, free.optimizer.mean];
    const product = a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);
    expect(product / (Math.hypot(...a) * Math.hypot(...b))).toBeCloseTo(1, 6);
  });
});

describe('a step that diverges', () => {
  const poison: [string, (stepper: Stepper) => void][] = [
    ['a weight that is not a number', ({ parameters }) => parameters.data.fill(Number.NaN, 40, 41)],
    ['an infinite norm', ({ parameters }) => void parameters.views.get('model.norm.weight')?.data.fill(Infinity)],
    ['weights that overflow', ({ parameters }) => parameters.data.fill(1e30)],
  ];

  it.each(poison)('is refused for %s, and nothing changes', async (_, change) => {
    const stepper = await open();
    await takeSteps(stepper, 2);
    change(stepper);
    const { parameters, optimizer } = stepper;
    const before = [parameters.data.slice(), optimizer.mean.slice(), optimizer.variance.slice()];
    await expect(stepper.step(createToySampler().next(), 0.01)).rejects.toMatchObject({
      code: 'TRAINING_DIVERGED',
      message: expect.stringMatching(/^Step 3: expected a finite loss and gradient, got /),
      data: { step: 3 },
    });
    expect(optimizer.step).toBe(2);
    const after = [parameters.data, optimizer.mean, optimizer.variance];
    expect(before.map((data, index) => countDifferentBits(data, after[index] as Float32Array))).toEqual([0, 0, 0]);
  });

  it('is refused for gradients that overflow under a finite loss', async () => {
    const config = toyConfig(['mamba'], { tieWordEmbeddings: false, embeddingMultiplier: 1e37 });
    const stepper = await open({}, { config });
    const scale = (name: string, factor: number) => {
      const data = stepper.parameters.views.get(name)?.data;
      data?.set(data.map((value) => factor * value));
    };
    scale('model.embed_tokens.weight', 1e-37);
    scale('lm_head.weight', 1e4);
    const before = stepper.parameters.data.slice();
    const refusal = await stepper.step(createToySampler().next(), 0.01).catch((error: IteraError) => error);
    expect(refusal).toMatchObject({ code: 'TRAINING_DIVERGED', data: { step: 1 } });
    const { loss, gradientNorm } = (refusal as IteraError).data;
    expect([loss, gradientNorm].map((value) => Number.isFinite(value))).toEqual([true, false]);
    expect(countDifferentBits(stepper.parameters.data, before)).toBe(0);
  });

  it('is met within a few steps of a huge learning rate, if the loss has not exploded before', async () => {
    const stepper = await open();
    const losses: number[] = [];
    let refusal: unknown;
    for (let step = 0; step < 20 && refusal === undefined; step++) {
      await stepper.step(createToySampler(step).next(), 1e30).then(
        ({ loss }) => losses.push(loss),
        (error: unknown) => {
          refusal = error;
        },
      );
    }
    expect(refusal).toMatchObject({ code: 'TRAINING_DIVERGED' });
    expect(losses.every(Number.isFinite)).toBe(true);
  });

  it('can be followed by good steps once the weights are good again', async () => {
    const [stepper, untouched] = [await open(), await open()];
    const good = stepper.parameters.data.slice();
    stepper.parameters.data.fill(Number.NaN);
    await expect(stepper.step(createToySampler().next(), 0.01)).rejects.toMatchObject({ code: 'TRAINING_DIVERGED' });
    stepper.parameters.data.set(good);
    expect(await takeSteps(stepper, 4)).toEqual(await takeSteps(untouched, 4));
  });
});

describe('threads', () => {
  it.each([1, 2])('give the same steps each time with %i', async (threads) => {
    const options: Partial<StepperOptions> = { threads };
    const [first, second] = [await open(options), await open(options)];
    expect(await takeSteps(second, 6)).toEqual(await takeSteps(first, 6));
    expect(countDifferentBits(first.parameters.data, second.parameters.data)).toBe(0);
  });
});

describe('a stepper that rounds', () => {
  /** To multiples of a 32nd: coarse enough that every step crosses some edges. */
  const roundWeights: WeightRounder = (weights, rounded) => {
    for (const [name, { data }] of weights) {
      rounded.get(name)?.data.set(data.map((value) => Math.round(value * 32) / 32));
    }
  };
  const withoutDecay = { adamw: { ...toyOptions.adamw, weightDecay: 0 } };

  it('takes gradients at the rounded weights and applies them to the weights themselves', async () => {
    const straight = await open({ ...withoutDecay, roundWeights });
    const before = straight.parameters.data.slice();
    const rounded = straight.computedWeights().data.slice();
    expect(countDifferentBits(rounded, before)).toBeGreaterThan(1000);
    const plain = await open(withoutDecay);
    plain.parameters.data.set(rounded);

    const batch = createToySampler().next();
    const [found, expected] = [await straight.step(batch, 0.01), await plain.step(batch, 0.01)];
    expect(found).toEqual(expected);
    expect(straight.optimizer.mean).toEqual(plain.optimizer.mean);
    straight.parameters.data.forEach((weight, at) => {
      const step = (plain.parameters.data[at] as number) - (rounded[at] as number);
      expect(Math.abs(weight - ((before[at] as number) + step))).toBeLessThan(1e-6);
    });
    // The next step computes with what the moved weights round to.
    const moved = Float32Array.from(straight.parameters.data, (value) => Math.round(value * 32) / 32);
    expect(straight.computedWeights().data).toEqual(moved);
  });

  it('learns what it is rounded to', async () => {
    const stepper = await open({ roundWeights });
    const losses = await takeSteps(stepper, 60);
    expect(Math.min(...losses.slice(-5))).toBeLessThan((losses[0] as number) - 2);
  });

  it('computes with the weights themselves where it does not round', async () => {
    const stepper = await open();
    expect(stepper.computedWeights()).toBe(stepper.parameters);
  });
});
