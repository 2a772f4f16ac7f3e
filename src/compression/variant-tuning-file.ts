import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { openDataset } from '../data/dataset-files.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { CompressedVariant } from '../models/variants.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import type { StepReport } from '../training/trainer.ts';
import type { RefinedVariant, RoundedVariant } from './compress-model.ts';
import { hashProducts, type TunedModel, tuneRoundedWeights } from './quantization-aware-tuning-file.ts';
import { roundToProducts } from './rounded-weights.ts';
import { prepareGraph } from './variant-graph.ts';
import { defaultSchemes, type RoundingScheme } from './variant-schemes.ts';

/** Optimiser steps of a tuning unless told otherwise, see docs/experiments.md. */
export const defaultTuningSteps = 300;

/** How weights are trained for their rounding. */
export interface VariantTuningOptions {
  /** Texts to train on: dataset names (their train split) or paths, in equal shares. None: the model writes its own. */
  readonly texts: readonly string[];
  /** Steps of training for each variant. */
  readonly steps: number;
  readonly seed: number;
  readonly threads: number;
  readonly dataDir?: string;
  readonly signal?: AbortSignal;
  /** What is being done, in words. */
  readonly onStage?: (stage: string) => void;
  /** While the model writes its own text, in tokens. */
  readonly onWriting?: (doneTokens: number, totalTokens: number) => void;
  /** After each step. */
  readonly onStep?: (report: StepReport) => void;
}

/** Whether tuning changes a variant: levels of 8 bits and more lose too little. */
export const isTunable = (variant: CompressedVariant): boolean => belowEightBits(defaultSchemes[variant].rounding);

const belowEightBits = (rounding: RoundingScheme | undefined): rounding is RoundingScheme =>
  rounding !== undefined && rounding.bits < 8;

/**
 * Makes sure, before long work, that texts are long enough for a row to train on.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for one that is not, and what `openDataset` throws.
 */
export async function refuseShortTexts(
  folder: ModelFolder,
  { texts, dataDir, signal }: Pick<VariantTuningOptions, 'texts' | 'dataDir' | 'signal'>,
): Promise<void> {
  const tokenizer = createModelTokenizer(folder);
  for (const text of texts) {
    const dataset = await openDataset(text, { split: 'train', ...(dataDir && { dataDir }), ...(signal && { signal }) });
    let tokens = 0;
    for await (const document of dataset.documents()) {
      // One more for the end of the document.
      tokens += tokenizer.encode(document.text).length + 1;
      if (tokens > tunedRow) break;
    }
    if (tokens > tunedRow) continue;
    const message = `Expected more than ${tunedRow} tokens to train on in ${text}, got ${tokens}. Name a longer text with --calibration, or none.`;
    throw new IteraError('INVALID_ARGUMENT', message, { text, tokens });
  }
}

/** Tokens of a row in `fineTuningRecipe`. */
const tunedRow = 256;

/**
 * A `refine` for `compressModel` that trains the weights of variants below 8 bits for their levels, see
 * `tuneRoundedWeights`; of variants with equal levels once. The file keeps its size.
 *
 * @throws {@link IteraError} what `tuneRoundedWeights` throws.
 */
export function createTuner(
  folder: ModelFolder,
  { texts, steps, seed, threads, signal, ...options }: VariantTuningOptions,
): (rounded: RoundedVariant) => Promise<RefinedVariant | undefined> {
  const known = new Map<string, TunedModel>();

  async function tune({ variant, products }: RoundedVariant, { centered }: RoundingScheme): Promise<TunedModel> {
    const key = `${centered} ${hashProducts(products)}`;
    const found = known.get(key);
    if (found) return found;
    options.onStage?.(`training the weights of ${variant} for its levels`);
    const runDir = await mkdtemp(join(tmpdir(), 'itera-tuning-'));
    try {
      const tuned = await tuneRoundedWeights(folder.dir, products, {
        ...options,
        ...{ runDir, resume: false, threads, centered, choices: { steps, seed } },
        ...(texts.length > 0 && { texts: texts.map((dataset) => ({ dataset, weight: 1 / texts.length })) }),
        ...(signal && { signal }),
      });
      throwIfAborted(signal);
      known.set(key, tuned);
      return tuned;
    } finally {
      await rm(runDir, { recursive: true, force: true });
    }
  }

  return async (rounded) => {
    const { rounding } = rounded.scheme;
    if (!belowEightBits(rounding)) return undefined;
    const { config, weights, recipe, progress } = await tune(rounded, rounding);
    const { batchSize, sequenceLength, learningRate } = recipe;
    const tuning = {
      ...{ steps, tokens: steps * batchSize * sequenceLength, learningRate, seed },
      texts: texts.length === 0 ? 'by the model itself' : texts.map((text) => basename(text)),
      validation: progress.validations,
    };
    return {
      weights,
      products: roundToProducts(prepareGraph({ config, weights }, rounded.scheme).graph, rounded.products),
      facts: { tuning },
    };
  };
}
