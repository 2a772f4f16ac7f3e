import { IteraError } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import { logSoftmax, slice, topK as takeTop } from '../graph/ops/index.ts';
import type { ModelConfig } from '../models/config.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { createSession, type SessionOptions } from '../runtime/session.ts';
import { zeroStates } from '../runtime/state.ts';

/** Says which tokens a model holds most probable. */
export interface Teacher {
  /**
   * @param rows - B texts of one length.
   * @param keep - L: the last positions of each, for which the next token is predicted.
   * @returns The K most probable tokens of each position and their log-probabilities in nats, `[B, L, K]`.
   */
  predict(
    rows: readonly (Uint16Array | Uint32Array)[],
    keep: number,
  ): Promise<{ readonly ids: BigInt64Array; readonly logProbs: Float32Array }>;
  release(): Promise<void>;
}

export interface TeacherOptions extends SessionOptions {
  /** K. */
  readonly topK: number;
  /** Tokens of the tokenizer; a model may have logits for more, which are then left out. */
  readonly vocabSize: number;
}

/** Loads a model as a teacher: the choice is made inside the graph, so that only K numbers a position leave it. */
export async function createTeacher(
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
  { topK, vocabSize, ...sessionOptions }: TeacherOptions,
): Promise<Teacher> {
  const graph = buildInferenceGraph(config, weights);
  appendTopTokens(graph, topK, vocabSize);
  const session = await createSession(encodeOnnx(graph), sessionOptions);
  return {
    async predict(rows, keep) {
      const [batch, length] = [rows.length, rows[0]?.length ?? 0];
      const inputIds = BigInt64Array.from(
        rows.flatMap((row) => Array.from(row)),
        BigInt,
      );
      const shape = [batch, keep, topK];
      const logProbs = tensor('float32', shape, new Float32Array(batch * keep * topK));
      const ids = tensor('int64', shape, new BigInt64Array(batch * keep * topK));
      await session.run(
        {
          input_ids: tensor('int64', [batch, length], inputIds),
          attention_mask: tensor('int64', [batch, length], new BigInt64Array(batch * length).fill(1n)),
          num_logits_to_keep: tensor('int64', [], BigInt64Array.of(BigInt(keep))),
          ...(Object.fromEntries(zeroStates(config, batch)) as Record<string, Tensor>),
        },
        { top_log_probs: logProbs, top_ids: ids },
      );
      return { ids: ids.data, logProbs: logProbs.data };
    },
    release: () => session.release(),
  };
}

/** Adds the outputs `top_log_probs` float32[B, L, K] and `top_ids` int64[B, L, K]. */
function appendTopTokens(graph: Graph, topK: number, vocabSize: number): void {
  const logits = graph.outputs.find(({ name }) => name === 'logits')?.value;
  if (!logits) throw new IteraError('GRAPH_INVALID', 'Expected a graph with an output "logits", got one without.');
  const axis = logits.shape.length - 1;
  const known = Number(logits.shape[axis]) > vocabSize ? slice(logits, axis, 0, vocabSize) : logits;
  const [logProbs, ids] = takeTop(logSoftmax(known), topK);
  graph.output('top_log_probs', logProbs);
  graph.output('top_ids', ids);
}
