import { elementCount, type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { parameterShapes } from '../models/parameters.ts';
import { createSession } from '../runtime/session.ts';
import type { WeightUpdate } from './adamw.ts';
import { type DropoutOptions, drawMasks } from './dropout.ts';
import { averageGradients } from './gradient-average.ts';
import { allocateParameters, viewParameters } from './parameter-buffer.ts';
import { gradientName } from './training-graph.ts';
import type { PositionWeights, TeacherMemory, TrainingMemory } from './training-memory.ts';
import { createWeightOptimizer, type OptimizerOptions, updateCost } from './weight-optimizer.ts';

/** What a shard needs to know; plain data, so that it can be handed to another thread. */
export interface ShardSetup {
  /** The training graph of one part of the batch, encoded as ONNX. */
  readonly model: Uint8Array;
  readonly config: ModelConfig;
  readonly memory: TrainingMemory;
  /** Which shard this is, of how many. */
  readonly index: number;
  readonly count: number;
  /** Rows and columns of one part. */
  readonly shape: readonly [rows: number, columns: number];
  readonly optimizer: OptimizerOptions;
  readonly dropout?: DropoutOptions;
  /** Threads inside an operator. */
  readonly threads: number;
  readonly profilePrefix?: string;
}

/**
 * One thread's share of a training step: some parts of the batch, and some of the weights. The three stages are
 * separate because each needs all shards to have finished the one before.
 */
export interface Shard {
  /** Losses and gradients of this shard's parts of the batch. `step` is counted from 1 and decides what is dropped. */
  computeGradients(step: number): Promise<void>;
  /** Means over the parts, and their squares, of this shard's weights. */
  combineGradients(): Promise<void>;
  /** Takes the optimiser's step on this shard's weights. */
  updateWeights(update: WeightUpdate): Promise<void>;
  release(): Promise<void>;
}

/** Starts all shards of a step. Where they run is the caller's choice: see `startShards` and `startShardThreads`. */
export type ShardStarter = (setups: readonly ShardSetup[]) => Promise<readonly Shard[]>;

/** Runs the shards on this thread, one after the other. */
export const startShards: ShardStarter = (setups) => Promise.all(setups.map(createShard));

/**
 * Loads the training graph of one shard.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED` if ONNX Runtime refuses the graph.
 */
export async function createShard(setup: ShardSetup): Promise<Shard> {
  const { config, memory, index, count, shape, dropout, threads, profilePrefix } = setup;
  const session = await createSession(setup.model, { threads, ...(profilePrefix && { profilePrefix }) });
  const shapes = parameterShapes(config);
  const costs = new Map([...shapes].map(([name, size]) => [name, updateCost(name, size, config, setup.optimizer)]));
  const owned = shareOf(shapes, costs, index, count);
  const names = owned.map(({ name }) => name);
  const optimizer = await createWeightOptimizer(config, names, setup.optimizer);
  const read = memory.rounded ?? memory.weights;
  const shared = read.buffer instanceof SharedArrayBuffer;
  // ONNX Runtime refuses shared memory, so a thread has its own copy of what its graph reads and writes.
  const weights = shared ? allocateParameters(shapes) : viewParameters(read, shapes);
  const ownGradients = shared ? allocateParameters(shapes) : undefined;
  const loss = tensor('float32', [], new Float32Array(1));
  const balance = tensor('float32', [], new Float32Array(1));
  const divergence = tensor('float32', [], new Float32Array(1));
  const hasExperts = session.outputNames.includes('balance');
  const tokens = shape[0] * shape[1];

  async function computePart(part: number, step: number): Promise<void> {
    const target = memory.gradients[part] as Float32Array;
    const gradients = ownGradients ?? viewParameters(target, shapes);
    const { teacher, positions } = memory;
    const fetches: Record<string, Tensor> = { loss, ...(hasExperts && { balance }), ...(teacher && { divergence }) };
    for (const [name, view] of gradients.views) fetches[gradientName(name)] = view;
    const rows = (ids: BigInt64Array): Tensor => tensor('int64', shape, ids.slice(part * tokens, (part + 1) * tokens));
    const ids = { input_ids: rows(memory.inputIds), targets: rows(memory.targets) };
    const taught = teacher && cutTeacher(teacher, part, tokens);
    const weighted = positions && cutPositions(positions, part, tokens);
    const masks = dropout && { dropout_masks: drawMasks(config, shape[0], dropout, [step, part]) };
    await session.run({ ...Object.fromEntries(weights.views), ...ids, ...taught, ...weighted, ...masks }, fetches);
    if (ownGradients) target.set(ownGradients.data);
    memory.losses[part] = loss.data[0] as number;
    memory.balances[part] = balance.data[0] as number;
    if (teacher) teacher.divergences[part] = divergence.data[0] as number;
  }

  return {
    async computeGradients(step) {
      if (shared) weights.data.set(read);
      for (let part = index; part < memory.gradients.length; part += count) await computePart(part, step);
    },
    async combineGradients() {
      for (const { position, start, end } of owned)
        memory.squares[position] = averageGradients(memory.gradients, start, end);
    },
    async updateWeights(update) {
      for (const { name, start, end } of owned) {
        const cut = (array: Float32Array): Float32Array => array.subarray(start, end);
        const { weights: all, gradients: parts, mean, variance } = memory;
        const gradients = cut(parts[0] as Float32Array);
        const arrays = { weights: cut(all), gradients, mean: cut(mean), variance: cut(variance) };
        await optimizer.update(name, arrays, update);
      }
    },
    async release() {
      await optimizer.release();
      await session.release();
    },
  };
}

/** The graph's inputs from the teacher for one part of the batch; copies, as ONNX Runtime wants of shared memory. */
function cutTeacher({ ids, weights, targetWeights }: TeacherMemory, part: number, tokens: number) {
  const topK = ids.length / targetWeights.length;
  const [from, to] = [part * tokens, (part + 1) * tokens];
  return {
    teacher_ids: tensor('int64', [tokens, topK], ids.slice(from * topK, to * topK)),
    teacher_weights: tensor('float32', [tokens, topK], weights.slice(from * topK, to * topK)),
    target_weights: tensor('float32', [tokens], targetWeights.slice(from, to)),
  };
}

function cutPositions({ imitate, avoid, follow }: PositionWeights, part: number, tokens: number) {
  const cut = (weights: Float32Array): Tensor =>
    tensor('float32', [tokens], weights.slice(part * tokens, (part + 1) * tokens));
  return { imitate: cut(imitate), avoid: cut(avoid), follow: cut(follow) };
}

interface OwnedWeight {
  readonly name: string;
  /** Among all weights. */
  readonly position: number;
  /** In the flat arrays. */
  readonly start: number;
  readonly end: number;
}

/** The weights of one shard: the costliest go first, each to the shard that has the least to do so far. */
function shareOf(
  shapes: ReadonlyMap<string, readonly number[]>,
  costs: ReadonlyMap<string, number>,
  index: number,
  count: number,
): OwnedWeight[] {
  let offset = 0;
  const all = [...shapes].map(([name, shape], position) => {
    const start = offset;
    offset += elementCount(shape);
    return { name, position, start, end: offset };
  });
  const costOf = ({ name }: OwnedWeight): number => costs.get(name) ?? 0;
  const loads = Array<number>(count).fill(0);
  const owned: OwnedWeight[] = [];
  for (const weight of all.toSorted((a, b) => costOf(b) - costOf(a))) {
    const least = loads.indexOf(Math.min(...loads));
    loads[least] = (loads[least] as number) + costOf(weight);
    if (least === index) owned.push(weight);
  }
  return owned;
}
