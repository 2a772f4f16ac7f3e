import { createRandom } from '../core/random.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';

export interface DropoutOptions {
  /** Share of the channels that are set to 0, at least 0 and below 1. */
  readonly rate: number;
  readonly seed: number;
}

/** Purpose of the random stream, so that it is unrelated to those of the same seed elsewhere. */
const dropoutStream = 3;

/**
 * Factors for the channels of every residual branch and row: 0, or 1 / (1 - rate) so that the mean stays.
 *
 * @param rows - B.
 * @param place - What they are drawn for, step and part of the batch: the same numbers give the same masks, so that
 *   neither stopping nor the number of threads changes a run.
 * @returns `float32[2 * layers, B, D]`.
 * @see Srivastava et al. 2014, JMLR 15; Gal & Ghahramani 2016, arXiv:1512.05287, for one mask in all of a row.
 */
export function drawMasks(
  { numHiddenLayers, hiddenSize }: ModelConfig,
  rows: number,
  { rate, seed }: DropoutOptions,
  place: readonly [step: number, part: number],
): Tensor<'float32'> {
  const random = createRandom(seed, dropoutStream, ...place);
  const shape = [2 * numHiddenLayers, rows, hiddenSize];
  const kept = 1 / (1 - rate);
  const length = 2 * numHiddenLayers * rows * hiddenSize;
  return tensor(
    'float32',
    shape,
    Float32Array.from({ length }, () => (random.uniform() < rate ? 0 : kept)),
  );
}
