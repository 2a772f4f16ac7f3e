import { IteraError } from '../core/errors.ts';
import { openDataset } from '../data/dataset-files.ts';
import type { SampleText } from '../models/model-card.ts';
import { loadModel } from '../runtime/load-model-file.ts';
import type { Recipe } from '../training/recipe.ts';
import { sampling } from '../validation/run-samples.ts';

/** Words of a document that a model is given. */
const promptWords = 6;
/** About 110 words. */
const maxNewTokens = 150;
/** As in the report of `run`. */
const { temperature: usual, topP } = sampling;
/** One sample each, in the order of the documents; 0 always takes the most probable token. */
const temperatures = [0, usual, usual, usual, usual, usual];

/**
 * Lets a model continue the beginnings of the first validation documents of a recipe's first dataset that has some.
 *
 * @returns One text for each document, none if the recipe's texts have no validation split.
 * @throws {@link IteraError} what loading and running the model throws.
 */
export async function writeSamples(
  modelDir: string,
  { mixture }: Recipe,
  places: { readonly dataDir?: string; readonly signal?: AbortSignal },
): Promise<SampleText[]> {
  const prompts = await readPrompts(mixture, places);
  const samples: SampleText[] = [];
  if (prompts.length === 0) return samples;
  const model = await loadModel(modelDir);
  try {
    for (const [index, prompt] of prompts.entries()) {
      const temperature = temperatures[index] as number;
      const options = { seed: index, temperature, topP, maxNewTokens, signal: places.signal };
      let text = '';
      for await (const piece of model.generate(prompt, options)) text += piece.text;
      samples.push({ prompt, text, seed: index, temperature, topP });
    }
  } finally {
    await model.release();
  }
  return samples;
}

async function readPrompts(
  mixture: Recipe['mixture'],
  places: { readonly dataDir?: string; readonly signal?: AbortSignal },
): Promise<string[]> {
  for (const { dataset } of mixture) {
    const opened = await openDataset(dataset, { ...places, split: 'valid', holdOut: true }).catch((error: unknown) => {
      if (error instanceof IteraError && ['DATASET_UNAVAILABLE', 'INVALID_ARGUMENT'].includes(error.code))
        return undefined;
      throw error;
    });
    if (!opened?.split) continue;
    const prompts: string[] = [];
    for await (const { text } of opened.documents()) {
      prompts.push(text.trim().split(/\s+/).slice(0, promptWords).join(' '));
      if (prompts.length === temperatures.length) break;
    }
    return prompts;
  }
  return [];
}
