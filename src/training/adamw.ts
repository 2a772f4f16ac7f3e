export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled weight decay, per unit of learning rate; applied to matrices other than the embedding. */
  readonly weightDecay: number;
}

/** First and second moments and the number of steps taken; of weights that Muon updates, the second stays 0. */
export interface AdamWState {
  step: number;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** The arrays that an optimiser changes, and the gradients it follows, all of one length. */
export interface OptimizerArrays {
  readonly weights: Float32Array;
  readonly gradients: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** One step's own numbers. */
export interface WeightUpdate {
  /** Steps taken so far, this one included. */
  readonly step: number;
  readonly learningRate: number;
  /** Multiplies the gradients first, for clipping by norm. */
  readonly scale: number;
}

/** Whether weight decay applies: to matrices, but not to the embedding or the convolution. */
export function isDecayed(name: string, shape: readonly number[]): boolean {
  return shape.length >= 2 && !name.includes('embed_tokens') && !name.includes('conv1d');
}

/**
 * One AdamW step, in place.
 *
 * @see Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2.
 */
export function updateAdamW(
  { weights, gradients, mean, variance }: OptimizerArrays,
  { step, learningRate, scale }: WeightUpdate,
  { beta1, beta2, epsilon, weightDecay }: AdamWOptions,
): void {
  const rest1 = 1 - beta1;
  const rest2 = 1 - beta2;
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  const keep = 1 - learningRate * weightDecay;
  for (let index = 0; index < weights.length; index++) {
    const gradient = (gradients[index] as number) * scale;
    const first = beta1 * (mean[index] as number) + rest1 * gradient;
    const second = beta2 * (variance[index] as number) + rest2 * gradient * gradient;
    mean[index] = first;
    variance[index] = second;
    weights[index] = (weights[index] as number) * keep - (rate * first) / (Math.sqrt(second) * correction + epsilon);
  }
}
