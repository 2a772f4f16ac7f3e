import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { parameterShapes } from '../../../src/models/parameters.ts';
import { type AdamWOptions, createAdamWState, gradientNorm, stepAdamW } from '../../../src/training/adamw.ts';
import { allocateParameters, type ParameterBuffer } from '../../../src/training/parameter-buffer.ts';
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

const oneMatrix = (size: number): ParameterBuffer => allocateParameters(new Map([['linear.weight', [size, 1]]]));

/** How far the optimiser is from the paper after some steps, and how far the weights moved. */
function compareWithPaper(given: AdamWOptions, gradientScale: number): { error: number; moved: number } {
  const parameters = oneMatrix(50);
  fillNormal(parameters.data, 3);
  const start = [...parameters.data];
  const state = createAdamWState(parameters);
  const rates = Array.from({ length: 30 }, (_, step) => 0.01 / (1 + step));
  const gradientsByStep = rates.map((_, step) => {
    const gradients = new Float32Array(50);
    fillNormal(gradients, 100 + step, gradientScale);
    return gradients;
  });
  gradientsByStep.forEach((gradients, step) => {
    stepAdamW(parameters, gradients, state, rates[step] as number, 1, given);
  });
  const expected = paperAdamW(
    start,
    gradientsByStep.map((gradients) => [...gradients]),
    rates,
    given,
  );
  const gap = (a: ArrayLike<number>, b: readonly number[]) =>
    Math.max(...b.map((value, i) => Math.abs(value - (a[i] as number))));
  return { error: gap(parameters.data, expected), moved: gap(parameters.data, start) };
}

describe('stepAdamW', () => {
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

  it('counts its steps and keeps both moments', () => {
    const parameters = oneMatrix(1);
    const state = createAdamWState(parameters);
    stepAdamW(parameters, Float32Array.of(2), state, 0.1, 1, options);
    expect(state.step).toBe(1);
    expect(state.mean[0]).toBeCloseTo(0.2, 6);
    expect(state.variance[0]).toBeCloseTo(0.12, 6);
    // The first step is the learning rate in size, whatever the gradient.
    expect(parameters.data[0]).toBeCloseTo(-0.1, 6);
  });

  it('scales gradients before anything else', () => {
    const [scaled, direct] = [oneMatrix(20), oneMatrix(20)];
    const [scaledState, directState] = [createAdamWState(scaled), createAdamWState(direct)];
    const gradients = new Float32Array(20);
    fillNormal(gradients, 8);
    const quarter = gradients.map((value) => value / 4);
    stepAdamW(scaled, gradients, scaledState, 0.1, 0.25, options);
    stepAdamW(direct, quarter, directState, 0.1, 1, options);
    expect(scaledState.mean).toEqual(directState.mean);
    expect(scaledState.variance).toEqual(directState.variance);
    expect(scaled.data).toEqual(direct.data);
  });

  it('leaves the gradients as they are', () => {
    const parameters = oneMatrix(3);
    const gradients = Float32Array.of(1, -2, 3);
    stepAdamW(parameters, gradients, createAdamWState(parameters), 0.1, 0.5, options);
    expect([...gradients]).toEqual([1, -2, 3]);
  });

  it('decays matrices, but not the embedding, the convolution, norms, biases and state-space scalars', () => {
    const parameters = allocateParameters(parameterShapes(toyConfig()));
    parameters.data.fill(1);
    const zeros = new Float32Array(parameters.data.length);
    stepAdamW(parameters, zeros, createAdamWState(parameters), 0.5, 1, options);
    for (const [name, { data }] of parameters.views) {
      const decays = /(in_proj|out_proj|[qkvo]_proj|_linear|router\.layer)\.weight$/.test(name);
      const values = new Set(data);
      expect([name, ...values]).toEqual([name, Math.fround(decays ? 0.95 : 1)]);
    }
    const names = [...parameters.views.keys()].join(' ');
    for (const kind of ['embed_tokens', 'conv1d.weight', 'conv1d.bias', 'A_log', 'dt_bias', 'norm.weight', 'in_proj']) {
      expect(names).toContain(kind);
    }
  });

  it('decays an output layer of its own', () => {
    const parameters = allocateParameters(parameterShapes(toyConfig(['mamba'], { tieWordEmbeddings: false })));
    parameters.data.fill(1);
    const zeros = new Float32Array(parameters.data.length);
    stepAdamW(parameters, zeros, createAdamWState(parameters), 0.5, 1, options);
    expect(parameters.views.get('lm_head.weight')?.data[0]).toBeCloseTo(0.95, 6);
    expect(parameters.views.get('model.embed_tokens.weight')?.data[0]).toBe(1);
  });
});

describe('gradientNorm', () => {
  it.each([0, 1, 2, 3, 4, 5, 7, 8, 1001])('is the Euclidean norm of %i values', (length) => {
    const gradients = new Float32Array(length);
    fillNormal(gradients, 17);
    let squares = 0;
    for (const value of gradients) squares += value * value;
    expect(gradientNorm(gradients)).toBeCloseTo(Math.sqrt(squares), 9);
  });

  it('does not overflow where float32 would', () => {
    expect(gradientNorm(new Float32Array(4).fill(1e30))).toBeCloseTo(2e30, -24);
  });

  it.each([0, 4, 5])('is not finite if the value at %i is not', (index) => {
    const gradients = new Float32Array(6);
    gradients[index] = Number.NaN;
    expect(gradientNorm(gradients)).toBeNaN();
    gradients[index] = Number.NEGATIVE_INFINITY;
    expect(gradientNorm(gradients)).toBe(Number.POSITIVE_INFINITY);
  });
});
