import { describe, expect, it } from 'vitest';
import { parameterShapes } from '../../../src/models/parameters.ts';
import { presetConfig } from '../../../src/models/presets.ts';
import { resizeConfig } from '../../../src/models/resizing.ts';

describe('resizeConfig', () => {
  const micro = presetConfig('micro');

  it('changes nothing if nothing is asked for', () => {
    expect(resizeConfig(micro, {})).toEqual(micro);
  });

  it('derives what follows from the sizes', () => {
    const config = resizeConfig(micro, { hiddenSize: 128, layers: ['mamba', 'attention'], numAttentionHeads: 2 });
    expect(config).toMatchObject({ numHiddenLayers: 2, mambaDHead: 64, attentionMultiplier: 0.125 });
    expect([...parameterShapes(config).keys()].some((name) => name.startsWith('model.layers.1.self_attn'))).toBe(true);
    expect([...parameterShapes(config).keys()].some((name) => name.startsWith('model.layers.2'))).toBe(false);
  });

  it.each([
    ['heads that do not divide the width', { mambaNHeads: 3 }],
    ['more experts for a token than there are', { numLocalExperts: 1 }],
    ['query heads that are no multiple of the others', { numAttentionHeads: 3, numKeyValueHeads: 2 }],
  ])('refuses %s', (_, change) => {
    expect(() => resizeConfig(micro, change)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
