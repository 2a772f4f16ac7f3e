import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { splitDocuments, type TextDocument } from '../../../src/data/documents.ts';
import type { ModelConfig } from '../../../src/models/config.ts';
import { type ModelFolder, readModelFolder, writeModelFolder } from '../../../src/models/model-folder-file.ts';
import { trainBpe } from '../../../src/text/bpe-trainer.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../../parity/toy-config.ts';

/** A few of this project's stories. */
async function toyStories(): Promise<readonly TextDocument[]> {
  const text = await readFile(new URL('../../../texts/stories/test.txt', import.meta.url), 'utf8');
  return splitDocuments(text, 'endoftext').slice(0, 12);
}

/** The configuration that the toy folders have unless told otherwise: mamba and attention, with experts. */
const folderConfig = toyConfig({
  vocabSize: 270,
  layersBlockType: ['mamba', 'attention'],
  hiddenSize: 32,
  intermediateSize: 16,
});

/** Writes a folder with an untrained model that has a tokenizer of its own, and reads it. */
export async function writeToyFolder(
  dir: string,
  { config = folderConfig, seed = 1 }: { config?: ModelConfig; seed?: number } = {},
): Promise<ModelFolder> {
  const texts = (await toyStories()).map(({ text }) => text);
  const { tokenizerJson, tokenizerConfig } = await trainBpe(texts, { vocabSize: config.vocabSize });
  const itera = { schemaVersion: 1, name: 'toy', note: 'kept' };
  await writeModelFolder(dir, { config, weights: randomWeights(config, seed), tokenizerJson, tokenizerConfig, itera });
  return readModelFolder(dir);
}

/** A file of some stories. */
export async function writeStories(dir: string): Promise<string> {
  const path = join(dir, 'stories.txt');
  await writeFile(path, (await toyStories()).map(({ text }) => text).join('\n<|endoftext|>\n'));
  return path;
}
