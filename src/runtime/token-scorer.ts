import { IteraError } from '../core/errors.ts';
import { tensor } from '../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import { gatherElements, logSoftmax, neg, reshape } from '../graph/ops/index.ts';
import type { ModelConfig } from '../models/config.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { padRows } from './padded-rows.ts';
import { createSession, type SessionOptions } from './session.ts';

/** Says how surprising each token of some texts is to a model. */
export interface TokenScorer {
  /**
   * @param rows - Token ids; each row is a text of its own and gives scores for all its tokens but the first.
   * @returns Negative log-probabilities in nats, `float32[row.length - 1]` for each row.
   */
  score(rows: readonly Uint32Array[]): Promise<readonly Float32Array[]>;
  /** Frees the session; scoring afterwards fails. */
  release(): Promise<void>;
}

/**
 * Builds a scorer from an inference graph: the log-probability of each target is picked inside the graph, so that
 * logits never leave the runtime.
 *
 * @param graph - From `buildInferenceGraph` or a rewrite of it; it gains an input and an output.
 */
export async function createTokenScorer(
  graph: Graph,
  config: ModelConfig,
  options?: SessionOptions,
): Promise<TokenScorer> {
  appendTokenLoss(graph);
  const session = await createSession(encodeOnnx(graph), options);
  return {
    async score(rows) {
      const { batch, length, feeds, targets } = padRows(rows, config);
      const fetched = tensor('float32', [batch, length], new Float32Array(batch * length));
      await session.run({ ...feeds, targets: tensor('int64', [batch, length], targets) }, { token_nats: fetched });
      return rows.map((row, index) => fetched.data.subarray(index * length, index * length + row.length - 1));
    },
    release: () => session.release(),
  };
}

/** Adds the input `targets` int64[B, T] and the output `token_nats` float32[B, T]. */
function appendTokenLoss(graph: Graph): void {
  const logits = graph.outputs.find(({ name }) => name === 'logits')?.value;
  if (!logits) throw new IteraError('GRAPH_INVALID', 'Expected a graph with an output "logits", got one without.');
  const [batch = 'batch_size', length = 'logits_length'] = logits.shape;
  const targets = graph.input('targets', 'int64', [batch, length]);
  const picked = gatherElements(logSoftmax(logits), reshape(targets, [batch, length, 1]), 2);
  graph.output('token_nats', neg(reshape(picked, [batch, length])));
}
