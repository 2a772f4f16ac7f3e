import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { createRandom } from '../core/random.ts';
import { replaceFile } from '../data/atomic-file.ts';
import { createBatchSampler } from '../data/batches.ts';
import { type Dataset, openDataset } from '../data/dataset-files.ts';
import { sampleDocuments } from '../data/document-sample.ts';
import type { TextDocument } from '../data/documents.ts';
import { makeFolder } from '../data/folder-file.ts';
import { type CachedTokens, loadTokens } from '../data/token-cache-files.ts';
import { scoreDocuments } from '../evaluation/document-loss.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import { initializeWeights } from '../models/initialization.ts';
import { presetConfig } from '../models/presets.ts';
import { createTokenScorer } from '../runtime/token-scorer.ts';
import { trainBpe } from '../text/bpe-trainer.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint-file.ts';
import { writeCurves } from './curve-file.ts';
import type { Recipe } from './recipe.ts';
import { startShardThreads } from './shard-threads-file.ts';
import { createStepper, type Stepper } from './stepper.ts';
import { type StepReport, type TrainingProgress, train, type ValidationPoint } from './trainer.ts';

export interface TrainingRunOptions {
  /** Folder for the checkpoint, the tokenizer and the curves. */
  readonly runDir: string;
  /** Go on from the checkpoint in `runDir`; without it, a folder that holds one is refused. */
  readonly resume: boolean;
  readonly threads: number;
  readonly dataDir?: string;
  readonly signal?: AbortSignal;
  /** What is being prepared, in words. */
  readonly onStage?: (stage: string) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onValidation?: (points: readonly ValidationPoint[]) => void;
}

export interface TrainedRun {
  readonly stepper: Stepper;
  readonly progress: TrainingProgress;
  readonly finished: boolean;
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  readonly sources: readonly {
    readonly dataset: string;
    readonly split: string;
    readonly sha256: string;
    readonly tokens: number;
    readonly documents: number;
    readonly weight: number;
  }[];
}

/** Windows for validation during training: those that the model is trained on. */
const validationBatch = 16;

/**
 * Trains a model from a recipe: tokenizer, tokens, steps, validation, checkpoints. Stopping it (by `signal` or by
 * killing the process) loses at most the steps since the last checkpoint; resuming gives the same weights, bit for
 * bit, as never having stopped.
 *
 * @throws {@link IteraError} what the parts throw: of data, tokenizer, checkpoint and training.
 */
export async function runTraining(recipe: Recipe, options: TrainingRunOptions): Promise<TrainedRun> {
  const { runDir, resume, threads, signal, onStage } = options;
  const checkpointPath = join(runDir, 'checkpoint.safetensors');
  await prepareFolder(runDir, checkpointPath, resume);
  const places = { ...(options.dataDir && { dataDir: options.dataDir }), ...(signal && { signal }) };

  onStage?.('reading texts');
  const datasets = await Promise.all(
    recipe.mixture.map(({ dataset }) => openDataset(dataset, { ...places, split: 'train' })),
  );
  const { tokenizer, tokenizerJson, tokenizerConfig, sha256 } = await prepareTokenizer(recipe, datasets, options);
  onStage?.('encoding texts');
  const tokens: CachedTokens[] = [];
  for (const dataset of datasets) tokens.push(await loadTokens(dataset, tokenizer, sha256, signal ? { signal } : {}));
  const validation = await readValidation(recipe, places);

  const runKey = hashText(JSON.stringify([recipe, datasets.map((dataset) => dataset.sha256), sha256]));
  const sampler = createBatchSampler({
    sources: tokens.map((source, index) => ({ tokens: source, weight: recipe.mixture[index]?.weight ?? 1 })),
    batchSize: recipe.batchSize,
    sequenceLength: recipe.sequenceLength,
    seed: recipe.seed,
  });

  onStage?.('building the training graph');
  const config = presetConfig(recipe.preset, tokenizer.vocabSize);
  const { batchSize, microBatchSize, sequenceLength, balanceWeight, clipNorm } = recipe;
  const stepper = await createStepper(
    config,
    initializeWeights(config, createRandom(recipe.seed, 1)),
    {
      ...{ batchSize, sequenceLength, balanceWeight, clipNorm, threads },
      ...(microBatchSize && { microBatchSize }),
      adamw: { beta1: recipe.beta1, beta2: recipe.beta2, epsilon: recipe.epsilon, weightDecay: recipe.weightDecay },
    },
    startShardThreads,
  );
  const takeSteps = async (): Promise<TrainingProgress> => {
    const before = resume ? await readCheckpoint(checkpointPath, stepper, runKey) : undefined;
    onStage?.('training');
    return train(stepper, sampler, {
      schedule: {
        peak: recipe.learningRate,
        totalSteps: recipe.steps,
        warmupSteps: recipe.warmupSteps,
        decayShare: recipe.decayShare,
        finalShare: recipe.finalShare,
      },
      ...(before && { resume: before }),
      ...(validation.length > 0 && {
        validate: () => validate(stepper, config, tokenizer, validation, recipe, threads),
      }),
      validateEvery: recipe.validateEvery,
      checkpoint: async (now) => {
        await writeCheckpoint(checkpointPath, stepper, now, runKey);
        await writeCurves(runDir, now);
      },
      checkpointEvery: recipe.checkpointEvery,
      ...(options.onStep && { onStep: options.onStep }),
      ...(options.onValidation && { onValidation: options.onValidation }),
      ...(signal && { signal }),
    });
  };
  const progress = await takeSteps().catch(async (error: unknown) => {
    // Nobody else can: the caller gets the stepper only with the result.
    await stepper.release();
    throw error;
  });
  return {
    stepper,
    progress,
    finished: progress.step === recipe.steps,
    tokenizerJson,
    tokenizerConfig,
    sources: datasets.map(({ name, sha256: hash, split }, index) => ({
      dataset: name,
      split: split ?? 'all',
      sha256: hash,
      tokens: tokens[index]?.tokens.length ?? 0,
      documents: tokens[index]?.documentStarts.length ?? 0,
      weight: recipe.mixture[index]?.weight ?? 1,
    })),
  };
}

