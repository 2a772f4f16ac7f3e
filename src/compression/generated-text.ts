import { throwIfAborted } from '../core/errors.ts';
import { createRandom } from '../core/random.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import type { ModelConfig } from '../models/config.ts';
import { stateShapes } from '../models/inference-graph.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { createSession, type SessionOptions } from '../runtime/session.ts';
import { zeroStates } from '../runtime/state.ts';
import type { CalibrationSize } from './calibration-text.ts';

/** Texts written side by side. */
const rowsAtOnce = 32;

export interface WritingOptions extends SessionOptions {
  /**
   * Whether the first token of each text is drawn from the whole vocabulary, each as likely: what a model was trained on
   * rarely then comes up more often than the model itself would have it. Default false.
   */
  readonly anyBeginning?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneTokens: number, totalTokens: number) => void;
}

/**
 * Lets a model write texts: each begins with the end-of-text mark, and every token is drawn from all that the model
 * holds possible, at temperature 1. A text that ends is followed by another in the same window.
 *
 * @param graph - An inference graph.
 * @returns Windows of `windowTokens` tokens; equal for equal seeds on one machine.
 * @throws {@link IteraError} `RUNTIME_FAILED`, `ABORTED`.
 */
export async function writeWindows(
  graph: Graph,
  config: ModelConfig,
  { tokens, windowTokens }: CalibrationSize,
  seed: number,
  options: WritingOptions = {},
): Promise<readonly Uint32Array[]> {
  const { anyBeginning = false, signal, onProgress, ...sessionOptions } = options;
  const random = createRandom(seed, 12);
  const windows = Array.from({ length: Math.ceil(tokens / windowTokens) }, () =>
    new Uint32Array(windowTokens).fill(config.eosTokenId),
  );
  const session = await createSession(encodeOnnx(graph), sessionOptions);
  try {
    for (let from = 0; from < windows.length; from += rowsAtOnce) {
      const rows = windows.slice(from, from + rowsAtOnce);
      let states = Object.fromEntries<Tensor>(zeroStates(config, rows.length));
      for (let at = 1; at < windowTokens; at++) {
        throwIfAborted(signal);
        const results = await session.run({ ...states, ...feedsOf(rows, at) });
        const { data } = results['logits'] as Tensor<'float32'>;
        const isFree = anyBeginning && at === 1;
        rows.forEach((row, index) => {
          const logits = data.subarray(index * config.vocabSize, (index + 1) * config.vocabSize);
          row[at] = isFree ? random.integer(config.vocabSize) : drawToken(logits, random.uniform());
        });
        states = Object.fromEntries(stateShapes(config).map(({ past, present }) => [past, results[present] as Tensor]));
        onProgress?.(from * windowTokens + rows.length * (at + 1), windows.length * windowTokens);
      }
    }
  } finally {
    await session.release();
  }
  return windows;
}

/** Inputs for the token before a place in each row. */
function feedsOf(rows: readonly Uint32Array[], at: number): Record<string, Tensor> {
  const batch = rows.length;
  const last = BigInt64Array.from(rows, (row) => BigInt(row[at - 1] as number));
  return {
    input_ids: tensor('int64', [batch, 1], last),
    attention_mask: tensor('int64', [batch, at], new BigInt64Array(batch * at).fill(1n)),
    num_logits_to_keep: tensor('int64', [], BigInt64Array.of(1n)),
  };
}

/** The token at a place of the cumulative distribution, `uniform` in [0, 1). */
function drawToken(logits: Float32Array, uniform: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  let left = uniform * total;
  let token = -1;
  while (left >= 0 && token < logits.length - 1) {
    token += 1;
    left -= Math.exp((logits[token] as number) - largest);
  }
  return token;
}
