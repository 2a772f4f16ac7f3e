import { IteraError, throwIfAborted } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { stateShapes } from '../models/inference-graph.ts';
import type { Engine, ModelState } from './engine.ts';
import { logSumExp } from './sampling.ts';
import type { Session } from './session.ts';
import { zeroStates } from './state.ts';

/** The tensors a model carries, under the names of the graph's inputs, and how many tokens they stand for. */
class SessionState {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly length: number;

  constructor(tensors: Readonly<Record<string, Tensor>>, length: number) {
    this.tensors = tensors;
    this.length = length;
  }
}

/** Tokens run at once in a long prompt: bounds memory, and gives an abort a chance to be noticed. */
const prefillTokens = 512;

/** An engine that can also say how likely given tokens are. */
export interface SessionEngine extends Engine {
  /**
   * ln of the probability of each token but the first, given all before it: `float32[T - 1]`.
   *
   * @param tokens - Token ids, `T` of them, at least one.
   * @throws {@link IteraError} `INVALID_ARGUMENT`, `ABORTED` (noticed between runs of 512 tokens), `RUNTIME_FAILED`, also
   *   if the model's scores are no numbers.
   */
  scoreTokens(tokens: ArrayLike<number>, signal?: AbortSignal): Promise<Float32Array>;
}

/** Runs an inference graph (see `buildInferenceGraph`) one sequence at a time. */
export function createSessionEngine(session: Session, config: ModelConfig): SessionEngine {
  const { vocabSize } = config;
  const states = stateShapes(config);
  const beginning = (): SessionState => new SessionState(Object.fromEntries(zeroStates(config, 1)), 0);

  /** Gives the logits of the last `keep` positions, `float32[keep * V]`; of all for 0. */
  async function runChunk(tokens: readonly number[], before: SessionState, keep: 0 | 1) {
    const { length } = tokens;
    const seen = before.length + length;
    const results = await session.run({
      ...before.tensors,
      input_ids: tensor('int64', [1, length], BigInt64Array.from(tokens, BigInt)),
      attention_mask: tensor('int64', [1, seen], new BigInt64Array(seen).fill(1n)),
      num_logits_to_keep: tensor('int64', [], BigInt64Array.of(BigInt(keep))),
    });
    const tensors = Object.fromEntries(states.map(({ past, present }) => [past, results[present] as Tensor]));
    return { logits: results['logits']?.data as Float32Array, state: new SessionState(tensors, seen) };
  }

  return {
    vocabSize,
    async run(tokens: ArrayLike<number>, state?: ModelState) {
      const all = checkTokens(tokens, vocabSize);
      if (state !== undefined && !(state instanceof SessionState)) {
        throw new IteraError('INVALID_ARGUMENT', 'Expected a state that this model returned, got something else.');
      }
      let current = state ?? beginning();
      let logits = new Float32Array(0);
      for (let from = 0; from < all.length; from += prefillTokens) {
        const step = await runChunk(all.slice(from, from + prefillTokens), current, 1);
        logits = step.logits as Float32Array<ArrayBuffer>;
        current = step.state;
      }
      return { logits, state: current };
    },
    async scoreTokens(tokens, signal) {
      const all = checkTokens(tokens, vocabSize);
      const logProbs = new Float32Array(all.length - 1);
      let current = beginning();
      for (let from = 0; from < logProbs.length; from += prefillTokens) {
        throwIfAborted(signal);
        const end = Math.min(from + prefillTokens, logProbs.length);
        const { logits, state } = await runChunk(all.slice(from, end), current, 0);
        for (let at = from; at < end; at++) {
          const scores = logits.subarray((at - from) * vocabSize, (at - from + 1) * vocabSize);
          logProbs[at] = (scores[all[at + 1] as number] as number) - logSumExp(scores);
        }
        current = state;
      }
      throwIfAborted(signal);
      return logProbs;
    },
  };
}

function checkTokens(tokens: ArrayLike<number>, vocabSize: number): readonly number[] {
  if (tokens.length === 0) throw new IteraError('INVALID_ARGUMENT', 'Expected at least one token to run, got none.');
  const all = Array.from(tokens);
  const wrong = all.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined) {
    throw new IteraError('INVALID_ARGUMENT', `Expected token ids from 0 to ${vocabSize - 1}, got ${wrong}.`, { wrong });
  }
  return all;
}
