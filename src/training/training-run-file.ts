import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { IteraError } from '../core/errors.ts';
import { createRandom } from '../core/random.ts';
import { listFacts, type RunFacts } from '../core/run-facts.ts';
import type { Tensor } from '../core/tensor.ts';
import { createBatchSampler } from '../data/batches.ts';
import { type Dataset, openDataset } from '../data/dataset-files.ts';
import { makeFolder } from '../data/folder-file.ts';
import { withFolderLock } from '../data/folder-lock-file.ts';
import { type CachedTokens, loadTokens } from '../data/token-cache-files.ts';
import type { ModelConfig } from '../models/config.ts';
import { initializeWeights } from '../models/initialization.ts';
import type { SourceModelFacts } from '../models/model-card.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint-file.ts';
import { writeCurves } from './curve-file.ts';
import { parseRecipe, type Recipe } from './recipe.ts';
import { prepareTeachers, type TeacherProgress } from './run-teacher-file.ts';
import { type PreparedTokenizer, prepareTokenizer } from './run-tokenizer-file.ts';
import { readValidation, validate } from './run-validation-file.ts';
import { startShardThreads } from './shard-threads-file.ts';
import { configOf, openSourceModels, type SourceModels } from './source-models-file.ts';
import { createStepper, type Stepper, type WeightRounder } from './stepper.ts';
import { type StepReport, type TrainingProgress, train, type ValidationPoint } from './trainer.ts';
import { averageWithStart } from './weight-average.ts';
import type { OptimizerOptions } from './weight-optimizer.ts';

/** Where a run keeps its files, what it starts from, and how it is followed. */
export interface TrainingRunOptions {
  /** Folder for the checkpoint, the tokenizer and the curves. */
  readonly runDir: string;
  /** Go on from the checkpoint in `runDir`; without it, a folder that holds one is refused. */
  readonly resume: boolean;
  /** Of all computing, 1 or more; the weights do not depend on it. */
  readonly threads: number;
  /** Model folder, or name of a bundled model, whose weights, configuration and tokenizer the run starts with. */
  readonly init?: string;
  /** Train the weights for how they will be rounded; validation is then of the rounded ones too. */
  readonly rounding?: {
    readonly roundWeights: WeightRounder;
    /** What to start from, of the same model, in place of its own weights or drawn ones. */
    readonly initialWeights?: ReadonlyMap<string, Tensor>;
    /** All that decides these, as plain JSON: a run is only resumed with the same. */
    readonly identity: unknown;
  };
  /** Folder with `<dataset>/<split>.txt`; default `ITERA_DATA_DIR`, then the cache. */
  readonly dataDir?: string;
  /** Stops training after the present step, with a checkpoint; `finished` is then false. Rejects with `ABORTED` before. */
  readonly signal?: AbortSignal;
  /** What is being prepared, in words. */
  readonly onStage?: (stage: string) => void;
  /** How far the teacher's predictions are, where they have to be made. */
  readonly onTeacher?: (progress: TeacherProgress) => void;
  /** After each step. */
  readonly onStep?: (report: StepReport) => void;
  /** After each validation, a point for each dataset. */
  readonly onValidation?: (points: readonly ValidationPoint[]) => void;
}

/** A training run that has ended or was stopped. */
export interface TrainedRun {
  /** Holds the weights, in `parameters.views`; to be released by the caller. */
  readonly stepper: Stepper;
  /** Losses and validations so far. */
  readonly progress: TrainingProgress;
  /** Whether all steps of the recipe were taken. */
  readonly finished: boolean;
  readonly config: ModelConfig;
  /** Content of `tokenizer.json`. */
  readonly tokenizerJson: unknown;
  /** Content of `tokenizer_config.json`. */
  readonly tokenizerConfig: unknown;
  /** The texts that were trained on, with their weights in the mixture. */
  readonly sources: readonly {
    readonly dataset: string;
    readonly split: string;
    readonly sha256: string;
    readonly tokens: number;
    readonly documents: number;
    readonly weight: number;
  }[];
  /** The model that it started from, if any. */
  readonly init?: SourceModelFacts;
  /** The models that it learnt from, if any. */
  readonly teachers?: readonly SourceModelFacts[];
}