async function prepareFolder(runDir: string, checkpointPath: string, resume: boolean): Promise<void> {
  const exists = await stat(checkpointPath).then(
    () => true,
    () => false,
  );
  if (exists && !resume) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `${runDir} already holds a checkpoint. Resume it (--resume) or choose another folder (--run-dir).`,
      { runDir },
    );
  }
  if (!exists && resume) {
    throw new IteraError(
      'FILE_NOT_FOUND',
      `Expected a checkpoint at ${checkpointPath}, found none. Start without --resume or correct --run-dir.`,
      { path: checkpointPath },
    );
  }
  try {
    await makeFolder(runDir);
  } catch (cause) {
    throw unwritable(`make the run folder ${runDir}`, runDir, cause);
  }
}

function unwritable(what: string, path: string, cause: unknown): IteraError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new IteraError('OUTPUT_UNWRITABLE', `Could not ${what}: ${reason}`, { path }, { cause });
}

interface PreparedTokenizer {
  readonly tokenizer: Tokenizer;
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  /** Of `tokenizerJson`. */
  readonly sha256: string;
}

/** Trains the tokenizer, or reads the one that this run already made. */
async function prepareTokenizer(
  recipe: Recipe,
  datasets: readonly Dataset[],
  { runDir, resume, signal, onStage }: TrainingRunOptions,
): Promise<PreparedTokenizer> {
  const path = join(runDir, 'tokenizer.json');
  const stored = resume ? await readFile(path, 'utf8').catch(() => undefined) : undefined;
  if (stored !== undefined) return readTokenizer(stored, path);
  onStage?.('training the tokenizer');
  const { vocabSize } = recipe.tokenizer;
  const { tokenizerJson, tokenizerConfig } = await trainBpe(textsOf(datasets), {
    vocabSize,
    ...(signal && { signal }),
  });
  const content = JSON.stringify({ tokenizerJson, tokenizerConfig });
  await replaceFile(path, content).catch((cause: unknown) => {
    throw unwritable(`write the tokenizer ${path}`, path, cause);
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
    return { tokenizer, tokenizerJson, tokenizerConfig, sha256: hashText(JSON.stringify(tokenizerJson)) };
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

interface ValidationText {
  readonly name: string;
  readonly documents: readonly TextDocument[];
}

/** A sample of the validation split of each named dataset that has one. */
async function readValidation(
  recipe: Recipe,
  places: { dataDir?: string; signal?: AbortSignal },
): Promise<ValidationText[]> {
  const found: ValidationText[] = [];
  for (const { dataset } of recipe.mixture) {
    throwIfAborted(places.signal);
    const opened = await openDataset(dataset, { ...places, split: 'valid' }).catch((error: unknown) => {
      if (error instanceof IteraError && ['DATASET_UNAVAILABLE', 'INVALID_ARGUMENT'].includes(error.code))
        return undefined;
      throw error;
    });
    // A file of the user's own has no splits: what it would be validated on is what it is trained on.
    if (!opened?.split) continue;
    const { sample } = await sampleDocuments(opened.documents(), recipe.validationDocuments, recipe.seed);
    found.push({ name: dataset, documents: sample });
  }
  return found;
}

async function validate(
  { parameters }: Stepper,
  config: Parameters<typeof buildInferenceGraph>[0],
  tokenizer: Tokenizer,
  texts: readonly ValidationText[],
  recipe: Recipe,
  threads: number,
): Promise<Record<string, number>> {
  const scorer = await createTokenScorer(buildInferenceGraph(config, parameters.views), config, { threads });
  try {
    const results: Record<string, number> = {};
    for (const { name, documents } of texts) {
      const losses = await scoreDocuments(documents, tokenizer, scorer, {
        contextLength: 2 * recipe.sequenceLength,
        stride: recipe.sequenceLength,
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

const hashText = (text: string): string => createHash('sha256').update(text).digest('hex');
