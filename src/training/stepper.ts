import { IteraError } from '../core/errors.ts';
import type { Tensor } from '../core/tensor.ts';
import type { Batch } from '../data/batches.ts';
import type { ModelConfig } from '../models/config.ts';
import { parameterShapes } from '../models/parameters.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import type { AdamWState } from './adamw.ts';
import type { DistillationOptions } from './distillation-loss.ts';
import type { DropoutOptions } from './dropout.ts';
import { type ParameterBuffer, viewParameters } from './parameter-buffer.ts';
import { type Shard, type ShardSetup, type ShardStarter, startShards } from './shard.ts';
import type { TeacherRows } from './teacher-rows.ts';
import { buildTrainingGraph, type FeedbackOptions } from './training-graph.ts';
import { allocateMemory, type PositionWeights, type TeacherMemory } from './training-memory.ts';
import type { OptimizerOptions } from './weight-optimizer.ts';

export interface StepperOptions extends OptimizerOptions {
  /** B: rows of a batch. */
  readonly batchSize: number;
  /** Rows that are computed at once; divides `batchSize`. Default: all of them. */
  readonly microBatchSize?: number;
  /** T: tokens of a row. */
  readonly sequenceLength: number;
  /** Weight of the experts' load-balancing loss in the total. */
  readonly balanceWeight: number;
  readonly dropout?: DropoutOptions;
  /** Gradients of a larger Euclidean norm are scaled down to it. */
  readonly clipNorm: number;
  /** The micro-batches are shared out among threads as far as they go; what is left works inside operators. */
  readonly threads: number;
  /** Write ONNX Runtime's per-operator profile to a file that starts with this path. */
  readonly profilePrefix?: string;
  /** Learn from a teacher too; each step then wants its predictions. */
  readonly distillation?: DistillationOptions;
  /** Learn from judged texts; each step then wants a teacher's predictions and how much each position counts. */
  readonly feedback?: FeedbackOptions;
  /** Train the weights for how they will be rounded; see {@link WeightRounder}. */
  readonly roundWeights?: WeightRounder;
}

/**
 * Rounds all weights: reads `weights` and fills `rounded`, of the same names and shapes. What it gives may depend on the
 * weights alone, so that a run can be resumed.
 *
 * With it, loss and gradients of a step are those at the rounded weights, and the optimiser applies the gradients to the
 * weights themselves, as if rounding had the slope 1 (straight-through): small steps add up until a weight rounds
 * differently.
 *
 * @see Bengio, Léonard & Courville 2013, arXiv:1308.3432.
 */
export type WeightRounder = (
  weights: ReadonlyMap<string, Tensor<'float32'>>,
  rounded: ReadonlyMap<string, Tensor<'float32'>>,
) => void;

/** What a step came to, before the weights changed. */
export interface StepResult {
  /** Mean cross-entropy, nats per token. */
  readonly loss: number;
  /** Load balance of the experts, 1 when equal; absent without experts. */
  readonly balance?: number;
  /** Mean divergence from the teacher, nats per token; absent without one. */
  readonly divergence?: number;
  /** Euclidean norm of the gradients before clipping. */
  readonly gradientNorm: number;
}

/** Holds a model's weights and optimiser state, and takes single training steps. */
export interface Stepper {
  readonly parameters: ParameterBuffer;
  readonly optimizer: AdamWState;
  /** The weights that a step computes with: rounded, of the present ones, where the stepper rounds; else `parameters`. */
  computedWeights(): ParameterBuffer;
  /**
   * One step: forward, backward, clipping, optimiser, in place. The result does not depend on how the micro-batches are
   * shared out among threads.
   *
   * @param teacher - What the teacher predicts in this batch, if the stepper was made for distillation or feedback.
   * @param positions - How much each position counts, if it was made for feedback.
   * @throws {@link IteraError} `TRAINING_DIVERGED` if loss or gradients are not finite; weights are then unchanged.
   */
  step(
    batch: Pick<Batch, 'inputIds' | 'targets'>,
    learningRate: number,
    teacher?: TeacherRows,
    positions?: PositionWeights,
  ): Promise<StepResult>;
  /** Frees the sessions and threads; the weights stay readable. */
  release(): Promise<void>;
}

/**
 * Builds the training graph of a model and loads it; weights start as given.
 *
 * @param startThreads - How to run several shards at once; without it, everything runs on this thread.
 * @throws {@link IteraError} `WEIGHTS_MISMATCH` if `initial` lacks a weight or has one of another size,
 *   `INVALID_ARGUMENT` if the micro-batch does not divide the batch.
 */