/**
 * Trains a model from a recipe: tokenizer, tokens, a teacher's predictions, steps, validation, checkpoints. Stopping it
 * (by `signal` or by killing the process) loses at most the steps since the last checkpoint; resuming gives the same
 * weights, bit for bit, as never having stopped.
 *
 * @throws {@link IteraError} `RUN_IN_PROGRESS` if another run has the same `runDir`, and what the parts throw: of recipe, data,
 *   tokenizer, models, checkpoint and training.
 */
export async function runTraining(recipe: Recipe, options: TrainingRunOptions): Promise<TrainedRun> {
  const { runDir, resume, signal } = options;
  parseRecipe(recipe, { startsFromModel: options.init !== undefined });
  const checkpointPath = join(runDir, 'checkpoint.safetensors');
  const stoppable = signal ? { signal } : {};
  const models = await openSourceModels(recipe, options.init, stoppable);
  await prepareFolder(runDir, checkpointPath, resume);
  return withFolderLock(runDir, () => runPrepared(recipe, options, models, checkpointPath), {
    ...stoppable,
    onWait: (holder) => {
      const message =
        `Another run is writing to ${runDir}. Wait for its end, or choose another folder (--run-dir). If none is, try again ` +
        'after a minute: a lock that nobody renews does not count for longer.';
      throw new IteraError('RUN_IN_PROGRESS', message, { runDir, holder });
    },
  });
}

/** What {@link runTraining} does once the run folder is its own. */
async function runPrepared(
  recipe: Recipe,
  options: TrainingRunOptions,
  models: SourceModels,
  checkpointPath: string,
): Promise<TrainedRun> {
  const { runDir, resume, threads, signal, onStage } = options;
  const stoppable = signal ? { signal } : {};
  const places = { ...(options.dataDir && { dataDir: options.dataDir }), ...stoppable };

  onStage?.('reading texts');
  const datasets = await Promise.all(
    recipe.mixture.map(({ dataset }) => openDataset(dataset, { ...places, split: 'train', holdOut: true })),
  );
  const prepared = models.tokenizer ?? (await prepareTokenizer(recipe, datasets, options));
  const { tokenizer, tokenizerJson, tokenizerConfig } = prepared;
  const config = configOf(recipe, models.init, tokenizer);
  onStage?.('encoding texts');
  const tokens: CachedTokens[] = [];
  for (const dataset of datasets) tokens.push(await loadTokens(dataset, tokenizer, prepared.sha256, stoppable));
  const validation = await readValidation(recipe, places);

  const facts = factsOf(recipe, datasets, prepared, models, options.rounding?.identity);
  const sampler = createBatchSampler({
    sources: tokens.map((source, index) => ({ tokens: source, weight: recipe.mixture[index]?.weight ?? 1 })),
    batchSize: recipe.batchSize,
    sequenceLength: recipe.sequenceLength,
    seed: recipe.seed,
  });
  const teacher = await prepareTeachers(recipe, models.teachers, prepared, tokens, options);

  onStage?.('building the training graph');
  const takeSteps = async (stepper: Stepper): Promise<TrainingProgress> => {
    const before = resume ? await readCheckpoint(checkpointPath, stepper, facts) : undefined;
    onStage?.('training');
    const { sequenceLength, initShare = 0 } = recipe;
    const measure = () =>
      validate(config, stepper.computedWeights().views, tokenizer, validation, { sequenceLength, threads });
    const progress = await train(stepper, sampler, {
      schedule: {
        peak: recipe.learningRate,
        totalSteps: recipe.steps,
        warmupSteps: recipe.warmupSteps,
        decayShare: recipe.decayShare,
        finalShare: recipe.finalShare,
      },
      ...(before && { resume: before }),
      ...(teacher && { teach: teacher.teach }),
      ...(validation.length > 0 && { validate: measure }),
      validateEvery: recipe.validateEvery,
      validateFirst: models.init !== undefined,
      checkpoint: async (now) => {
        await writeCheckpoint(checkpointPath, stepper, now, facts);
        await writeCurves(runDir, now);
      },
      checkpointEvery: recipe.checkpointEvery,
      ...(options.onStep && { onStep: options.onStep }),
      ...(options.onValidation && { onValidation: options.onValidation }),
      ...stoppable,
    });
    if (initShare === 0 || !models.init || progress.step < recipe.steps) return progress;
    onStage?.('averaging with the weights it started from');
    averageWithStart(stepper.parameters, models.init.folder.weights, initShare);
    const found = validation.length > 0 ? await measure() : {};
    const points = Object.entries(found).map(([name, bitsPerByte]) => {
      return { step: progress.step, name, bitsPerByte, initShare };
    });
    if (points.length > 0) options.onValidation?.(points);
    return { ...progress, validations: [...progress.validations, ...points] };
  };
  const { stepper, progress } = await withStepper(recipe, config, models, options, takeSteps).finally(() =>
    teacher?.close(),
  );
  return {
    stepper,
    progress,
    finished: progress.step === recipe.steps,
    config,
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
    ...(models.init && { init: models.init.facts }),
    ...(models.teachers.length > 0 && { teachers: models.teachers.map(({ facts }) => facts) }),
  };
}

