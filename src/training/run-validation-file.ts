import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { Tensor } from '../core/tensor.ts';
import { openDataset } from '../data/dataset-files.ts';
import { sampleDocuments } from '../data/document-sample.ts';
import type { TextDocument } from '../data/documents.ts';
import { scoreDocuments } from '../evaluation/document-loss.ts';
import type { ModelConfig } from '../models/config.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import { createTokenScorer } from '../runtime/token-scorer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Recipe } from './recipe.ts';

/** Windows scored at once. */
const validationBatch = 16;

/** Documents that a run is validated on. */
export interface ValidationText {
  readonly name: string;
  readonly documents: readonly TextDocument[];
}

/**
 * A sample of the validation split of each dataset of a recipe that has one on this machine; a text of the user's own has
 * one if some of its documents can be held out.
 *
 * @throws {@link IteraError} what `openDataset` throws.
 */
export async function readValidation(
  recipe: Recipe,
  places: { dataDir?: string; signal?: AbortSignal },
): Promise<ValidationText[]> {
  const found: ValidationText[] = [];
  for (const { dataset } of recipe.mixture) {
    throwIfAborted(places.signal);
    const opened = await openDataset(dataset, { ...places, split: 'valid', holdOut: true }).catch((error: unknown) => {
      if (error instanceof IteraError && ['DATASET_UNAVAILABLE', 'INVALID_ARGUMENT'].includes(error.code))
        return undefined;
      throw error;
    });
    // A text of a single document has no splits: what it would be validated on is what it is trained on.
    if (!opened?.split) continue;
    const { sample } = await sampleDocuments(opened.documents(), recipe.validationDocuments, recipe.seed);
    const namesakes = found.filter(({ name }) => name === opened.name || name.startsWith(`${opened.name} (`)).length;
    const name = namesakes > 0 ? `${opened.name} (${namesakes + 1})` : opened.name;
    found.push({ name, documents: sample });
  }
  return found;
}

/** Bits per byte of a model in training on each text, by its name. */
export async function validate(
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
  tokenizer: Tokenizer,
  texts: readonly ValidationText[],
  { sequenceLength, threads }: { readonly sequenceLength: number; readonly threads: number },
): Promise<Record<string, number>> {
  const scorer = await createTokenScorer(buildInferenceGraph(config, weights), config, { threads });
  try {
    const results: Record<string, number> = {};
    for (const { name, documents } of texts) {
      const losses = await scoreDocuments(documents, tokenizer, scorer, {
        contextLength: 2 * sequenceLength,
        stride: sequenceLength,
        batchSize: validationBatch,
      });
      const nats = losses.reduce((sum, loss) => sum + loss.nats, 0);
      const bytes = losses.reduce((sum, loss) => sum + loss.bytes, 0);
      results[name] = nats / Math.LN2 / bytes;
    }
    return results;
  } finally {
    await scorer.release();
  }
}
