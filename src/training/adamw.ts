import type { ParameterBuffer } from './parameter-buffer.ts';

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled weight decay, per unit of learning rate; applied to matrices other than the embedding. */
  readonly weightDecay: number;
}

/** First and second moments and the number of steps taken. */
export interface AdamWState {
  step: number;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

export function createAdamWState(parameters: ParameterBuffer): AdamWState {
  const { length } = parameters.data;
  return { step: 0, mean: new Float32Array(length), variance: new Float32Array(length) };
}

/** Euclidean norm of all gradients together. */
export function gradientNorm(gradients: Float32Array): number {
  // Four running sums let the processor overlap the additions.
  let [a, b, c, d] = [0, 0, 0, 0];
  const even = gradients.length & ~3;
  for (let index = 0; index < even; index += 4) {
    const w = gradients[index] as number;
    const x = gradients[index + 1] as number;
    const y = gradients[index + 2] as number;
    const z = gradients[index + 3] as number;
    a += w * w;
    b += x * x;
    c += y * y;
    d += z * z;
  }
  for (let index = even; index < gradients.length; index++) a += (gradients[index] as number) ** 2;
  return Math.sqrt(a + b + c + d);
}

/**
 * One AdamW step on all weights, in place.
 *
 * @param scale - Multiplies the gradients first, for clipping by norm.
 * @see Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2.
 */
export function stepAdamW(
  parameters: ParameterBuffer,
  gradients: Float32Array,
  state: AdamWState,
  learningRate: number,
  scale: number,
  options: AdamWOptions,
): void {
  state.step += 1;
  let offset = 0;
  for (const [name, { shape, data }] of parameters.views) {
    const decayed = shape.length >= 2 && !name.includes('embed_tokens') && !name.includes('conv1d');
    const decay = decayed ? learningRate * options.weightDecay : 0;
    const end = offset + data.length;
    update(parameters.data, gradients, state, offset, end, learningRate, decay, scale, options);
    offset = end;
  }
}

function update(
  weights: Float32Array,
  gradients: Float32Array,
  { step, mean, variance }: AdamWState,
  start: number,
  end: number,
  learningRate: number,
  decay: number,
  scale: number,
  { beta1, beta2, epsilon }: AdamWOptions,
): void {
  const rest1 = 1 - beta1;
  const rest2 = 1 - beta2;
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  const keep = 1 - decay;
  for (let index = start; index < end; index++) {
    const gradient = (gradients[index] as number) * scale;
    const first = beta1 * (mean[index] as number) + rest1 * gradient;
    const second = beta2 * (variance[index] as number) + rest2 * gradient * gradient;
    mean[index] = first;
    variance[index] = second;
    weights[index] = (weights[index] as number) * keep - (rate * first) / (Math.sqrt(second) * correction + epsilon);
  }
}
