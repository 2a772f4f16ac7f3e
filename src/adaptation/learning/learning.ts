import { throwIfAborted } from '../../core/errors.ts';
import { createRandom } from '../../core/random.ts';
import type { Tensor } from '../../core/tensor.ts';
import { buildInferenceGraph } from '../../models/inference-graph.ts';
import type { ModelContents } from '../../models/model-folder.ts';
import { createModelTokenizer } from '../../runtime/model.ts';
import { createTokenScorer } from '../../runtime/token-scorer.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { learningRateAt } from '../../training/schedule.ts';
import { startShardThreads } from '../../training/shard-threads-file.ts';
import { createStepper } from '../../training/stepper.ts';
import type { Example } from './example.ts';
import { scoreExamples } from './example-loss.ts';
import { type ExampleRow, exampleRows } from './example-rows.ts';
import { createBatchDrawer } from './learning-batches.ts';
import { type Replay, writeReplay } from './replay.ts';

export interface LearningSettings {
  /** Highest learning rate of AdamW. */
  readonly learningRate: number;
  /** Steps at most. */
  readonly steps: number;
  /** Rows of a step; half are examples, half replay. */
  readonly batchRows: number;
  /** Weight of the unwanted tokens against that of the wanted ones. */
  readonly avoidWeight: number;
  /** The same of the replay, at the beginning; later it follows from what is forgotten, see {@link nextFollowWeight}. */
  readonly followWeight: number;
  /** Rows that the base model writes, of which a fifth is kept to measure what is forgotten. */
  readonly replayRows: number;
  /** Rise of the nats on the replay that was kept beyond which weights are not taken, 0.01 for 1%. */
  readonly forgettingBound: number;
  readonly seed: number;
}

/** What is known after some steps. */
export interface LearningPoint {
  readonly step: number;
  /** Mean loss of the examples that decide when learning stops, see `scoreExamples`. */
  readonly stoppingLoss: number;
  /** Nats on replay that was kept, relative to the base model's. */
  readonly replayRatio: number;
  /** Weight that the replay had in the steps before. */
  readonly followWeight: number;
}

/** What learning came to. */
export interface Learned {
  /** How it went, whenever it was looked at. */
  readonly points: readonly LearningPoint[];
  /** Rows of text of each kind that were learnt from. */
  readonly rows: { readonly wanted: number; readonly unwanted: number; readonly replay: number };
  /** Absent if no weights were better than the model's own within what may be forgotten. */
  readonly best?: {
    /** The steps that the weights have had. */
    readonly step: number;
    readonly weights: ReadonlyMap<string, Tensor<'float32'>>;
  };
}

export interface LearningOptions {
  readonly threads: number;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
  readonly onStep?: (step: number, steps: number, loss: number) => void;
}

/** Tokens of each position that are known of the base model. */
const topK = 24;
/** Looks at the examples that decide about stopping, in all; and how many in a row may be without progress. */
const looks = 12;
const patience = 3;

/**
 * Teaches a model examples: wanted answers become more probable, unwanted ones less, and on texts of its own it stays near
 * itself. The weights that do best on the examples kept for that are taken, of those that forget less than is allowed.
 *
 * @param training - At least one must have a text.
 * @throws {@link IteraError} `TRAINING_DIVERGED`, `RUNTIME_FAILED`, `ABORTED`.
 */
