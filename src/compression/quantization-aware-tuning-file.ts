import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../data/atomic-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import type { ModelConfig } from '../models/config.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { openModel } from '../runtime/load-model-file.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import { fineTuningRecipe } from '../training/fine-tuning-recipe.ts';
import type { Recipe } from '../training/recipe.ts';
import type { StepReport, TrainingProgress, ValidationPoint } from '../training/trainer.ts';
import { runTraining } from '../training/training-run-file.ts';
import { writeWindows } from './generated-text.ts';
import {
  createWeightRounder,
  type RoundedProducts,
  type RoundedWeightsOptions,
  settleWeights,
} from './rounded-weights.ts';

export interface TuningOptions extends RoundedWeightsOptions {
  /** Folder for the checkpoint, and for the text where the model has to write one. */
  readonly runDir: string;
  /** Go on from the checkpoint in `runDir`. */
  readonly resume: boolean;
  readonly threads: number;
  /** Texts to train on: dataset names or paths, with the share of rows from each. Absent, the model writes its own. */
  readonly texts?: readonly { readonly dataset: string; readonly weight: number }[] | undefined;
  /** Tokens that the model writes where it writes the text. Default 200,000. */
  readonly ownTokens?: number;
  readonly dataDir?: string;
  readonly choices?: TuningChoices;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
  /** Tokens that the model has written, where it writes the text. */
  readonly onWriting?: (doneTokens: number, totalTokens: number) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onValidation?: (points: readonly ValidationPoint[]) => void;
}

/** Parts of the recipe that `tuningRecipe` would choose otherwise. */
export type TuningChoices = Partial<
  Pick<Recipe, 'steps' | 'learningRate' | 'batchSize' | 'sequenceLength' | 'seed' | 'validationDocuments'>
>;

/** A model trained for its rounded products. */
export interface TunedModel {
  readonly config: ModelConfig;
  /**
   * Float weights that round well: with the same scales and zero points, `replaceLevels` gives in the compressed graph
   * of these weights the products that were trained.
   */
  readonly weights: ModelFolder['weights'];
  readonly recipe: Recipe;
  readonly progress: TrainingProgress;
  readonly finished: boolean;
}

/**
 * Trains a model's weights for the levels that they are rounded to: every step computes with rounded weights and moves
 * the float ones (straight-through), which learn to predict what the unrounded model predicts. Scales and zero points
 * stay as they are; training starts from the levels of the products.
 *
 * Validation before the first and after the last step says what it gained. Stopping and resuming as in `runTraining`.
 *
 * @param nameOrDir - The unrounded model: path of a folder or name of a bundled model.
 * @param products - Its rounded products, e.g. by error feedback.
 * @throws {@link IteraError} `SHAPE_MISMATCH` for products of another model, and what `runTraining` throws.
 */
export async function tuneRoundedWeights(
  nameOrDir: string,
  products: RoundedProducts,
  { runDir, resume, threads, centered, dataDir, signal, choices = {}, ...options }: TuningOptions,
): Promise<TunedModel> {
  const stoppable = signal ? { signal } : {};
  const folder = await openModel(nameOrDir, stoppable);
  const { config, weights } = folder;
  const rounding = {
    roundWeights: createWeightRounder(config, products, { centered }),
    initialWeights: settleWeights(config, weights, products, { centered }),
    identity: { centered, products: hashProducts(products) },
  };
  let { texts } = options;
  if (!texts) {
    options.onStage?.('writing a text to train on');
    texts = [
      {
        dataset: await writeOwnText(folder, runDir, choices.seed ?? 1, { threads, ...stoppable, ...options }),
        weight: 1,
      },
    ];
  }
  const recipe = tuningRecipe(nameOrDir, texts, choices);
  const trained = await runTraining(recipe, {
    ...{ runDir, resume, threads, init: nameOrDir, rounding },
    ...(dataDir !== undefined && { dataDir }),
    ...(options.onStage && { onStage: options.onStage }),
    ...(options.onStep && { onStep: options.onStep }),
    ...(options.onValidation && { onValidation: options.onValidation }),
    ...stoppable,
  });
  const { stepper, progress, finished } = trained;
  // The stepper's memory is shared with its threads, and goes with them.
  const tuned = new Map(
    [...stepper.parameters.views].map(([name, view]) => [name, { ...view, data: view.data.slice() }]),
  );
  await stepper.release();
  return { config, weights: tuned, recipe, progress, finished };
}

/**
 * The recipe of {@link tuneRoundedWeights}: learning from the unrounded model alone, at a rate far below that of training,
 * without weight decay, which would pull weights over the edges between levels.
 */
function tuningRecipe(
  teacher: string,
  texts: readonly { readonly dataset: string; readonly weight: number }[],
  { validationDocuments = 60, ...choices }: TuningChoices = {},
): Recipe {
  const { steps = 300, learningRate = 0.0005, batchSize = 8 } = choices;
  const recipe = fineTuningRecipe(
    { name: 'rounded', texts: texts.map(({ dataset }) => ({ dataset, bytes: 1 })) },
    {
      ...{ batchSize, ...choices, steps, learningRate },
      distillation: { teacher, temperature: 1, weight: 1, topK: 64, live: true },
    },
  );
  return {
    ...recipe,
    mixture: texts.map(({ dataset, weight }) => ({ dataset, weight })),
    microBatchSize: batchSize % 2 === 0 ? batchSize / 2 : batchSize,
    decayShare: 1,
    finalShare: 0.01,
    weightDecay: 0,
    validateEvery: steps,
    validationDocuments,
  };
}

/** Tokens of a text that a model writes in one go. */
const ownWindow = 256;

/** A text by the model itself, of the beginnings of documents; one that an interrupted run wrote is used again. */
async function writeOwnText(
  { config, weights, tokenizerJson, tokenizerConfig }: ModelFolder,
  runDir: string,
  seed: number,
  {
    threads,
    signal,
    onWriting,
    ownTokens = 200_000,
  }: Pick<TuningOptions, 'threads' | 'signal' | 'onWriting' | 'ownTokens'>,
): Promise<string> {
  const path = join(runDir, 'own-text.txt');
  const present = await readFile(path).then(
    () => true,
    () => false,
  );
  if (present) return path;
  const graph = buildInferenceGraph(config, weights);
  const size = { tokens: ownTokens, windowTokens: ownWindow };
  const windows = await writeWindows(graph, config, size, seed, {
    threads,
    ...(signal && { signal }),
    ...(onWriting && { onProgress: onWriting }),
  });
  const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
  await makeFolder(runDir);
  await replaceFile(path, windows.flatMap((window) => splitTexts(window, tokenizer)).join('\n<|endoftext|>\n'));
  return path;
}

/** The texts of a window; end-of-text marks stand between them. */
function splitTexts(window: Uint32Array, tokenizer: Tokenizer): readonly string[] {
  const texts: string[] = [];
  let start = 0;
  for (let at = 0; at <= window.length; at++) {
    if (at < window.length && window[at] !== tokenizer.eosId) continue;
    if (at > start) texts.push(tokenizer.decode(window.subarray(start, at)));
    start = at + 1;
  }
  return texts;
}

/** Equal for equal products. */
export function hashProducts(products: RoundedProducts): string {
  const hash = createHash('sha256');
  for (const [name, { levels, scales, zeroPoints, ...rest }] of products) {
    hash.update(JSON.stringify([name, rest]));
    for (const { buffer, byteOffset, byteLength } of [levels, scales, zeroPoints ?? levels]) {
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
  }
  return hash.digest('hex');
}
