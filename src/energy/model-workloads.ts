import { throwIfAborted } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { stateShapes } from '../models/inference-graph.ts';
import type { VariantName } from '../models/variants.ts';
import { benchTokens } from '../runtime/bench-tokens.ts';
import { argMax } from '../runtime/sampling.ts';
import { createSession, type Session } from '../runtime/session.ts';
import { zeroStates } from '../runtime/state.ts';
import type { EnergyWorkload } from './protocol.ts';

/** Reading a prompt; generating one token after the other after it; and both, as one answers a request. */
export const workPhases = ['prefill', 'decode', 'inference'] as const;
export type WorkPhase = (typeof workPhases)[number];

export interface ModelWorkloadOptions {
  /** Name of the model, in records. */
  readonly name: string;
  readonly config: ModelConfig;
  /** ONNX files by variant. */
  readonly files: ReadonlyMap<VariantName, Uint8Array>;
  readonly phases: readonly WorkPhase[];
  readonly threads: readonly number[];
  /** Texts that are run at once. */
  readonly batches: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

/** Tokens of a prompt. */
const promptTokens = 128;
/** Tokens that an inference generates after it. */
const newTokens = 64;
/** Tokens of one run of decoding: short, so that a window holds many runs. */
const decodeTokens = 16;

/** All tensors but the tokens: what a model carries on. */
type States = Readonly<Record<string, Tensor>>;

/**
 * Loads each variant with each number of threads, and makes of it a workload for each phase and batch.
 *
 * @returns The workloads, and what releases the models.
 * @throws {@link IteraError} `RUNTIME_FAILED`, `ABORTED`.
 */
export async function createModelWorkloads(
  options: ModelWorkloadOptions,
): Promise<{ readonly workloads: readonly EnergyWorkload[]; release(): Promise<void> }> {
  const { name, config, files, phases, threads, batches, signal } = options;
  const sessions: Session[] = [];
  const workloads: EnergyWorkload[] = [];
  const release = async (): Promise<void> => {
    for (const session of sessions) await session.release();
  };
  try {
    for (const count of threads) {
      for (const [variant, file] of files) {
        throwIfAborted(signal);
        const session = await createSession(file, { threads: count });
        sessions.push(session);
        for (const batch of batches) {
          const runner = createRunner(session, config, batch);
          for (const phase of phases) {
            const conditions = { model: name, variant, phase, threads: count, batch };
            workloads.push(await createWorkload(runner, phase, conditions, batch));
          }
        }
      }
    }
  } catch (error) {
    await release();
    throw error;
  }
  return { workloads, release };
}

async function createWorkload(
  { readPrompt, decode }: Runner,
  phase: WorkPhase,
  conditions: EnergyWorkload['conditions'],
  batch: number,
): Promise<EnergyWorkload> {
  switch (phase) {
    case 'prefill':
      return {
        ...{ conditions: { ...conditions, sequenceLength: promptTokens }, unit: 'token' },
        unitsPerRun: batch * promptTokens,
        async run() {
          await readPrompt();
        },
      };
    case 'decode': {
      // Each run goes on from the same place.
      const prompt = await readPrompt();
      return {
        ...{ conditions: { ...conditions, sequenceLength: promptTokens }, unit: 'token' },
        unitsPerRun: batch * decodeTokens,
        run: () => decode(prompt, decodeTokens),
      };
    }
    case 'inference':
      return {
        ...{ conditions: { ...conditions, sequenceLength: promptTokens, newTokens }, unit: 'inference' },
        unitsPerRun: batch,
        run: async () => decode(await readPrompt(), newTokens),
      };
  }
}

interface Step {
  /** The most likely next token of each text. */
  readonly next: readonly number[];
  readonly states: States;
  /** Tokens read so far, of each text. */
  readonly length: number;
}

interface Runner {
  readPrompt(): Promise<Step>;
  decode(from: Step, tokens: number): Promise<void>;
}

function createRunner(session: Session, config: ModelConfig, batch: number): Runner {
  const shapes = stateShapes(config);
  const prompt = Array.from({ length: batch }, () => benchTokens(promptTokens, config.vocabSize)).flat();
  const beginning = Object.fromEntries(zeroStates(config, batch));
  const step = async (tokens: readonly number[], states: States, before: number): Promise<Step> => {
    const count = tokens.length / batch;
    const length = before + count;
    const results = await session.run({
      ...states,
      input_ids: tensor('int64', [batch, count], BigInt64Array.from(tokens, BigInt)),
      attention_mask: tensor('int64', [batch, length], new BigInt64Array(batch * length).fill(1n)),
      num_logits_to_keep: tensor('int64', [], BigInt64Array.of(1n)),
    });
    const logits = results['logits']?.data as Float32Array;
    const width = config.vocabSize;
    return {
      next: Array.from({ length: batch }, (_, row) => argMax(logits.subarray(row * width, (row + 1) * width))),
      states: Object.fromEntries(shapes.map(({ past, present }) => [past, results[present] as Tensor])),
      length,
    };
  };
  return {
    readPrompt: () => step(prompt, beginning, 0),
    async decode(from, tokens) {
      let current = from;
      for (let index = 0; index < tokens; index++) current = await step(current.next, current.states, current.length);
    },
  };
}