export async function learnExamples(
  base: ModelContents,
  training: readonly Example[],
  stopping: readonly Example[],
  settings: LearningSettings,
  { threads, signal, onStage, onStep }: LearningOptions,
): Promise<Learned> {
  const tokenizer = createModelTokenizer(base);
  const rows = training.flatMap((example) => exampleRows(example, tokenizer));
  const length = rowLength(rows);
  onStage?.('the model writes texts to stay near itself');
  const written = await writeReplay(base, {
    ...{ rows: settings.replayRows, length, topK, seed: settings.seed, threads },
    ...(signal && { signal }),
  });
  const [kept, replay] = splitReplay(written);
  const measure = createMeasure(base, tokenizer, stopping, kept, threads);
  onStage?.('learning');
  const stepper = await createStepper(
    base.config,
    base.weights,
    {
      batchSize: settings.batchRows,
      microBatchSize: settings.batchRows / 2,
      sequenceLength: length,
      balanceWeight: 0,
      clipNorm: 1,
      adamw: { beta1: 0.9, beta2: 0.97, epsilon: 1e-8, weightDecay: 0 },
      feedback: { topK },
      threads,
    },
    startShardThreads,
  );
  try {
    const random = createRandom(settings.seed, 21);
    const mix = { ...settings, endOfText: tokenizer.eosId };
    const draw = createBatchDrawer(rows, replay, mix, random);
    const schedule = {
      peak: settings.learningRate,
      totalSteps: settings.steps,
      warmupSteps: Math.ceil(settings.steps / 20),
      decayShare: 0.5,
      finalShare: 0.1,
    };
    const first = await measure(base.weights);
    const points: LearningPoint[] = [
      { step: 0, stoppingLoss: first.stoppingLoss, replayRatio: 1, followWeight: settings.followWeight },
    ];
    const every = Math.ceil(settings.steps / looks);
    let best: { step: number; loss: number; weights: Map<string, Tensor<'float32'>> } | undefined;
    let worse = 0;
    let { followWeight } = settings;
    for (let step = 1; step <= settings.steps && worse < patience; step++) {
      throwIfAborted(signal);
      const { batch, teacher, positions } = draw(followWeight);
      const { loss } = await stepper.step(batch, learningRateAt(step - 1, schedule), teacher, positions);
      onStep?.(step, settings.steps, loss);
      if (step % every !== 0 && step !== settings.steps) continue;
      const now = await measure(stepper.parameters.views);
      const replayRatio = now.replayNats / first.replayNats;
      points.push({ step, stoppingLoss: now.stoppingLoss, replayRatio, followWeight });
      followWeight = nextFollowWeight(followWeight, replayRatio - 1, settings.forgettingBound);
      const isBetter =
        now.stoppingLoss < (best?.loss ?? first.stoppingLoss) && replayRatio <= 1 + settings.forgettingBound;
      worse = isBetter ? 0 : worse + 1;
      if (isBetter) best = { step, loss: now.stoppingLoss, weights: copy(stepper.parameters.views) };
    }
    const wanted = rows.filter((row) => row.wanted).length;
    const counts = { wanted, unwanted: rows.length - wanted, replay: replay.rows.length };
    return { points, rows: counts, ...(best && { best: { step: best.step, weights: best.weights } }) };
  } finally {
    await stepper.release();
  }
}

/**
 * The weight of the replay from now on: twice as much when nearly all is forgotten that may be, less again when hardly
 * anything is, so that models of all sizes learn about as fast as they are allowed to.
 *
 * @see Schulman et al. 2017, "Proximal Policy Optimization Algorithms", arXiv:1707.06347, section 4.
 */
function nextFollowWeight(weight: number, forgotten: number, bound: number): number {
  if (forgotten > 0.7 * bound) return 2 * weight;
  return forgotten < 0.3 * bound ? weight / 1.5 : weight;
}

/** T: enough for every row, in steps of 32 so that few different graphs are built. */
function rowLength(rows: readonly ExampleRow[]): number {
  const longest = rows.reduce((most, { tokens }) => Math.max(most, tokens.length - 1), 1);
  return 32 * Math.ceil(longest / 32);
}

function splitReplay({ length, rows, taught }: Replay): readonly [kept: readonly Uint32Array[], rest: Replay] {
  const count = Math.ceil(rows.length / 5);
  return [rows.slice(0, count), { length, rows: rows.slice(count), taught: taught.slice(count) }];
}

function createMeasure(
  { config }: ModelContents,
  tokenizer: Tokenizer,
  stopping: readonly Example[],
  replay: readonly Uint32Array[],
  threads: number,
): (weights: ReadonlyMap<string, Tensor>) => Promise<{ stoppingLoss: number; replayNats: number }> {
  return async (weights) => {
    const scorer = await createTokenScorer(buildInferenceGraph(config, weights), config, { threads });
    try {
      const losses = await scoreExamples(stopping, tokenizer, scorer);
      const nats = await scorer.score(replay);
      return {
        stoppingLoss: losses.reduce((sum, { loss }) => sum + loss, 0) / Math.max(losses.length, 1),
        replayNats: nats.reduce((sum, row) => sum + row.reduce((total, value) => total + value, 0), 0),
      };
    } finally {
      await scorer.release();
    }
  };
}

/** The stepper's memory may be shared with its threads, and goes with them. */
const copy = (views: ReadonlyMap<string, Tensor<'float32'>>): Map<string, Tensor<'float32'>> =>
  new Map([...views].map(([name, view]) => [name, { ...view, data: Float32Array.from(view.data) }]));
