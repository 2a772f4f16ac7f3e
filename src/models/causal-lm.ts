import type { Value } from '../graph/graph.ts';
import { add, div, gather, mul, reshape, split } from '../graph/ops/index.ts';
import { attention } from './attention.ts';
import type { LayerType, ModelConfig } from './config.ts';
import { linear } from './linear.ts';
import { mambaChunked } from './mamba-chunked.ts';
import { swiGlu } from './mlp.ts';
import { sparseMoe } from './moe.ts';
import { rmsNorm } from './norm.ts';
import type { Weights } from './weights.ts';

/** The parts of a layer, which training and inference build differently. */
export interface Blocks {
  norm(x: Value, weight: Value, epsilon: number): Value;
  mix(x: Value, layer: number, type: LayerType, weights: Weights): Value;
  experts(x: Value, layer: number, weights: Weights): Value;
  /** What becomes of a branch before it is added to the residual stream; two branches a layer, counted from 0. */
  drop?(x: Value, branch: number): Value;
}

/**
 * The model from embedded tokens to the last norm: pre-norm residual layers, each mixing tokens, then channels.
 *
 * @param embedded - Rows of the embedding, `[B, T, D]` or `[B*T, D]`.
 */
export function buildLayers(embedded: Value, config: ModelConfig, weights: Weights, blocks: Blocks): Value {
  const { graph } = embedded;
  const epsilon = config.rmsNormEps;
  const branch = (value: Value, index: number): Value =>
    scaled(blocks.drop ? blocks.drop(value, index) : value, config.residualMultiplier);
  let x = scaled(embedded, config.embeddingMultiplier);
  config.layersBlockType.forEach((type, index) => {
    const layer = weights.within(`model.layers.${index}.`);
    graph.scope(`layers.${index}`, () => {
      const mixed = graph.scope(type, () => {
        const normed = blocks.norm(x, layer.get('input_layernorm.weight'), epsilon);
        return blocks.mix(normed, index, type, layer.within(type === 'mamba' ? 'mamba.' : 'self_attn.'));
      });
      const h = add(x, branch(mixed, 2 * index));
      x = graph.scope('mlp', () => {
        const normed = blocks.norm(h, layer.get('post_attention_layernorm.weight'), epsilon);
        const shared = layer.within('shared_mlp.');
        const dense = swiGlu(normed, shared.get('input_linear.weight'), shared.get('output_linear.weight'));
        const channels =
          config.numLocalExperts > 0
            ? add(blocks.experts(normed, index, layer.within('block_sparse_moe.')), dense)
            : dense;
        return add(h, branch(channels, 2 * index + 1));
      });
    });
  });
  return blocks.norm(x, weights.get('model.norm.weight'), epsilon);
}

/** Logits from the last hidden states, through the tied embedding or a head of its own. */
export function buildLogits(hidden: Value, config: ModelConfig, weights: Weights): Value {
  const head = weights.get(config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
  const logits = linear(hidden, head);
  return config.logitsScaling === 1 ? logits : div(logits, config.logitsScaling);
}

const scaled = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, factor));

/**
 * The differentiable model, for training: chunked state space, sparse experts.
 *
 * @param tokens - `int64[B, T]`, both sizes known.
 * @param masks - Dropout: factors for the channels of each row and branch, `float32[2 * layers, B, D]`. All tokens of a
 *   row share them, as Gal & Ghahramani 2016 (arXiv:1512.05287) do in recurrent networks.
 * @returns Logits `float32[B*T, V]` and the mean load-balancing loss of the layers (absent without experts).
 */
export function buildTrainingModel(
  tokens: Value,
  config: ModelConfig,
  weights: Weights,
  masks?: Value,
): { logits: Value; balance: Value | undefined } {
  const [batch, length] = tokens.shape.map(Number) as [number, number];
  const { graph } = tokens;
  const rows = batch * length;
  const balances: Value[] = [];
  const maskOf = masks && split(masks, 0, Array(2 * config.numHiddenLayers).fill(1));
  const embedded = gather(weights.get('model.embed_tokens.weight'), reshape(tokens, [rows]));
  const hidden = buildLayers(embedded, config, weights, {
    norm: rmsNorm,
    mix(x, _layer, type, own) {
      if (type === 'mamba') return mambaChunked(x, batch, length, config, own).output;
      const { output } = attention(reshape(x, [batch, length, config.hiddenSize]), config, own, {
        bias: causalBias(x, length),
        positions: graph.constant(
          'float32',
          [1, length],
          Array.from({ length }, (_, index) => index),
        ),
      });
      return reshape(output, [rows, config.hiddenSize]);
    },
    experts(x, _layer, own) {
      const { output, balance } = sparseMoe(x, config, own);
      balances.push(balance);
      return output;
    },
    ...(maskOf && {
      drop(x: Value, branch: number): Value {
        const mask = reshape(maskOf[branch] as Value, [batch, 1, config.hiddenSize]);
        return reshape(mul(reshape(x, [batch, length, config.hiddenSize]), mask), [rows, config.hiddenSize]);
      },
    }),
  });
  const total = balances.length > 0 ? mul(balances.reduce(add), 1 / balances.length) : undefined;
  return { logits: buildLogits(hidden, config, weights), balance: total };
}

function causalBias(like: Value, length: number): Value {
  const cells = Array.from({ length: length * length }, (_, index) =>
    index % length > Math.floor(index / length) ? -1e9 : 0,
  );
  return like.graph.constant('float32', [length, length], cells);
}
