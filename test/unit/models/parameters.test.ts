import { describe, expect, it } from 'vitest';
import { attentionHeadSize, countParameters, mambaSizes, parameterShapes } from '../../../src/models/parameters.ts';
import { presets } from '../../../src/models/presets.ts';

describe('parameterShapes', () => {
  it('lists a state-space model in the order of computation', () => {
    const shapes = [...parameterShapes({ ...presets.micro(), numHiddenLayers: 1, layersBlockType: ['mamba'] })];
    expect(shapes).toEqual([
      ['model.embed_tokens.weight', [896, 64]],
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
      ['model.layers.0.shared_mlp.input_linear.weight', [64, 64]],
      ['model.layers.0.shared_mlp.output_linear.weight', [64, 32]],
      ['model.norm.weight', [64]],
    ]);
  });

  it('lists grouped attention, no experts and an untied output layer', () => {
    const config = presets['tiny-transformer']();
    const shapes = parameterShapes({
      ...config,
      numHiddenLayers: 1,
      layersBlockType: ['attention'],
      tieWordEmbeddings: false,
    });
    expect([...shapes]).toEqual([
      ['model.embed_tokens.weight', [1024, 128]],
      ['model.layers.0.input_layernorm.weight', [128]],
      ['model.layers.0.self_attn.q_proj.weight', [128, 128]],
      ['model.layers.0.self_attn.k_proj.weight', [64, 128]],
      ['model.layers.0.self_attn.v_proj.weight', [64, 128]],
      ['model.layers.0.self_attn.o_proj.weight', [128, 128]],
      ['model.layers.0.post_attention_layernorm.weight', [128]],
      ['model.layers.0.shared_mlp.input_linear.weight', [768, 128]],
      ['model.layers.0.shared_mlp.output_linear.weight', [128, 384]],
      ['model.norm.weight', [128]],
      ['lm_head.weight', [1024, 128]],
    ]);
  });

  it('follows the switches for biases', () => {
    const shapes = parameterShapes({ ...presets.micro(), mambaConvBias: false, mambaProjBias: true });
    expect(shapes.has('model.layers.0.mamba.conv1d.bias')).toBe(false);
    expect(shapes.get('model.layers.0.mamba.in_proj.bias')).toEqual([292]);
    expect(shapes.get('model.layers.0.mamba.out_proj.bias')).toEqual([64]);
  });
});

describe('sizes', () => {
  it('derives the sizes inside the blocks', () => {
    expect(mambaSizes({ ...presets.micro(), mambaNGroups: 2 })).toEqual({ inner: 128, conv: 192, projection: 324 });
    expect(attentionHeadSize(presets.small())).toBe(32);
  });

  it('counts active parameters by the experts a token visits', () => {
    const config = presets.micro();
    const oneExpert = 3 * config.hiddenSize * config.intermediateSize;
    const all = countParameters({ ...config, numExpertsPerTok: 4 });
    expect(all.activePerToken).toBe(all.total);
    expect(countParameters({ ...config, numExpertsPerTok: 1 }).activePerToken).toBe(all.total - 4 * 3 * oneExpert);
  });

  it('leaves out both embeddings of an untied model', () => {
    const tied = countParameters(presets.micro());
    const untied = countParameters({ ...presets.micro(), tieWordEmbeddings: false });
    expect(untied.total).toBe(tied.total + 896 * 64);
    expect(untied.withoutEmbedding).toBe(tied.withoutEmbedding);
  });
});