export async function createStepper(
  config: ModelConfig,
  initial: ReadonlyMap<string, Tensor>,
  options: StepperOptions,
  startThreads?: ShardStarter,
): Promise<Stepper> {
  const { batchSize, sequenceLength, threads, profilePrefix, clipNorm, adamw, muon, balanceWeight } = options;
  const { microBatchSize = batchSize, distillation, feedback, dropout, roundWeights } = options;
  const taught = feedback ?? distillation;
  const parts = batchSize / microBatchSize;
  if (!Number.isInteger(parts)) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected microBatchSize to divide batchSize (${batchSize}), got ${microBatchSize}.`,
      { batchSize, microBatchSize },
    );
  }
  const shape = [microBatchSize, sequenceLength] as const;
  const count = startThreads ? Math.min(threads, parts) : 1;
  const memory = allocateMemory(config, {
    ...{ tokens: batchSize * sequenceLength, parts, shared: count > 1, rounded: roundWeights !== undefined },
    ...(taught && { topK: taught.topK }),
    weighted: feedback !== undefined,
  });
  const parameters = viewParameters(memory.weights, parameterShapes(config));
  const rounded = memory.rounded && viewParameters(memory.rounded, parameterShapes(config));
  const computedWeights = (): ParameterBuffer => {
    if (!rounded) return parameters;
    roundWeights?.(parameters.views, rounded.views);
    return rounded;
  };
  fill(parameters, initial);

  const graph = buildTrainingGraph(config, {
    ...{ batchSize: microBatchSize, sequenceLength, balanceWeight, masked: dropout !== undefined },
    ...(distillation && { distillation }),
    ...(feedback && { feedback }),
  });
  const hasExperts = graph.outputs.some(({ name }) => name === 'balance');
  const model = encodeOnnx(graph);
  const setups = Array.from({ length: count }, (_, index): ShardSetup => {
    // The profile of one shard shows what all of them do.
    const profile = index === 0 && profilePrefix !== undefined ? { profilePrefix } : {};
    const own = Math.max(1, Math.floor(threads / count));
    return {
      ...{ model, config, memory, index, count, shape, threads: own },
      optimizer: { adamw, ...(muon && { muon }) },
      ...(dropout && { dropout }),
      ...profile,
    };
  });
  const shards = await (count > 1 && startThreads ? startThreads(setups) : startShards(setups));
  const onAll = async (action: (shard: Shard) => Promise<void>): Promise<void> => {
    const results = await Promise.allSettled(shards.map(action));
    // Only when all have come to rest, so that whoever catches it can release them.
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  };
  const optimizer: AdamWState = { step: 0, mean: memory.mean, variance: memory.variance };

  return {
    parameters,
    optimizer,
    computedWeights,
    async step({ inputIds, targets }, learningRate, teacher, positions) {
      memory.inputIds.set(inputIds);
      memory.targets.set(targets);
      if (memory.teacher) setTeacher(memory.teacher, teacher);
      if (memory.positions) setPositions(memory.positions, positions);
      const step = optimizer.step + 1;
      computedWeights();
      await onAll((shard) => shard.computeGradients(step));
      const loss = average(memory.losses);
      await onAll((shard) => shard.combineGradients());
      const norm = Math.sqrt(memory.squares.reduce((sum, square) => sum + square, 0));
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
        throw new IteraError(
          'TRAINING_DIVERGED',
          `Step ${step}: expected a finite loss and gradient, got ${loss} and ${norm}. ` +
            'Start again with a lower learning rate; what a checkpoint of this run resumes has the present one.',
          { step, loss, gradientNorm: norm },
        );
      }
      const scale = norm > clipNorm ? clipNorm / norm : 1;
      await onAll((shard) => shard.updateWeights({ step, learningRate, scale }));
      optimizer.step = step;
      return {
        ...{ loss, gradientNorm: norm },
        ...(hasExperts && { balance: average(memory.balances) }),
        ...(memory.teacher && { divergence: average(memory.teacher.divergences) }),
      };
    },
    release: () => onAll((shard) => shard.release()),
  };
}

const average = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function setTeacher(memory: TeacherMemory, rows: TeacherRows | undefined): void {
  for (const name of ['ids', 'weights', 'targetWeights'] as const) {
    if (rows?.[name].length !== memory[name].length) {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected ${memory[name].length} ${name} of the teacher for this batch, got ${rows?.[name].length ?? 'none'}.`,
      );
    }
  }
  const { ids, weights, targetWeights } = rows as TeacherRows;
  memory.ids.set(ids);
  memory.weights.set(weights);
  memory.targetWeights.set(targetWeights);
}

function setPositions(memory: PositionWeights, positions: PositionWeights | undefined): void {
  for (const name of ['imitate', 'avoid', 'follow'] as const) {
    const given = positions?.[name];
    if (given?.length !== memory[name].length) {
      const message = `Expected ${memory[name].length} weights to ${name} for this batch, got ${given?.length ?? 'none'}.`;
      throw new IteraError('INVALID_ARGUMENT', message);
    }
    memory[name].set(given);
  }
}

function fill({ views }: ParameterBuffer, initial: ReadonlyMap<string, Tensor>): void {
  for (const [name, view] of views) {
    const start = initial.get(name);
    if (start?.data.length !== view.data.length) {
      throw new IteraError(
        'WEIGHTS_MISMATCH',
        `Expected weight ${name} of shape [${view.shape.join(', ')}], got ${start ? `[${start.shape.join(', ')}]` : 'none'}.`,
        { name },
      );
    }
    view.data.set(start.data as Float32Array);
  }
}
