import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IteraError } from '../core/errors.ts';
import { replaceFile } from '../data/atomic-file.ts';
import type { Dataset } from '../data/dataset-files.ts';
import { trainBpe } from '../text/bpe-trainer.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import type { Recipe } from './recipe.ts';

/** A tokenizer and the files it is written to. */
export interface PreparedTokenizer {
  readonly tokenizer: Tokenizer;
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  /** Of `tokenizerJson`. */
  readonly sha256: string;
}

export interface TokenizerOptions {
  /** The tokenizer is kept in this folder, and read from it when a run is resumed. */
  readonly runDir: string;
  readonly resume: boolean;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
}

/**
 * Trains a run's tokenizer, or reads the one that it already made.
 *
 * @throws {@link IteraError} `CONFIG_INVALID` if the recipe states none, `OUTPUT_UNWRITABLE`, `CHECKPOINT_INVALID`, and what `trainBpe` throws.
 */
export async function prepareTokenizer(
  recipe: Recipe,
  datasets: readonly Dataset[],
  { runDir, resume, signal, onStage }: TokenizerOptions,
): Promise<PreparedTokenizer> {
  const path = join(runDir, 'tokenizer.json');
  const stored = resume ? await readFile(path, 'utf8').catch(() => undefined) : undefined;
  if (stored !== undefined) return readTokenizer(stored, path);
  if (recipe.tokenizer === undefined) throw new IteraError('CONFIG_INVALID', 'Recipe: tokenizer is missing.');
  const { vocabSize } = recipe.tokenizer;
  onStage?.('training the tokenizer');
  const { tokenizerJson, tokenizerConfig } = await trainBpe(textsOf(datasets), {
    vocabSize,
    ...(signal && { signal }),
  });
  const content = JSON.stringify({ tokenizerJson, tokenizerConfig });
  await replaceFile(path, content).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IteraError('OUTPUT_UNWRITABLE', `Could not write the tokenizer ${path}: ${reason}`, { path }, { cause });
  });
  return readTokenizer(content, path);
}

function readTokenizer(content: string, path: string): PreparedTokenizer {
  try {
    const { tokenizerJson, tokenizerConfig } = JSON.parse(content) as {
      readonly tokenizerJson: unknown;
      readonly tokenizerConfig: unknown;
    };
    const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
    return { tokenizer, tokenizerJson, tokenizerConfig, sha256: hashTokenizer(tokenizerJson) };
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new IteraError(
      'CHECKPOINT_INVALID',
      `Cannot resume: the run's tokenizer ${path} is damaged (${problem}). Delete it to have it made again.`,
      { path, problem },
      { cause },
    );
  }
}

async function* textsOf(datasets: readonly Dataset[]): AsyncGenerator<string> {
  for (const dataset of datasets) for await (const { text } of dataset.documents()) yield text;
}

/** Hash of a tokenizer's `tokenizer.json`, whatever its white space. */
export const hashTokenizer = (tokenizerJson: unknown): string =>
  createHash('sha256').update(JSON.stringify(tokenizerJson)).digest('hex');
