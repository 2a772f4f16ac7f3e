import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { parameterShapes } from '../../../src/models/parameters.ts';
import { type AdamWOptions, isDecayed, type OptimizerArrays, updateAdamW } from '../../../src/training/adamw.ts';
import { toyConfig } from './toy-model.ts';

const options: AdamWOptions = { beta1: 0.9, beta2: 0.97, epsilon: 1e-8, weightDecay: 0.1 };

/** Algorithm 2 of the paper, literally, in float64: bias-corrected moments, decay apart from the gradient. */
function paperAdamW(
  weights: readonly number[],
  gradientsByStep: readonly (readonly number[])[],
  rates: readonly number[],
  { beta1, beta2, epsilon, weightDecay }: AdamWOptions,
): number[] {
  const theta = [...weights];
  const m = theta.map(() => 0);
  const v = theta.map(() => 0);
  gradientsByStep.forEach((g, index) => {
    const t = index + 1;
    const alpha = rates[index] as number;
    theta.forEach((before, i) => {
      const gradient = g[i] as number;
      m[i] = beta1 * (m[i] as number) + (1 - beta1) * gradient;
      v[i] = beta2 * (v[i] as number) + (1 - beta2) * gradient ** 2;
      const mHat = (m[i] as number) / (1 - beta1 ** t);
      const vHat = (v[i] as number) / (1 - beta2 ** t);
      theta[i] = before - ((alpha * mHat) / (Math.sqrt(vHat) + epsilon) + alpha * weightDecay * before);
    });
  });
  return theta;
}

function fillNormal(target: Float32Array, seed: number, scale = 1): void {
  const random = createRandom(seed, 1);
  for (let index = 0; index < target.length; index++) target[index] = scale * random.normal();
}

function arraysOf(size: number): OptimizerArrays {
  const array = (): Float32Array => new Float32Array(size);
  return { weights: array(), gradients: array(), mean: array(), variance: array() };
}

/** How far the optimiser is from the paper after some steps, and how far the weights moved. */
function compareWithPaper(given: AdamWOptions, gradientScale: number): { error: number; moved: number } {
  const arrays = arraysOf(50);
  fillNormal(arrays.weights, 3);
  const start = [...arrays.weights];
  const rates = Array.from({ length: 30 }, (_, step) => 0.01 / (1 + step));
  const gradientsByStep = rates.map((_, step) => {
    const gradients = new Float32Array(50);
    fillNormal(gradients, 100 + step, gradientScale);
    return gradients;
  });
  gradientsByStep.forEach((gradients, index) => {
    const update = { step: index + 1, learningRate: rates[index] as number, scale: 1 };
    updateAdamW({ ...arrays, gradients }, update, given);
  });
  const expected = paperAdamW(
    start,
    gradientsByStep.map((gradients) => [...gradients]),
    rates,
    given,
  );
  const gap = (a: ArrayLike<number>, b: readonly number[]) =>
    Math.max(...b.map((value, i) => Math.abs(value - (a[i] as number))));
  return { error: gap(arrays.weights, expected), moved: gap(arrays.weights, start) };
}

describe('updateAdamW', () => {
  it.each([
    ['the recipe', options, 1],
    ['tiny gradients, where epsilon counts', { ...options, epsilon: 1e-4 }, 1e-4],
    ['huge gradients', options, 1e6],
    ['no decay', { ...options, weightDecay: 0 }, 1],
    ['strong decay', { ...options, weightDecay: 5 }, 1],
    ['no momentum', { ...options, beta1: 0 }, 1],
    ['no second moment', { ...options, beta2: 0 }, 1],
  ])('follows the paper over 30 steps with %s', (_, given, gradientScale) => {
    const { error, moved } = compareWithPaper(given, gradientScale);
    // Weights near 1 in float32 round by 6e-8 at each of 30 steps.
    expect(error).toBeLessThan(1e-6);
    expect(moved).toBeGreaterThan(1e-3);
  });

  it('keeps both moments', () => {
    const arrays = { ...arraysOf(1), gradients: Float32Array.of(2) };
    updateAdamW(arrays, { step: 1, learningRate: 0.1, scale: 1 }, options);
    expect(arrays.mean[0]).toBeCloseTo(0.2, 6);
    expect(arrays.variance[0]).toBeCloseTo(0.12, 6);
    // The first step is the learning rate in size, whatever the gradient.
    expect(arrays.weights[0]).toBeCloseTo(-0.1, 6);
  });

  it('scales gradients before anything else', () => {
    const [scaled, direct] = [arraysOf(20), arraysOf(20)];
    fillNormal(scaled.gradients, 8);
    direct.gradients.set(scaled.gradients.map((value) => value / 4));
    updateAdamW(scaled, { step: 1, learningRate: 0.1, scale: 0.25 }, options);
    updateAdamW(direct, { step: 1, learningRate: 0.1, scale: 1 }, options);
    expect(scaled.mean).toEqual(direct.mean);
    expect(scaled.variance).toEqual(direct.variance);
    expect(scaled.weights).toEqual(direct.weights);
  });

  it('leaves the gradients as they are', () => {
    const arrays = { ...arraysOf(3), gradients: Float32Array.of(1, -2, 3) };
    updateAdamW(arrays, { step: 1, learningRate: 0.1, scale: 0.5 }, options);
    expect([...arrays.gradients]).toEqual([1, -2, 3]);
  });
});

describe('isDecayed', () => {
  it.each([
    ['tied', toyConfig()],
    ['with an output layer of its own', toyConfig(['mamba'], { tieWordEmbeddings: false })],
  ])('chooses matrices, not the embedding, convolution, norms, biases and state-space scalars: %s', (_, config) => {
    const decayed = [...parameterShapes(config)].flatMap(([name, shape]) => (isDecayed(name, shape) ? [name] : []));
    const others = [...parameterShapes(config).keys()].filter((name) => !decayed.includes(name));
    expect(decayed.length).toBeGreaterThan(3);
    for (const name of decayed) {
      expect(name).toMatch(/((in_proj|out_proj|[qkvo]_proj|_linear|router\.layer)|^lm_head)\.weight$/);
    }
    for (const name of others) {
      expect(name).toMatch(/embed_tokens|conv1d|\.bias$|A_log$|dt_bias$|\.D$|norm\.weight$/);
    }
  });
});
