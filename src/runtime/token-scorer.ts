import { IteraError } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import { gatherElements, logSoftmax, neg, reshape } from '../graph/ops/index.ts';
import type { ModelConfig } from '../models/config.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { createSession, type SessionOptions } from './session.ts';
import { zeroStates } from './state.ts';

/** Says how surprising each token of some texts is to a model. */
export interface TokenScorer {
  /**
   * @param rows - Token ids; each row is a text of its own and gives scores for all its tokens but the first.
   * @returns Negative log-probabilities in nats, `float32[row.length - 1]` for each row.
   */
  score(rows: readonly Uint32Array[]): Promise<readonly Float32Array[]>;
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
      const batch = rows.length;
      const length = Math.max(...rows.map((row) => row.length)) - 1;
      if (!(length >= 1)) {
        throw new IteraError('INVALID_ARGUMENT', 'Expected rows of at least 2 tokens, got shorter ones.', { batch });
      }
      // Shorter rows are padded at their end, where padding cannot reach what comes before it.
      const inputIds = new BigInt64Array(batch * length);
      const targets = new BigInt64Array(batch * length);
      for (const [index, row] of rows.entries()) {
        for (let at = 0; at + 1 < row.length; at++) {
          inputIds[index * length + at] = BigInt(row[at] as number);
          targets[index * length + at] = BigInt(row[at + 1] as number);
        }
      }
      const fetched = tensor('float32', [batch, length], new Float32Array(batch * length));
      await session.run(
        {
          input_ids: tensor('int64', [batch, length], inputIds),
          targets: tensor('int64', [batch, length], targets),
          attention_mask: tensor('int64', [batch, length], new BigInt64Array(batch * length).fill(1n)),
          num_logits_to_keep: tensor('int64', [], new BigInt64Array(1)),
          ...(Object.fromEntries(zeroStates(config, batch)) as Record<string, Tensor>),
        },
        { token_nats: fetched },
      );
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
