import { type ComparedModel, compareDataset } from '../evaluation/dataset-comparison.ts';
import { type DatasetQuality, type EvaluationOptions, evaluateDataset } from '../evaluation/dataset-quality.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { createLogitComparer } from '../runtime/logit-comparer.ts';
import { createTokenScorer } from '../runtime/token-scorer.ts';
import type { PreparedVariant } from './compared-variants.ts';

/** Scores a dataset by the model alone, or by the model and its variants on the same tokens. */
export interface DatasetScorer {
  score(dataset: string, options: EvaluationOptions): Promise<DatasetQuality>;
  release(): Promise<void>;
}

/**
 * @param variants - Compared with the model; without any, the model is scored alone.
 * @throws {@link IteraError} what `createTokenScorer` and `createLogitComparer` throw.
 */
export async function createDatasetScorer(
  folder: ModelFolder,
  about: Omit<ComparedModel, 'comparer'>,
  variants: readonly PreparedVariant[],
): Promise<DatasetScorer> {
  const { config, weights } = folder;
  const { threads } = about;
  if (variants.length === 0) {
    const scorer = await createTokenScorer(buildInferenceGraph(config, weights), config, { threads });
    const evaluated = { ...about, variant: 'fp32', scorer };
    return {
      score: (dataset, options) => evaluateDataset(dataset, evaluated, options),
      release: () => scorer.release(),
    };
  }
  const baseline = { name: 'fp32', model: encodeInferenceModel(folder) };
  const comparer = await createLogitComparer(config, baseline, variants, { threads });
  return {
    score: (dataset, options) => compareDataset(dataset, { ...about, comparer }, options),
    release: () => comparer.release(),
  };
}

/**
 * The same, loaded when the first dataset is scored; a loading that fails is tried again with the next one.
 *
 * @param variants - Asked when it is loaded.
 */
export function deferDatasetScorer(
  folder: ModelFolder,
  about: Omit<ComparedModel, 'comparer'>,
  variants: () => readonly PreparedVariant[],
): DatasetScorer {
  let loaded: DatasetScorer | undefined;
  return {
    async score(dataset, options) {
      loaded ??= await createDatasetScorer(folder, about, variants());
      return loaded.score(dataset, options);
    },
    release: async () => loaded?.release(),
  };
}
