import { elementCount } from '../core/tensor.ts';
import type { ModelConfig } from './config.ts';

/** Sizes inside a Mamba-2 block, derived from the configuration. */
export interface MambaSizes {
  /** E: `mambaExpand * hiddenSize`, also `mambaNHeads * mambaDHead`. */
  readonly inner: number;
  /** Channels of the convolution: x, B and C, `E + 2 * groups * N`. */
  readonly conv: number;
  /** Rows of `in_proj`: z, x, B, C, dt in this order, `E + conv + H`. */
  readonly projection: number;
}

/** Derives the sizes inside a Mamba-2 block. */
export function mambaSizes(config: ModelConfig): MambaSizes {
  const inner = config.mambaExpand * config.hiddenSize;
  const conv = inner + 2 * config.mambaNGroups * config.mambaDState;
  return { inner, conv, projection: inner + conv + config.mambaNHeads };
}

/** Width of one attention head: `hiddenSize / numAttentionHeads`. */
export function attentionHeadSize(config: ModelConfig): number {
  return config.hiddenSize / config.numAttentionHeads;
}

type Shapes = readonly (readonly [name: string, shape: readonly number[]])[];

/**
 * The name and shape of every weight of a model, under the names of the GraniteMoeHybrid family.
 *
 * The order is that of computation and is stable: the embedding; per layer `input_layernorm`, the mixer (`mamba` or
 * `self_attn`), `post_attention_layernorm`, `block_sparse_moe` (if there are experts), `shared_mlp`; the last norm;
 * `lm_head` (if untied). Linear weights are `[out, in]`.
 *
 * @param config - A configuration that `parseConfig` accepts.
 */
export function parameterShapes(config: ModelConfig): ReadonlyMap<string, readonly number[]> {
  const { hiddenSize: width, vocabSize } = config;
  const shapes = new Map<string, readonly number[]>([['model.embed_tokens.weight', [vocabSize, width]]]);
  for (const [index, type] of config.layersBlockType.entries()) {
    const layer: Shapes = [
      ['input_layernorm.weight', [width]],
      ...(type === 'mamba' ? mambaShapes(config) : attentionShapes(config)),
      ['post_attention_layernorm.weight', [width]],
      ...expertShapes(config),
      ['shared_mlp.input_linear.weight', [2 * config.sharedIntermediateSize, width]],
      ['shared_mlp.output_linear.weight', [width, config.sharedIntermediateSize]],
    ];
    for (const [name, shape] of layer) {
      shapes.set(`model.layers.${index}.${name}`, shape);
    }
  }
  shapes.set('model.norm.weight', [width]);
  if (!config.tieWordEmbeddings) {
    shapes.set('lm_head.weight', [vocabSize, width]);
  }
  return shapes;
}

function mambaShapes(config: ModelConfig): Shapes {
  const { inner, conv, projection } = mambaSizes(config);
  const { hiddenSize: width, mambaNHeads: heads } = config;
  const projectionBias: Shapes = config.mambaProjBias ? [['mamba.in_proj.bias', [projection]]] : [];
  const convBias: Shapes = config.mambaConvBias ? [['mamba.conv1d.bias', [conv]]] : [];
  const outputBias: Shapes = config.mambaProjBias ? [['mamba.out_proj.bias', [width]]] : [];
  return [
    ['mamba.in_proj.weight', [projection, width]],
    ...projectionBias,
    ['mamba.conv1d.weight', [conv, 1, config.mambaDConv]],
    ...convBias,
    ['mamba.A_log', [heads]],
    ['mamba.D', [heads]],
    ['mamba.dt_bias', [heads]],
    ['mamba.norm.weight', [inner]],
    ['mamba.out_proj.weight', [width, inner]],
    ...outputBias,
  ];
}

function attentionShapes(config: ModelConfig): Shapes {
  const width = config.hiddenSize;
  const keyValueWidth = config.numKeyValueHeads * attentionHeadSize(config);
  return [
    ['self_attn.q_proj.weight', [width, width]],
    ['self_attn.k_proj.weight', [keyValueWidth, width]],
    ['self_attn.v_proj.weight', [keyValueWidth, width]],
    ['self_attn.o_proj.weight', [width, width]],
  ];
}

function expertShapes(config: ModelConfig): Shapes {
  const { numLocalExperts: experts, intermediateSize, hiddenSize: width } = config;
  if (experts === 0) {
    return [];
  }
  return [
    ['block_sparse_moe.input_linear.weight', [experts, 2 * intermediateSize, width]],
    ['block_sparse_moe.output_linear.weight', [experts, width, intermediateSize]],
    ['block_sparse_moe.router.layer.weight', [experts, width]],
  ];
}

/** How many parameters a model has, counted in three ways. */
export interface ParameterCounts {
  /** All weights; a tied embedding once. */
  readonly total: number;
  /** `total` without the experts that a token does not visit. */
  readonly activePerToken: number;
  /** `total` without the embedding and an untied output layer. */
  readonly withoutEmbedding: number;
}

/** Counts a model's parameters from {@link parameterShapes}. */
export function countParameters(config: ModelConfig): ParameterCounts {
  let total = 0;
  let idle = 0;
  let embedding = 0;
  const idleShare = config.numLocalExperts === 0 ? 0 : 1 - config.numExpertsPerTok / config.numLocalExperts;
  for (const [name, shape] of parameterShapes(config)) {
    const count = elementCount(shape);
    total += count;
    if (name.includes('.block_sparse_moe.') && !name.includes('.router.')) {
      idle += Math.round(count * idleShare);
    }
    if (name === 'model.embed_tokens.weight' || name === 'lm_head.weight') {
      embedding += count;
    }
  }
  return { total, activePerToken: total - idle, withoutEmbedding: total - embedding };
}
