import { createRandom } from '../../src/core/random.ts';
import { elementCount, type Tensor, tensor } from '../../src/core/tensor.ts';
import { Graph } from '../../src/graph/graph.ts';
import { verifyGraph } from '../../src/graph/verifier.ts';
import { buildTrainingModel } from '../../src/models/causal-lm.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { buildInferenceGraph, stateShapes } from '../../src/models/inference-graph.ts';
import { storedWeights } from '../../src/models/weights.ts';
import { encodeOnnx } from '../../src/onnx/encoding.ts';
import { createSession } from '../../src/runtime/session.ts';

type Stored = ReadonlyMap<string, Tensor>;

/** Token numbers as `int64[rows, columns]`. */
export function tokenTensor(rows: readonly (readonly number[])[]): Tensor<'int64'> {
  const [first = []] = rows;
  return tensor('int64', [rows.length, first.length], BigInt64Array.from(rows.flat(), BigInt));
}

/** Seeded token numbers of a vocabulary. */
export function randomTokens(batch: number, length: number, vocabSize: number, seed: number): number[][] {
  const random = createRandom(seed, 17);
  return Array.from({ length: batch }, () => Array.from({ length }, () => random.integer(vocabSize)));
}

/** Logits of the training form, `float32[B*T, V]`, and its balance loss. */
export async function runTrainingForm(
  config: ModelConfig,
  weights: Stored,
  tokens: readonly (readonly number[])[],
): Promise<{ logits: Float32Array; balance: number | undefined }> {
  const ids = tokenTensor(tokens);
  const graph = new Graph();
  const { logits, balance } = buildTrainingModel(
    graph.input('input_ids', 'int64', ids.shape),
    config,
    storedWeights(graph, weights),
  );
  graph.output('logits', logits);
  if (balance) graph.output('balance', balance);
  verifyGraph(graph);
  const session = await createSession(encodeOnnx(graph));
  const results = await session.run({ input_ids: ids });
  await session.release();
  return {
    logits: results['logits']?.data as Float32Array,
    balance: results['balance']?.data[0] as number | undefined,
  };
}

/** What one call of the inference graph gives. */
export interface Call {
  readonly logits: Tensor;
  readonly state: Readonly<Record<string, Tensor>>;
  /** Tokens of this and earlier calls. */
  readonly length: number;
}

export interface CallOptions {
  /** State of an earlier call; that of an empty text when absent. */
  readonly past?: Call;
  /** Over past and present tokens; all ones when absent. */
  readonly mask?: readonly (readonly number[])[];
  /** Positions whose logits are computed, from the end; 0, the default, means all. */
  readonly keep?: number;
}

/** An inference graph that is loaded and can be called again and again. */
export interface InferenceForm {
  call(tokens: readonly (readonly number[])[], options?: CallOptions): Promise<Call>;
  release(): Promise<void>;
}

/** Loads the inference graph of a model; `change` may alter its bytes first. */
export async function loadInferenceForm(
  config: ModelConfig,
  weights: Stored,
  change: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
): Promise<InferenceForm> {
  const graph = buildInferenceGraph(config, weights);
  verifyGraph(graph);
  const session = await createSession(change(encodeOnnx(graph)));
  const states = stateShapes(config);
  return {
    async call(tokens, { past, mask, keep = 0 } = {}) {
      const batch = tokens.length;
      const length = (past?.length ?? 0) + (tokens[0]?.length ?? 0);
      const ones = tokens.map(() => Array<number>(length).fill(1));
      const feeds: Record<string, Tensor> = {
        input_ids: tokenTensor(tokens),
        attention_mask: tokenTensor(mask ?? ones),
        num_logits_to_keep: tensor('int64', [], BigInt64Array.of(BigInt(keep))),
      };
      for (const { past: name, present, shape } of states) {
        feeds[name] = past?.state[present] ?? emptyState(shape, batch);
      }
      const { logits, ...state } = await session.run(feeds);
      return { logits: logits as Tensor, state, length };
    },
    release: () => session.release(),
  };
}

function emptyState(shape: readonly (number | string)[], batch: number): Tensor {
  const sizes = shape.map((dim) => (dim === 'batch_size' ? batch : dim === 'past_length' ? 0 : Number(dim)));
  return tensor('float32', sizes, new Float32Array(elementCount(sizes)));
}

/** Logits of the inference graph for whole texts in one call, `[B*T, V]`. */
export async function runInferenceForm(
  config: ModelConfig,
  weights: Stored,
  tokens: readonly (readonly number[])[],
): Promise<Float32Array> {
  const form = await loadInferenceForm(config, weights);
  const { logits } = await form.call(tokens);
  await form.release();
  return logits.data as Float32Array;
}
