import { IteraError } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { stateShapes } from '../models/inference-graph.ts';
import type { Engine, ModelState } from './engine.ts';
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

/** Runs an inference graph (see `buildInferenceGraph`) one sequence at a time. */
export function createSessionEngine(session: Session, config: ModelConfig): Engine {
  const states = stateShapes(config);

  async function runChunk(tokens: ArrayLike<number>, before: SessionState) {
    const { length } = tokens;
    const seen = before.length + length;
    const ids = BigInt64Array.from({ length }, (_, index) => BigInt(tokens[index] as number));
    const results = await session.run({
      ...before.tensors,
      input_ids: tensor('int64', [1, length], ids),
      attention_mask: tensor('int64', [1, seen], new BigInt64Array(seen).fill(1n)),
      num_logits_to_keep: tensor('int64', [], BigInt64Array.of(1n)),
    });
    const tensors = Object.fromEntries(states.map(({ past, present }) => [past, results[present] as Tensor]));
    return { logits: results['logits']?.data as Float32Array, state: new SessionState(tensors, seen) };
  }

  return {
    vocabSize: config.vocabSize,
    async run(tokens: ArrayLike<number>, state?: ModelState) {
      checkTokens(tokens, config.vocabSize);
      if (state !== undefined && !(state instanceof SessionState)) {
        throw new IteraError('INVALID_ARGUMENT', 'Expected a state that this model returned, got something else.');
      }
      let current = state ?? new SessionState(Object.fromEntries(zeroStates(config, 1)), 0);
      let logits = new Float32Array(0);
      const all = Array.from(tokens);
      for (let from = 0; from < all.length; from += prefillTokens) {
        const step = await runChunk(all.slice(from, from + prefillTokens), current);
        logits = step.logits as Float32Array<ArrayBuffer>;
        current = step.state;
      }
      return { logits, state: current };
    },
  };
}

function checkTokens(tokens: ArrayLike<number>, vocabSize: number): void {
  if (tokens.length === 0) throw new IteraError('INVALID_ARGUMENT', 'Expected at least one token to run, got none.');
  const wrong = Array.from(tokens).find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined) {
    throw new IteraError('INVALID_ARGUMENT', `Expected token ids from 0 to ${vocabSize - 1}, got ${wrong}.`, { wrong });
  }
}
