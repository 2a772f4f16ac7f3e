import type { Tensor } from '../core/tensor.ts';
import type { ModelConfig } from './config.ts';
import { mambaReference, type ReferenceState } from './mamba-reference.ts';
import { attentionHeadSize } from './parameters.ts';

/** What a sequence leaves behind in one layer: of attention, the keys and values of all tokens, `[S][Hkv][P]` each. */
type LayerState = ReferenceState | { readonly keys: Float64Array; readonly values: Float64Array };

/** The state after some tokens, layer by layer. */
export type ModelReferenceState = readonly LayerState[];

/**
 * The whole model as plain loops in float64, for one sequence: the definition that every export is checked against.
 *
 * @param weights - Under the names of `parameterShapes`; their float32 values are taken as they are.
 * @param ids - Token ids, `[T]`.
 * @param state - After the tokens before; none at the beginning.
 * @returns Logits `[T, V]`, flattened, and the state after the last token.
 */
export function referenceModel(
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
  ids: ArrayLike<number>,
  state?: ModelReferenceState,
): { logits: Float64Array; state: ModelReferenceState } {
  const { hiddenSize: width, vocabSize, residualMultiplier, rmsNormEps: epsilon } = config;
  const dataOf = (name: string): ArrayLike<number> => (weights.get(name) as Tensor<'float32'>).data;
  const table = dataOf('model.embed_tokens.weight');
  const length = ids.length;
  let x = Float64Array.from(
    { length: length * width },
    (_, at) =>
      (table[(ids[Math.floor(at / width)] as number) * width + (at % width)] as number) * config.embeddingMultiplier,
  );
  const after: LayerState[] = [];
  config.layersBlockType.forEach((type, layer) => {
    const own = (name: string): ArrayLike<number> => dataOf(`model.layers.${layer}.${name}`);
    const normed = rmsNorm(x, own('input_layernorm.weight'), epsilon);
    const before = state?.[layer];
    let mixed: Float64Array;
    if (type === 'mamba') {
      const prefix = `model.layers.${layer}.mamba.`;
      const parts = [...weights.keys()].filter((name) => name.startsWith(prefix));
      const block = Object.fromEntries(parts.map((name) => [name.slice(prefix.length), dataOf(name)]));
      const result = mambaReference(normed, length, config, block, before as ReferenceState | undefined);
      mixed = result.output;
      after.push(result.state);
    } else {
      const result = attend(normed, length, config, own, before as AttentionReferenceState | undefined);
      mixed = result.output;
      after.push(result.state);
    }
    const h = x.map((value, at) => value + residualMultiplier * (mixed[at] as number));
    const channels = mixChannels(rmsNorm(h, own('post_attention_layernorm.weight'), epsilon), length, config, own);
    x = h.map((value, at) => value + residualMultiplier * (channels[at] as number));
  });
  const last = rmsNorm(x, dataOf('model.norm.weight'), epsilon);
  const head = config.tieWordEmbeddings ? table : dataOf('lm_head.weight');
  const logits = multiplyRows(last, head, vocabSize, width).map((value) => value / config.logitsScaling);
  return { logits, state: after };
}

type Own = (name: string) => ArrayLike<number>;
type AttentionReferenceState = Exclude<LayerState, ReferenceState>;

function attend(
  x: Float64Array,
  length: number,
  config: ModelConfig,
  own: Own,
  before: AttentionReferenceState | undefined,
): { output: Float64Array; state: AttentionReferenceState } {
  const { hiddenSize: width, numAttentionHeads: heads, numKeyValueHeads: groups } = config;
  const size = attentionHeadSize(config);
  const past = (before?.keys.length ?? 0) / (groups * size);
  const rotated = (values: Float64Array, count: number): Float64Array =>
    config.positionEmbeddingType === 'rope' ? rotate(values, count, size, past, config.ropeTheta) : values;
  const project = (name: string, count: number): Float64Array =>
    multiplyRows(x, own(`self_attn.${name}.weight`), count * size, width);
  const queries = rotated(project('q_proj', heads), heads);
  const keys = join(before?.keys, rotated(project('k_proj', groups), groups));
  const values = join(before?.values, project('v_proj', groups));
  const attended = new Float64Array(length * width);
  for (let t = 0; t < length; t++) {
    for (let head = 0; head < heads; head++) {
      const group = Math.floor(head / (heads / groups));
      const query = (t * heads + head) * size;
      const scores = Float64Array.from({ length: past + t + 1 }, (_, s) => {
        let sum = 0;
        for (let p = 0; p < size; p++)
          sum += (queries[query + p] as number) * (keys[(s * groups + group) * size + p] as number);
        return sum * config.attentionMultiplier;
      });
      softmax(scores).forEach((share, s) => {
        for (let p = 0; p < size; p++) {
          attended[query + p] =
            (attended[query + p] as number) + share * (values[(s * groups + group) * size + p] as number);
        }
      });
    }
  }
  return { output: multiplyRows(attended, own('self_attn.o_proj.weight'), width, width), state: { keys, values } };
}

