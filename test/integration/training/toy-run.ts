import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { splitDocuments } from '../../../src/data/documents.ts';
import type { Recipe } from '../../../src/training/recipe.ts';

/** A folder with a small text, a recipe for it, and places for what a run leaves behind. */
export interface ToyRun {
  readonly folder: string;
  readonly textPath: string;
  readonly recipe: Recipe;
}

/** Makes a toy run in a new temporary folder; the text is a few of this project's stories. */
export async function prepareToyRun(change: Partial<Recipe> = {}): Promise<ToyRun> {
  const folder = await mkdtemp(join(tmpdir(), 'itera-run-'));
  const stories = await readFile(new URL('../../../texts/stories/test.txt', import.meta.url), 'utf8');
  const texts = splitDocuments(stories, 'endoftext')
    .slice(0, 6)
    .map(({ text }) => text);
  const textPath = join(folder, 'tiny.txt');
  await writeFile(textPath, texts.join('\n<|endoftext|>\n'));
  const recipe: Recipe = {
    name: 'toy',
    preset: 'micro',
    tokenizer: { vocabSize: 300 },
    mixture: [{ dataset: textPath, weight: 1 }],
    batchSize: 2,
    sequenceLength: 32,
    seed: 3,
    steps: 10,
    warmupSteps: 2,
    decayShare: 0.4,
    finalShare: 0.01,
    learningRate: 0.01,
    beta1: 0.9,
    beta2: 0.97,
    epsilon: 1e-8,
    weightDecay: 0.1,
    clipNorm: 1,
    balanceWeight: 0.01,
    validateEvery: 4,
    validationDocuments: 2,
    checkpointEvery: 4,
    ...change,
  };
  return { folder, textPath, recipe };
}
