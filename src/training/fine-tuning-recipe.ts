import type { Recipe } from './recipe.ts';

export interface FineTuningTexts {
  /** Name of the model that is made. */
  readonly name: string;
  /** Paths or names of datasets, each with its size. */
  readonly texts: readonly { readonly dataset: string; readonly bytes: number }[];
}

/** What a user may choose; all else follows from the texts. */
export type FineTuningChoices = Partial<
  Pick<Recipe, 'steps' | 'learningRate' | 'batchSize' | 'sequenceLength' | 'seed' | 'initShare' | 'distillation'>
>;

/** How often the texts are read, and what bounds the steps that this makes. */
const passes = 3;
const leastSteps = 20;
const mostSteps = 2000;
/** Of English text, with vocabularies of some hundreds to thousands of tokens. */
const bytesPerToken = 3;

/**
 * A recipe for training a model further on some texts: about three passes over them, at a learning rate well below that
 * of the bundled models' own training, falling to a tenth of it. Texts count by their size.
 */
export function fineTuningRecipe({ name, texts }: FineTuningTexts, choices: FineTuningChoices = {}): Recipe {
  const { batchSize = 16, sequenceLength = 256, learningRate = 0.001, seed = 1, initShare, distillation } = choices;
  const bytes = texts.reduce((sum, text) => sum + text.bytes, 0);
  const usual = Math.ceil((passes * bytes) / bytesPerToken / (batchSize * sequenceLength));
  const steps = choices.steps ?? Math.min(Math.max(usual, leastSteps), mostSteps);
  return {
    name,
    mixture: texts.map((text) => ({ dataset: text.dataset, weight: Math.max(text.bytes, 1) / Math.max(bytes, 1) })),
    ...(distillation && { distillation }),
    batchSize,
    // Small parts let up to four threads share a step.
    microBatchSize: batchSize % 4 === 0 ? batchSize / 4 : batchSize,
    sequenceLength,
    seed,
    steps,
    warmupSteps: Math.ceil(steps / 20),
    decayShare: 0.5,
    finalShare: 0.1,
    learningRate,
    ...(initShare !== undefined && { initShare }),
    beta1: 0.9,
    beta2: 0.97,
    epsilon: 1e-8,
    weightDecay: 0.1,
    clipNorm: 1,
    balanceWeight: 0.01,
    validateEvery: Math.ceil(steps / 4),
    validationDocuments: 60,
    checkpointEvery: Math.max(10, Math.ceil(steps / 10)),
  };
}
