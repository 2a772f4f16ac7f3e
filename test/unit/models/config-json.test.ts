import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IteraError } from '../../../src/core/errors.ts';
import type { ModelConfig } from '../../../src/models/config.ts';
import { formatConfig, parseConfig } from '../../../src/models/config-json.ts';
import { presets } from '../../../src/models/presets.ts';

/** Sizes of its own, so that the presets' may change. */
const config: ModelConfig = {
  ...presets.micro(500),
  hiddenSize: 64,
  numHiddenLayers: 4,
  layersBlockType: ['mamba', 'mamba', 'mamba', 'mamba'],
  numAttentionHeads: 4,
  numKeyValueHeads: 1,
  numLocalExperts: 4,
  numExpertsPerTok: 2,
  mambaNHeads: 4,
  mambaDHead: 32,
};
const valid = formatConfig(config);

function change(changes: Record<string, unknown>): Record<string, unknown> {
  return { ...valid, ...changes };
}

function without(...keys: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(valid).filter(([key]) => !keys.includes(key)));
}

describe('formatConfig', () => {
  it('writes the keys that other implementations read', () => {
    expect(valid).toMatchObject({
      model_type: 'granitemoehybrid',
      architectures: ['GraniteMoeHybridForCausalLM'],
      layers_block_type: ['mamba', 'mamba', 'mamba', 'mamba'],
      layer_types: ['mamba', 'mamba', 'mamba', 'mamba'],
      mamba_n_heads: 4,
      mamba_d_head: 32,
      attention_bias: false,
      hidden_act: 'silu',
      normalization_function: 'rmsnorm',
      torch_dtype: 'float32',
    });
  });

  it('survives JSON without loss', () => {
    const other = { ...presets['small-transformer'](), rmsNormEps: 3e-7, ropeTheta: 12_345.678 };
    expect(parseConfig(JSON.parse(JSON.stringify(formatConfig(other))))).toEqual(other);
  });

  it('refuses to write what could not be read', () => {
    expect(() => formatConfig({ ...config, mambaDHead: 16 })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

describe('parseConfig', () => {
  it('fills in what the family defaults', () => {
    const filled = parseConfig({
      ...without('layers_block_type', 'num_key_value_heads', 'pad_token_id', 'position_embedding_type', 'rope_theta'),
      mamba_d_head: 'auto',
      eos_token_id: 7,
      some_future_key: { anything: true },
    });
    expect(filled).toEqual({ ...config, numKeyValueHeads: 4, padTokenId: 7, eosTokenId: 7 });
  });

  it.each([[[0, 1e30]], [[0, 'Infinity']], [[-1, { __float__: 'Infinity' }]]])(
    'accepts time step limits %j that limit nothing',
    (limit) => {
      expect(parseConfig(change({ time_step_limit: limit }))).toEqual(config);
    },
  );

  it.each<[string, unknown, RegExp]>([
    ['no object', null, /the file: expected an object, got null/],
    ['a list', [], /expected an object/],
    ['another family', { model_type: 'llama' }, /model_type: expected "granitemoehybrid", got "llama"/],
    ['no family', without('model_type'), /model_type: .*got nothing/],
    ['no size', without('hidden_size'), /hidden_size: expected a whole number from 1 to 65536, got nothing/],
    ['no layers', without('layers_block_type', 'layer_types'), /layers_block_type: .*got nothing/],
    ['text for a number', change({ vocab_size: '500' }), /vocab_size: .*got "500"/],
    ['a fraction', change({ hidden_size: 64.5 }), /hidden_size: .*got 64.5/],
    ['NaN', change({ rms_norm_eps: Number.NaN }), /rms_norm_eps: expected a number above 0/],
    ['negative epsilon', change({ rms_norm_eps: -1e-5 }), /rms_norm_eps/],
    ['infinite multiplier', change({ logits_scaling: Number.POSITIVE_INFINITY }), /logits_scaling/],
    ['hostile vocabulary', change({ vocab_size: 1_000_001 }), /vocab_size: .*1 to 1000000/],
    ['hostile width', change({ hidden_size: 65_537 }), /hidden_size: .*1 to 65536/],
    ['hostile depth', change({ num_hidden_layers: 1025 }), /num_hidden_layers: .*1 to 1024/],
    ['hostile list', change({ layer_types: Array(1025).fill('mamba') }), /layer_types: .*1 to 1024 times/],
    ['an unknown layer', change({ layers_block_type: ['mamba', 'rnn'] }), /layers_block_type\.1: .*got "rnn"/],
    ['two lists that differ', change({ layer_types: ['attention', 'mamba', 'mamba', 'mamba'] }), /layer_types/],
    [
      'a short list',
      { ...without('layer_types'), layers_block_type: ['mamba'] },
      /layers_block_type: .*4 entries.*got 1/,
    ],
    [
      'heads that do not fit',
      change({ mamba_d_head: 16 }),
      /mamba_d_head: .*mamba_expand \* hidden_size = 128, got 64/,
    ],
    ['auto heads that do not fit', change({ mamba_n_heads: 5, mamba_d_head: 'auto' }), /mamba_d_head/],
    ['groups that do not fit', change({ mamba_n_groups: 3 }), /mamba_n_groups: .*got 3/],
    ['attention heads that do not fit', change({ num_attention_heads: 3 }), /num_attention_heads: .*got 3/],
    ['key heads that do not fit', change({ num_key_value_heads: 3 }), /num_key_value_heads: .*got 3/],
    ['too many experts per token', change({ num_experts_per_tok: 5 }), /num_experts_per_tok: .*\(4\), got 5/],
    ['no experts per token', change({ num_experts_per_tok: 0 }), /num_experts_per_tok/],
    ['no experts yet two per token', change({ num_local_experts: 0 }), /num_experts_per_tok: expected 0/],
    ['no shared MLP', change({ shared_intermediate_size: 0 }), /shared_intermediate_size/],
    ['a token outside the vocabulary', change({ eos_token_id: 500 }), /eos_token_id: .*\(500\), got 500/],
    ['a list of end tokens', change({ eos_token_id: [0] }), /eos_token_id/],
    ['clamped time steps', change({ time_step_limit: [0.001, 0.1] }), /time_step_limit: .*got \[0.001,0.1\]/],
    ['odd time steps', change({ time_step_limit: ['x', null] }), /time_step_limit/],
    ['biased attention', change({ attention_bias: true }), /attention_bias: expected false/],
    ['another activation', change({ hidden_act: 'gelu' }), /hidden_act: expected "silu"/],
    ['another norm', change({ normalization_function: 'layernorm' }), /normalization_function/],
    ['scaled rope', change({ rope_scaling: { type: 'linear' } }), /rope_scaling: expected null/],
    ['another position encoding', change({ position_embedding_type: 'alibi' }), /position_embedding_type/],
    [
      'rope on odd heads',
      change({
        num_attention_heads: 64,
        position_embedding_type: 'rope',
        layers_block_type: ['attention', 'mamba', 'mamba', 'mamba'],
        layer_types: ['attention', 'mamba', 'mamba', 'mamba'],
      }),
      /num_attention_heads: .*rope, got 1/,
    ],
  ])('refuses %s', (_, json, message) => {
    expect(() => parseConfig(json)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    );
  });

  it('throws nothing but CONFIG_INVALID, whatever a key holds', () => {
    const keys = fc.constantFrom(...Object.keys(valid));
    fc.assert(
      fc.property(keys, fc.jsonValue(), (key, value) => {
        try {
          expect(parseConfig(change({ [key]: value })).numHiddenLayers).toBe(config.numHiddenLayers);
        } catch (error) {
          expect((error as IteraError).code).toBe('CONFIG_INVALID');
          expect(error).toBeInstanceOf(IteraError);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
