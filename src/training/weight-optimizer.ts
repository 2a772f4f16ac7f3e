import { elementCount } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { parameterShapes } from '../models/parameters.ts';
import { type AdamWOptions, isDecayed, type OptimizerArrays, updateAdamW, type WeightUpdate } from './adamw.ts';
import { type MuonOptions, muonMatrices, updateMuon } from './muon.ts';
import { createOrthogonalizer, newtonSchulzFlops, type Orthogonalizer } from './newton-schulz.ts';

export interface OptimizerOptions {
  /** Its weight decay is Muon's too. */
  readonly adamw: AdamWOptions;
  /** Use Muon for the layers' matrices; without it, AdamW updates all weights. */
  readonly muon?: MuonOptions;
}

/** Takes the optimiser's steps, by the method that is right for each weight. */
export interface WeightOptimizer {
  /**
   * One step on one weight, in place. The result does not depend on what else this optimiser updates.
   *
   * @throws {@link IteraError} `RUNTIME_FAILED`.
   */
  update(name: string, arrays: OptimizerArrays, update: WeightUpdate): Promise<void>;
  release(): Promise<void>;
}

/** Floating-point operations of a product in the time that AdamW takes for one element; measured, and only for balance. */
const flopsPerElement = 400;

/** What a weight's step costs, in elements that AdamW updates in the same time. */
export function updateCost(
  name: string,
  shape: readonly number[],
  config: ModelConfig,
  { muon }: OptimizerOptions,
): number {
  const stacks = muon ? muonMatrices(name, shape, config) : [];
  return elementCount(shape) + stacks.reduce((sum, stack) => sum + newtonSchulzFlops(stack), 0) / flopsPerElement;
}

/**
 * Prepares to update some of a model's weights.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED` if ONNX Runtime refuses a graph of Muon's.
 */
export async function createWeightOptimizer(
  config: ModelConfig,
  names: readonly string[],
  { adamw, muon }: OptimizerOptions,
): Promise<WeightOptimizer> {
  const shapes = parameterShapes(config);
  const stacksOf = (name: string) => (muon ? muonMatrices(name, shapes.get(name) ?? [], config) : []);
  const orthogonalizers = new Map<string, Orthogonalizer>();
  for (const stack of names.flatMap(stacksOf)) {
    if (!orthogonalizers.has(`${stack}`)) orthogonalizers.set(`${stack}`, await createOrthogonalizer(stack));
  }
  return {
    async update(name, arrays, update) {
      const weightDecay = isDecayed(name, shapes.get(name) ?? []) ? adamw.weightDecay : 0;
      const stacks = stacksOf(name);
      if (!muon || stacks.length === 0) return updateAdamW(arrays, update, { ...adamw, weightDecay });
      let start = 0;
      for (const stack of stacks) {
        const end = start + elementCount(stack);
        const part = {
          weights: arrays.weights.subarray(start, end),
          gradients: arrays.gradients.subarray(start, end),
          mean: arrays.mean.subarray(start, end),
        };
        const orthogonalizer = orthogonalizers.get(`${stack}`) as Orthogonalizer;
        await updateMuon(part, stack, orthogonalizer, update, { ...muon, weightDecay });
        start = end;
      }
    },
    async release() {
      for (const orthogonalizer of orthogonalizers.values()) await orthogonalizer.release();
    },
  };
}
