import type { ModelConfig } from '../models/config.ts';
import { mambaSizes } from '../models/parameters.ts';
import type { OptimizerArrays, WeightUpdate } from './adamw.ts';
import type { MatrixStack, Orthogonalizer } from './newton-schulz.ts';

export interface MuonOptions {
  /** Share of the momentum that stays at each step. */
  readonly momentum: number;
  /** Learning rate as a multiple of AdamW's, at every step. */
  readonly rateFactor: number;
}

/** The layers' linear maps; not the embedding, output layer, router or convolution. */
const hiddenMatrix = /\.((in|out|[qkvo])_proj|(input|output)_linear)\.weight$/;

/**
 * The matrices that a weight holds, in the order in which they lie in memory; none if Muon is not for it. Maps whose
 * results go different ways (gate and up; z, convolution and time step; experts) count as matrices of their own.
 */
export function muonMatrices(name: string, shape: readonly number[], config: ModelConfig): readonly MatrixStack[] {
  if (!hiddenMatrix.test(name)) return [];
  const columns = shape.at(-1) as number;
  if (name.endsWith('mamba.in_proj.weight')) {
    const { inner, conv } = mambaSizes(config);
    return [inner, conv, config.mambaNHeads].map((rows) => [1, rows, columns] as const);
  }
  const rows = shape.at(-2) as number;
  const count = shape.length === 3 ? (shape[0] as number) : 1;
  return [name.endsWith('input_linear.weight') ? [2 * count, rows / 2, columns] : [count, rows, columns]];
}

/**
 * One step of Muon, in place: the weights move along the orthogonalised Nesterov momentum, `mean`, which is kept as a
 * running average. The step is scaled by 0.2 sqrt(max(rows, columns)), to the size of AdamW's usual steps, so that
 * learning rate and decoupled weight decay carry over.
 *
 * @param stack - What matrices the arrays hold.
 * @param orthogonalizer - For stacks of this shape.
 * @param weightDecay - Per unit of learning rate.
 * @see Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al. 2025,
 *   arXiv:2502.16982, equation 4.
 */
export async function updateMuon(
  { weights, gradients, mean }: Pick<OptimizerArrays, 'weights' | 'gradients' | 'mean'>,
  [, rows, columns]: MatrixStack,
  orthogonalizer: Orthogonalizer,
  { learningRate, scale }: Pick<WeightUpdate, 'learningRate' | 'scale'>,
  { momentum, rateFactor, weightDecay }: MuonOptions & { readonly weightDecay: number },
): Promise<void> {
  const { input, output } = orthogonalizer;
  const rest = 1 - momentum;
  for (let index = 0; index < mean.length; index++) {
    const gradient = (gradients[index] as number) * scale;
    const average = momentum * (mean[index] as number) + rest * gradient;
    mean[index] = average;
    input[index] = momentum * average + rest * gradient;
  }
  await orthogonalizer.run();
  const rate = learningRate * rateFactor;
  const keep = 1 - rate * weightDecay;
  const factor = rate * 0.2 * Math.sqrt(Math.max(rows, columns));
  for (let index = 0; index < weights.length; index++) {
    weights[index] = (weights[index] as number) * keep - factor * (output[index] as number);
  }
}
