import { IteraError } from '../core/errors.ts';
import type { Batch, BatchSampler, BatchSamplerState } from '../data/batches.ts';
import { checkSchedule, learningRateAt, type ScheduleOptions } from './schedule.ts';
import type { Stepper } from './stepper.ts';
import type { TeacherRows } from './teacher-rows.ts';

/** What a training run reports after a step. */
export interface StepReport {
  /** Steps taken so far. */
  readonly step: number;
  /** Steps that the recipe has. */
  readonly totalSteps: number;
  /** Mean cross-entropy of this step's batch, nats per token. */
  readonly loss: number;
  /** Load balance of the experts, 1 when equal; absent without experts. */
  readonly balance?: number;
  /** Mean divergence from the teacher on this batch, nats per token; absent without one. */
  readonly divergence?: number;
  /** Euclidean norm of the gradients before clipping. */
  readonly gradientNorm: number;
  /** Of AdamW, at this step. */
  readonly learningRate: number;
  /** Over this step, everything included. */
  readonly tokensPerSecond: number;
}

/** A point of the validation curve. */
export interface ValidationPoint {
  /** Steps taken before. */
  readonly step: number;
  /** Of the dataset. */
  readonly name: string;
  readonly bitsPerByte: number;
  /** Of the mean with the weights that the run started from: their share in it. Absent for the weights of the step. */
  readonly initShare?: number;
}

/** A point of the training curve: the mean loss since the point before; the last step always ends one. */
export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

/** What a run remembers besides weights and optimiser. */
export interface TrainingProgress {
  readonly step: number;
  readonly sampler: BatchSamplerState;
  readonly losses: readonly LossPoint[];
  /** Losses of the steps since the last point. */
  readonly recent: readonly number[];
  readonly validations: readonly ValidationPoint[];
}

export interface TrainOptions {
  readonly schedule: ScheduleOptions;
  /** Where to go on from; the stepper must already hold the matching weights and optimiser state. */
  readonly resume?: TrainingProgress;
  /** Looks up what the teacher predicts in a batch, for a stepper made for distillation. */
  readonly teach?: (batch: Batch) => Promise<TeacherRows>;
  /** Measures bits per byte on validation text, by dataset name. */
  readonly validate?: () => Promise<Readonly<Record<string, number>>>;
  /** Steps between validations; the last step is always validated. */
  readonly validateEvery: number;
  /** Also validate before the first step: for weights that have been trained before. */
  readonly validateFirst?: boolean;
  /** Stores a checkpoint. Called every `checkpointEvery` steps, after the last step and when aborted. */
  readonly checkpoint?: (progress: TrainingProgress) => Promise<void>;
  readonly checkpointEvery: number;
  readonly onStep?: (report: StepReport) => void;
  readonly onValidation?: (points: readonly ValidationPoint[]) => void;
  /** Stops after the step in progress and stores a checkpoint. */
  readonly signal?: AbortSignal;
}

/** Steps that one point of the training curve averages. */
const lossPointSteps = 10;
/** A loss this far above the recent average, in nats, is an explosion: above chance for any vocabulary in use. */
const explosionNats = 5;

/**
 * Trains until the schedule ends.
 *
 * @returns The progress at the end, or at the step after which `signal` fired.
 * @throws {@link IteraError} `TRAINING_DIVERGED` if the loss or gradients are not finite or the loss explodes. No
 *   checkpoint is written then: the last one is good.
 */
export async function train(stepper: Stepper, sampler: BatchSampler, options: TrainOptions): Promise<TrainingProgress> {
  const { schedule, resume, validateEvery, checkpointEvery, signal } = options;
  checkSchedule(schedule);
  if (resume) sampler.restore(resume.sampler);
  const losses: LossPoint[] = [...(resume?.losses ?? [])];
  const validations: ValidationPoint[] = [...(resume?.validations ?? [])];
  let step = resume?.step ?? 0;
  let recent: number[] = [...(resume?.recent ?? [])];
  const progress = (): TrainingProgress => ({
    step,
    sampler: sampler.state(),
    losses: [...losses],
    recent: [...recent],
    validations: [...validations],
  });
  let savedStep = resume?.step;
  const save = async (): Promise<void> => {
    if (!options.checkpoint || savedStep === step) return;
    await options.checkpoint(progress());
    savedStep = step;
  };

  const validate = async (): Promise<void> => {
    if (!options.validate) return;
    const found = Object.entries(await options.validate());
    const points = found.map(([name, bitsPerByte]) => ({ step, name, bitsPerByte }));
    validations.push(...points);
    options.onValidation?.(points);
  };

  if (options.validateFirst && step === 0 && validations.length === 0 && !signal?.aborted) await validate();
  while (step < schedule.totalSteps && !signal?.aborted) {
    const started = performance.now();
    const batch = sampler.next();
    const learningRate = learningRateAt(step, schedule);
    const result = await stepper.step(batch, learningRate, await options.teach?.(batch));
    step += 1;
    checkExplosion(result.loss, losses.at(-1)?.loss ?? recent[0], step);
    recent.push(result.loss);
    const last = step === schedule.totalSteps;
    if (last || step % lossPointSteps === 0) {
      losses.push({ step, loss: recent.reduce((sum, loss) => sum + loss, 0) / recent.length });
      recent = [];
    }
    const tokensPerSecond = (batch.inputIds.length / (performance.now() - started)) * 1000;
    options.onStep?.({ step, totalSteps: schedule.totalSteps, learningRate, tokensPerSecond, ...result });

    if (last || step % validateEvery === 0) await validate();
    if (last || step % checkpointEvery === 0) await save();
  }
  // Also before the first step, so that whoever stops a run can always resume it.
  if (signal?.aborted) await save();
  return progress();
}

function checkExplosion(loss: number, before: number | undefined, step: number): void {
  if (before !== undefined && loss > before + explosionNats) {
    throw new IteraError(
      'TRAINING_DIVERGED',
      `Step ${step}: the loss rose from ${before.toFixed(3)} to ${loss.toFixed(3)} nats. Lower the learning rate.`,
      { step, before, loss },
    );
  }
}
