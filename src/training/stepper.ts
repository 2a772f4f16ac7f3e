import { IteraError } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { Batch } from '../data/batches.ts';
import type { ModelConfig } from '../models/config.ts';
import { parameterShapes } from '../models/parameters.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { createSession } from '../runtime/session.ts';
import { type AdamWOptions, type AdamWState, createAdamWState, gradientNorm, stepAdamW } from './adamw.ts';
import { allocateParameters, type ParameterBuffer } from './parameter-buffer.ts';
import { buildTrainingGraph, gradientName, type TrainingGraphOptions } from './training-graph.ts';

export interface StepperOptions extends TrainingGraphOptions {
  readonly adamw: AdamWOptions;
  /** Gradients of a larger Euclidean norm are scaled down to it. */
  readonly clipNorm: number;
  readonly threads: number;
  /** Write ONNX Runtime's per-operator profile to a file that starts with this path. */
  readonly profilePrefix?: string;
}

export interface StepResult {
  /** Mean cross-entropy, nats per token. */
  readonly loss: number;
  /** Load balance of the experts, 1 when equal; absent without experts. */
  readonly balance?: number;
  /** Euclidean norm of the gradients before clipping. */
  readonly gradientNorm: number;
}

/** Holds a model's weights and optimiser state, and takes single training steps. */
export interface Stepper {
  readonly parameters: ParameterBuffer;
  readonly optimizer: AdamWState;
  /**
   * One step: forward, backward, clipping, AdamW, in place.
   *
   * @throws {@link IteraError} `TRAINING_DIVERGED` if loss or gradients are not finite; weights are then unchanged.
   */
  step(batch: Batch, learningRate: number): Promise<StepResult>;
  release(): Promise<void>;
}

/**
 * Builds the training graph of a model and loads it; weights start as given.
 *
 * @throws {@link IteraError} `WEIGHTS_MISMATCH` if `initial` lacks a weight or has one of another size.
 */
export async function createStepper(
  config: ModelConfig,
  initial: ReadonlyMap<string, Tensor>,
  options: StepperOptions,
): Promise<Stepper> {
  const { batchSize, sequenceLength, threads, profilePrefix, clipNorm } = options;
  const parameters = allocateParameters(parameterShapes(config));
  for (const [name, view] of parameters.views) {
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
  const model = encodeOnnx(buildTrainingGraph(config, options));
  const session = await createSession(model, { threads, ...(profilePrefix && { profilePrefix }) });
  const optimizer = createAdamWState(parameters);

  // Feeds and fetches are views of the same memory at every step: the graph reads weights and writes gradients in place.
  const gradients = allocateParameters(parameterShapes(config));
  const loss = tensor('float32', [], new Float32Array(1));
  const balance = tensor('float32', [], new Float32Array(1));
  const hasExperts = session.outputNames.includes('balance');
  const fetches: Record<string, Tensor> = { loss, ...(hasExperts && { balance }) };
  for (const [name, view] of gradients.views) fetches[gradientName(name)] = view;
  const weights = Object.fromEntries(parameters.views);
  const shape = [batchSize, sequenceLength];

  return {
    parameters,
    optimizer,
    async step({ inputIds, targets }, learningRate) {
      const ids = { input_ids: tensor('int64', shape, inputIds), targets: tensor('int64', shape, targets) };
      await session.run({ ...weights, ...ids }, fetches);
      const norm = gradientNorm(gradients.data);
      const value = loss.data[0] as number;
      if (!Number.isFinite(value) || !Number.isFinite(norm)) {
        throw new IteraError(
          'TRAINING_DIVERGED',
          `Step ${optimizer.step + 1}: expected a finite loss and gradient, got ${value} and ${norm}. ` +
            'Lower the learning rate or resume from an earlier checkpoint.',
          { step: optimizer.step + 1, loss: value, gradientNorm: norm },
        );
      }
      const scale = norm > clipNorm ? clipNorm / norm : 1;
      stepAdamW(parameters, gradients.data, optimizer, learningRate, scale, options.adamw);
      return { loss: value, gradientNorm: norm, ...(hasExperts && { balance: balance.data[0] as number }) };
    },
    release: () => session.release(),
  };
}