/** Turns the halves of each head by position times theta^(-2i/P). */
function rotate(values: Float64Array, heads: number, size: number, past: number, theta: number): Float64Array {
  const half = size / 2;
  return values.map((value, at) => {
    const p = at % size;
    const angle = (past + Math.floor(at / (heads * size))) * theta ** (-(p % half) / half);
    const partner = p < half ? -(values[at + half] as number) : (values[at - half] as number);
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

/** The shared MLP plus the experts that the router chooses for each token, ties to the lower number. */
function mixChannels(x: Float64Array, length: number, config: ModelConfig, own: Own): Float64Array {
  const { hiddenSize: width, sharedIntermediateSize, intermediateSize, numLocalExperts, numExpertsPerTok } = config;
  const output = new Float64Array(length * width);
  for (let t = 0; t < length; t++) {
    const token = x.subarray(t * width, (t + 1) * width);
    const add = (values: Float64Array, factor: number): void =>
      values.forEach((value, at) => {
        output[t * width + at] = (output[t * width + at] as number) + factor * value;
      });
    const [opening, closing] = ['shared_mlp.input_linear.weight', 'shared_mlp.output_linear.weight'].map(own);
    add(swiGlu(token, opening as ArrayLike<number>, closing as ArrayLike<number>, sharedIntermediateSize), 1);
    if (numLocalExperts === 0) continue;
    const router = multiplyRows(token, own('block_sparse_moe.router.layer.weight'), numLocalExperts, width);
    const chosen = [...router.keys()]
      .sort((a, b) => (router[b] as number) - (router[a] as number) || a - b)
      .slice(0, numExpertsPerTok);
    const shares = softmax(Float64Array.from(chosen, (expert) => router[expert] as number));
    chosen.forEach((expert, rank) => {
      const cut = (name: string, size: number): ArrayLike<number> =>
        (own(`block_sparse_moe.${name}.weight`) as Float32Array).subarray(expert * size, (expert + 1) * size);
      const expertInput = cut('input_linear', 2 * intermediateSize * width);
      add(
        swiGlu(token, expertInput, cut('output_linear', width * intermediateSize), intermediateSize),
        shares[rank] as number,
      );
    });
  }
  return output;
}

function swiGlu(x: Float64Array, input: ArrayLike<number>, output: ArrayLike<number>, hidden: number): Float64Array {
  const opened = multiplyRows(x, input, 2 * hidden, x.length);
  const gated = Float64Array.from({ length: hidden }, (_, at) => {
    const gate = opened[at] as number;
    return (gate / (1 + Math.exp(-gate))) * (opened[hidden + at] as number);
  });
  return multiplyRows(gated, output, x.length, hidden);
}

function rmsNorm(x: Float64Array, weight: ArrayLike<number>, epsilon: number): Float64Array {
  const width = weight.length;
  const normed = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += width) {
    let sum = 0;
    for (let at = row; at < row + width; at++) sum += (x[at] as number) ** 2;
    const scale = 1 / Math.sqrt(sum / width + epsilon);
    for (let at = 0; at < width; at++) normed[row + at] = (x[row + at] as number) * scale * (weight[at] as number);
  }
  return normed;
}

function softmax(scores: Float64Array): Float64Array {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Each row of `x` times a matrix `[rows, columns]` of a linear layer: x W^T. */
function multiplyRows(x: Float64Array, matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const count = x.length / columns;
  const product = new Float64Array(count * rows);
  for (let t = 0; t < count; t++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let column = 0; column < columns; column++) {
        sum += (x[t * columns + column] as number) * (matrix[row * columns + column] as number);
      }
      product[t * rows + row] = sum;
    }
  }
  return product;
}

function join(before: Float64Array | undefined, now: Float64Array): Float64Array {
  if (!before) return now;
  const joined = new Float64Array(before.length + now.length);
  joined.set(before);
  joined.set(now, before.length);
  return joined;
}
