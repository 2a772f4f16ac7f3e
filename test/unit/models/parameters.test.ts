import { describe, expect, it } from 'vitest';
import type { ModelConfig } from '../../../src/models/config.ts';
import { attentionHeadSize, countParameters, mambaSizes, parameterShapes } from '../../../src/models/parameters.ts';
import { presets } from '../../../src/models/presets.ts';

/** Sizes of their own, so that the presets' may change. */
const stateSpace: ModelConfig = {
  ...presets.micro(500),
  hiddenSize: 64,
  numHiddenLayers: 1,
  layersBlockType: ['mamba'],
  intermediateSize: 32,
  sharedIntermediateSize: 96,
  numLocalExperts: 4,
  numExpertsPerTok: 2,
  mambaNHeads: 4,
  mambaDHead: 32,
  mambaDState: 16,
};
const transformer: ModelConfig = {
  ...presets['tiny-transformer'](700),
  hiddenSize: 128,
  numHiddenLayers: 1,
  layersBlockType: ['attention'],
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  sharedIntermediateSize: 384,
};

describe('parameterShapes', () => {
  it('lists a state-space model in the order of computation', () => {
    expect([...parameterShapes(stateSpace)]).toEqual([
      ['model.embed_tokens.weight', [500, 64]],
      ['model.layers.0.input_layernorm.weight', [64]],
      ['model.layers.0.mamba.in_proj.weight', [292, 64]],
      ['model.layers.0.mamba.conv1d.weight', [160, 1, 4]],
      ['model.layers.0.mamba.conv1d.bias', [160]],
      ['model.layers.0.mamba.A_log', [4]],
      ['model.layers.0.mamba.D', [4]],
      ['model.layers.0.mamba.dt_bias', [4]],
      ['model.layers.0.mamba.norm.weight', [128]],
      ['model.layers.0.mamba.out_proj.weight', [64, 128]],
      ['model.layers.0.post_attention_layernorm.weight', [64]],
      ['model.layers.0.block_sparse_moe.input_linear.weight', [4, 64, 64]],
      ['model.layers.0.block_sparse_moe.output_linear.weight', [4, 64, 32]],
      ['model.layers.0.block_sparse_moe.router.layer.weight', [4, 64]],
      ['model.layers.0.shared_mlp.input_linear.weight', [192, 64]],
      ['model.layers.0.shared_mlp.output_linear.weight', [64, 96]],
      ['model.norm.weight', [64]],
    ]);
  });

  it('lists grouped attention, no experts and an untied output layer', () => {
    expect([...parameterShapes({ ...transformer, tieWordEmbeddings: false })]).toEqual([
      ['model.embed_tokens.weight', [700, 128]],
      ['model.layers.0.input_layernorm.weight', [128]],
      ['model.layers.0.self_attn.q_proj.weight', [128, 128]],
      ['model.layers.0.self_attn.k_proj.weight', [64, 128]],
      ['model.layers.0.self_attn.v_proj.weight', [64, 128]],
      ['model.layers.0.self_attn.o_proj.weight', [128, 128]],
      ['model.layers.0.post_attention_layernorm.weight', [128]],
      ['model.layers.0.shared_mlp.input_linear.weight', [768, 128]],
      ['model.layers.0.shared_mlp.output_linear.weight', [128, 384]],
      ['model.norm.weight', [128]],
      ['lm_head.weight', [700, 128]],
    ]);
  });

  it('follows the switches for biases', () => {
    const shapes = parameterShapes({ ...stateSpace, mambaConvBias: false, mambaProjBias: true });
    expect(shapes.has('model.layers.0.mamba.conv1d.bias')).toBe(false);
    expect(shapes.get('model.layers.0.mamba.in_proj.bias')).toEqual([292]);
    expect(shapes.get('model.layers.0.mamba.out_proj.bias')).toEqual([64]);
  });
});

describe('sizes', () => {
  it('derives the sizes inside the blocks', () => {
    expect(mambaSizes({ ...stateSpace, mambaNGroups: 2 })).toEqual({ inner: 128, conv: 192, projection: 324 });
    expect(attentionHeadSize(transformer)).toBe(32);
  });

  it('counts active parameters by the experts a token visits', () => {
    const layersBlockType = ['mamba', 'mamba', 'attention'] as const;
    const count = (numExpertsPerTok: number) =>
      countParameters({ ...stateSpace, numHiddenLayers: 3, layersBlockType, numExpertsPerTok });
    const oneExpert = 3 * 64 * 32;
    expect(count(4).activePerToken).toBe(count(4).total);
    expect(count(3).activePerToken).toBe(count(4).total - 3 * oneExpert);
    expect(count(1).activePerToken).toBe(count(4).total - 3 * 3 * oneExpert);
    expect(countParameters(transformer).activePerToken).toBe(countParameters(transformer).total);
  });

  it('leaves out both embeddings of an untied model', () => {
    const tied = countParameters(stateSpace);
    const untied = countParameters({ ...stateSpace, tieWordEmbeddings: false });
    expect(untied.total).toBe(tied.total + 500 * 64);
    expect(untied.withoutEmbedding).toBe(tied.withoutEmbedding);
  });
});