/** Makes a run's stepper and uses it; if that fails nobody else could release it, because the caller never gets it. */
async function withStepper(
  recipe: Recipe,
  config: ModelConfig,
  { init }: SourceModels,
  { threads, rounding }: Pick<TrainingRunOptions, 'threads' | 'rounding'>,
  use: (stepper: Stepper) => Promise<TrainingProgress>,
): Promise<{ stepper: Stepper; progress: TrainingProgress }> {
  const { batchSize, microBatchSize, sequenceLength, balanceWeight, clipNorm, distillation, dropout } = recipe;
  const stepper = await createStepper(
    config,
    rounding?.initialWeights ?? init?.folder.weights ?? initializeWeights(config, createRandom(recipe.seed, 1)),
    {
      ...{ batchSize, sequenceLength, balanceWeight, clipNorm, threads },
      ...(microBatchSize && { microBatchSize }),
      ...(distillation && { distillation }),
      ...(dropout && { dropout: { rate: dropout, seed: recipe.seed } }),
      ...(rounding && { roundWeights: rounding.roundWeights }),
      ...optimizerOf(recipe),
    },
    startShardThreads,
  );
  const progress = await use(stepper).catch(async (error: unknown) => {
    await stepper.release();
    throw error;
  });
  return { stepper, progress };
}

function optimizerOf(recipe: Recipe): OptimizerOptions {
  const { beta1, beta2, epsilon, weightDecay, learningRate, muonLearningRate = learningRate } = recipe;
  const muon = { momentum: recipe.muonMomentum ?? 0.95, rateFactor: muonLearningRate / learningRate };
  return { adamw: { beta1, beta2, epsilon, weightDecay }, ...(recipe.optimizer === 'muon' && { muon }) };
}

/**
 * All that decides a run's steps; models count by their content, wherever they are. The model's name does not, nor does
 * `initShare`, which comes after the steps: a run that has ended is resumed with another share to write that mean.
 */
function factsOf(
  { distillation, initShare: _, name: __, ...recipe }: Recipe,
  datasets: readonly Dataset[],
  { sha256 }: PreparedTokenizer,
  { init, teachers }: SourceModels,
  rounding: unknown,
): RunFacts {
  const texts = datasets.map(({ sha256: hash, reading }, index) => ({
    [`text ${index + 1}`]: hash,
    ...(reading !== undefined && listFacts(reading, `text ${index + 1} read by`)),
  }));
  return {
    ...listFacts(recipe),
    ...(distillation && listFacts({ ...distillation, teacher: undefined }, 'distillation')),
    ...Object.assign({}, ...texts),
    'tokenizer file': sha256,
    ...(init && { 'first model': init.sha256 }),
    ...listFacts(Object.fromEntries(teachers.map((teacher, index) => [`teacher ${index + 1}`, teacher.sha256]))),
    ...(rounding !== undefined && listFacts(rounding, 'rounding')),
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
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IteraError(
      'OUTPUT_UNWRITABLE',
      `Could not make the run folder ${runDir}: ${reason}`,
      { path: runDir },
      { cause },
    );
  }
}
