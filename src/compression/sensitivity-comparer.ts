import { IteraError, throwIfAborted } from '../core/errors.ts';
import { dequantize, type QuantizedMatrix } from '../core/quantized-matrix.ts';
import { elementCount, type Tensor, tensor } from '../core/tensor.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { createUseFinder, groupProducts, productKey, type StoredProduct } from '../graph/passes/stored-products.ts';
import type { ModelConfig } from '../models/config.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { buildDivergenceGraph } from '../runtime/divergence-graph.ts';
import type { LogitComparer, RowComparison } from '../runtime/logit-comparer.ts';
import { type PaddedRows, padRows } from '../runtime/padded-rows.ts';
import { createSession, type Session, type SessionOptions } from '../runtime/session.ts';

/** A model with some of its stored products rounded. */
export interface RoundedCandidate {
  readonly name: string;
  /** The rounded matrices by the names of `listStoredProducts`; products without one stay as they are. */
  readonly matrices: ReadonlyMap<string, QuantizedMatrix>;
}

export interface RoundedComparerOptions extends SessionOptions {
  /** Looked at before each candidate. */
  readonly signal?: AbortSignal;
}

/** A product's weights among the inputs of the graph. */
interface WeightInput {
  readonly name: string;
  readonly stored: Tensor;
  readonly transposed: boolean;
}

/** Numbers that a comparison works on at once, such that its steps stay within a processor's cache. */
const logitsAtOnce = 2 ** 19;

/**
 * Compares a model with versions of it whose stored products are rounded, any number of them with a single session: the
 * products' weights become inputs of the graph, and each candidate feeds others. Arithmetic stays in float32, so what
 * differs is what rounding the weights does, alone. A candidate's weights are restored for each batch and then dropped.
 *
 * @param graph - From `buildInferenceGraph`, best folded and with its experts expanded; weights leave it for its inputs.
 * @returns A comparer with the baseline `fp32` and the candidates.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without candidates, with a name twice or for a product that the graph
 *   does not have, `SHAPE_MISMATCH` for a matrix of another size, `RUNTIME_FAILED`. Its `compare` also throws `ABORTED`.
 */
export async function createRoundedComparer(
  graph: Graph,
  config: ModelConfig,
  candidates: readonly RoundedCandidate[],
  options: RoundedComparerOptions = {},
): Promise<LogitComparer> {
  const { signal, ...sessionOptions } = options;
  const { vocabSize } = config;
  const names = ['fp32', ...candidates.map(({ name }) => name)];
  checkCandidates(graph, candidates, names);
  const inputs = exposeWeights(graph);
  const own = Object.fromEntries([...inputs.values()].map(({ name, stored }) => [name, stored]));
  const model = await createSession(encodeOnnx(graph), sessionOptions);
  const comparison = await createSession(encodeOnnx(buildDivergenceGraph(vocabSize)), sessionOptions).catch(
    async (error: unknown) => {
      await model.release();
      throw error;
    },
  );
  const runModel = async ({ batch, length, feeds }: PaddedRows, weights: Record<string, Tensor>, logits: Tensor) => {
    throwIfAborted(signal);
    await model.run({ ...feeds, ...own, ...weights }, { logits });
    return { logits: logits.data as Float32Array, positions: batch * length };
  };

  return {
    names,
    async compare(rows) {
      const padded = padRows(
        rows.map(({ tokens }) => tokens),
        config,
      );
      const shape = [padded.batch, padded.length, vocabSize];
      const [first, second] = [emptyLogits(shape), emptyLogits(shape)];
      const baseline = await runModel(padded, {}, first);
      const scores: PositionScores[] = [];
      for (const { matrices } of candidates) {
        const candidate = await runModel(padded, restoreWeights(inputs, matrices), second);
        scores.push(await comparePositions(comparison, baseline.logits, candidate.logits, padded.targets, vocabSize));
      }
      return rows.map(({ tokens, scoreFrom = 1 }, index): RowComparison => {
        // Positions of a row lie side by side; the one before a token predicts it.
        const from = index * padded.length + scoreFrom - 1;
        const until = Math.max(from, index * padded.length + tokens.length - 1);
        return {
          nats: [scores[0]?.baseline, ...scores.map(({ nats }) => nats)].map((all) =>
            (all as Float32Array).slice(from, until),
          ),
          divergences: scores.map(({ divergences }) => divergences.slice(from, until)),
          agreements: scores.map(({ agreements }) => agreements.slice(from, until)),
        };
      });
    },
    async release() {
      await model.release();
      await comparison.release();
    },
  };
}

