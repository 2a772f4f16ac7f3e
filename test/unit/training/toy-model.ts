import { createRandom } from '../../../src/core/random.ts';
import { type BatchSampler, createBatchSampler } from '../../../src/data/batches.ts';
import type { LayerType, ModelConfig } from '../../../src/models/config.ts';
import { initializeWeights } from '../../../src/models/initialization.ts';
import { presets } from '../../../src/models/presets.ts';
import type { ScheduleOptions } from '../../../src/training/schedule.ts';
import { createStepper, type Stepper, type StepperOptions } from '../../../src/training/stepper.ts';

/** The smallest model that has every kind of block: a few thousand parameters. */
export function toyConfig(
  layersBlockType: readonly LayerType[] = ['mamba', 'attention'],
  change: Partial<ModelConfig> = {},
): ModelConfig {
  return {
    ...presets.micro(300),
    hiddenSize: 32,
    numHiddenLayers: layersBlockType.length,
    layersBlockType,
    numAttentionHeads: 2,
    numKeyValueHeads: 1,
    intermediateSize: 16,
    sharedIntermediateSize: 16,
    numLocalExperts: 4,
    numExpertsPerTok: 2,
    mambaNHeads: 2,
    mambaDHead: 32,
    mambaDState: 8,
    mambaChunkSize: 8,
    attentionMultiplier: 0.25,
    positionEmbeddingType: 'rope',
    ...change,
  };
}

export const toySizes = { batchSize: 2, sequenceLength: 16 } as const;

export const toyOptions: StepperOptions = {
  ...toySizes,
  balanceWeight: 0.01,
  adamw: { beta1: 0.9, beta2: 0.97, epsilon: 1e-8, weightDecay: 0.1 },
  clipNorm: 1,
  threads: 1,
};

export function createToyStepper(
  change: Partial<StepperOptions> = {},
  { config = toyConfig(), seed = 1 }: { config?: ModelConfig; seed?: number } = {},
): Promise<Stepper> {
  return createStepper(config, initializeWeights(config, createRandom(seed, 1)), { ...toyOptions, ...change });
}

/** A text of 40 different tokens in an order that repeats, which a model learns fast. */
export function createToySampler(seed = 5, batchSize: number = toySizes.batchSize): BatchSampler {
  const tokens = Uint16Array.from({ length: 2000 }, (_, index) => 1 + ((index * index) % 41) * 7);
  return createBatchSampler({
    ...toySizes,
    batchSize,
    sources: [
      { tokens: { name: 'toy', tokens, documentStarts: Uint32Array.of(0), totalBytes: tokens.length }, weight: 1 },
    ],
    seed,
  });
}

export const toySchedule = (totalSteps: number): ScheduleOptions => ({
  peak: 0.01,
  totalSteps,
  warmupSteps: 2,
  decayShare: 0.4,
  finalShare: 0.01,
});

/** Values at every place in which two arrays differ by a single bit or more. */
export function countDifferentBits(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new Error(`Expected ${b.length} elements, got ${a.length}.`);
  const [bitsA, bitsB] = [a, b].map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  let count = 0;
  for (let index = 0; index < a.length; index++) if (bitsA?.[index] !== bitsB?.[index]) count++;
  return count;
}