function checkCandidates(graph: Graph, candidates: readonly RoundedCandidate[], names: readonly string[]): void {
  if (candidates.length === 0 || new Set(names).size < names.length) {
    const message = `Expected candidates of different names beside fp32, got ${names.slice(1).join(', ') || 'none'}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { names });
  }
  const products = new Map([...groupProducts(graph).values()].map((product) => [product.name, product]));
  for (const { name, matrices } of candidates) {
    for (const [productName, { rows, columns }] of matrices) {
      const product = products.get(productName);
      if (!product) {
        const message = `Candidate ${name} rounds ${productName}, but the model's products are ${[...products.keys()].join(', ')}.`;
        throw new IteraError('INVALID_ARGUMENT', message, { name, product: productName });
      }
      if (product.rows !== rows || product.columns !== columns) {
        const message = `Expected a matrix [${product.rows}, ${product.columns}] for ${productName}, got [${rows}, ${columns}].`;
        throw new IteraError('SHAPE_MISMATCH', message, { name, product: productName });
      }
    }
  }
}

/** Makes the weights of all products inputs of the graph, and says which is which by the products' names. */
function exposeWeights(graph: Graph): ReadonlyMap<string, WeightInput> {
  const products = groupProducts(graph);
  const inputs = new Map<string, WeightInput>();
  const exposed = new Set<Value>();
  for (const use of createUseFinder(graph.nodes)(graph.nodes)) {
    const { weight, transposed } = use;
    const { name } = products.get(productKey(use)) as StoredProduct;
    inputs.set(name, { name: weight.name, stored: weight.constant as Tensor, transposed });
    exposed.add(weight);
  }
  graph.initializers.splice(0, graph.initializers.length, ...graph.initializers.filter((value) => !exposed.has(value)));
  graph.inputs.push(...exposed);
  return inputs;
}

/** The weights that rounded matrices stand for, under the names and in the layout of the graph's inputs. */
function restoreWeights(
  inputs: ReadonlyMap<string, WeightInput>,
  matrices: ReadonlyMap<string, QuantizedMatrix>,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [product, matrix] of matrices) {
    const { name, stored, transposed } = inputs.get(product) as WeightInput;
    const values = dequantize(matrix);
    feeds[name] = tensor('float32', stored.shape, transposed ? transpose(values, matrix) : values);
  }
  return feeds;
}

function transpose(values: Float32Array, { rows, columns }: QuantizedMatrix): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = values[row * columns + column] as number;
    }
  }
  return turned;
}

const emptyLogits = (shape: readonly number[]): Tensor =>
  tensor('float32', shape, new Float32Array(elementCount(shape)));

/** What a comparison says of every position of a batch, padding included. */
interface PositionScores {
  readonly baseline: Float32Array;
  readonly nats: Float32Array;
  readonly divergences: Float32Array;
  readonly agreements: Uint8Array;
}

async function comparePositions(
  session: Session,
  baseline: Float32Array,
  candidate: Float32Array,
  targets: BigInt64Array,
  vocabSize: number,
): Promise<PositionScores> {
  const count = targets.length;
  const floats = () => new Float32Array(count);
  const scores = { baseline: floats(), nats: floats(), divergences: floats(), agreements: new Uint8Array(count) };
  const atOnce = Math.max(1, Math.floor(logitsAtOnce / vocabSize));
  for (let from = 0; from < count; from += atOnce) {
    const until = Math.min(from + atOnce, count);
    const n = until - from;
    const rows = (all: Float32Array) =>
      tensor('float32', [n, vocabSize], all.subarray(from * vocabSize, until * vocabSize));
    const part = (all: Float32Array) => tensor('float32', [n], all.subarray(from, until));
    await session.run(
      {
        baseline: rows(baseline),
        candidate: rows(candidate),
        targets: tensor('int64', [n], targets.subarray(from, until)),
      },
      {
        baseline_nats: part(scores.baseline),
        candidate_nats: part(scores.nats),
        divergence: part(scores.divergences),
        agreement: tensor('bool', [n], scores.agreements.subarray(from, until)),
      },
    );
  }
  // A divergence is at least 0; what lies below is rounding in its sum, of about 1e-7. NaN stays.
  scores.divergences.forEach((value, at) => {
    if (value < 0) scores.divergences[at] = 0;
  });
  return scores;
}
