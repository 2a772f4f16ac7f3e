import { describe, expect, it } from 'vitest';
import { elementCount } from '../../../src/core/tensor.ts';
import { formatConfig, parseConfig } from '../../../src/models/config-json.ts';
import { attentionHeadSize, countParameters, parameterShapes } from '../../../src/models/parameters.ts';
import { type PresetName, presetBudgets, presetConfig, presets } from '../../../src/models/presets.ts';

/** The only place in the tests that states the presets' sizes; after a change of them that is meant, state the new ones. */
const counts: Record<PresetName, readonly [total: number, activePerToken: number, withoutEmbedding: number]> = {
  micro: [289_284, 270_852, 158_212],
  tiny: [997_344, 948_192, 636_896],
  small: [2_926_160, 2_336_336, 2_139_728],
  'micro-transformer': [291_264, 291_264, 160_192],
  'tiny-transformer': [976_256, 976_256, 615_808],
  'small-transformer': [2_890_176, 2_890_176, 2_103_744],
};

describe.each(Object.keys(presets) as PresetName[])('preset %s', (name) => {
  const config = presets[name]();

  it('has the stated parameters, within its budget', () => {
    const [total, activePerToken, withoutEmbedding] = counts[name];
    expect(countParameters(config)).toEqual({ total, activePerToken, withoutEmbedding });
    expect(total).toBeLessThanOrEqual(presetBudgets[name]);
    const shapes = [...parameterShapes(config).values()];
    expect(shapes.reduce((sum, shape) => sum + elementCount(shape), 0)).toBe(total);
  });

  it('is a valid member of the family', () => {
    expect(parseConfig(formatConfig(config))).toEqual(config);
    expect(config.attentionMultiplier).toBeCloseTo(attentionHeadSize(config) ** -0.5, 12);
  });

  it('has linear widths that quantise in blocks of 32', () => {
    for (const [weight, shape] of parameterShapes(config)) {
      if (weight.includes('linear') || weight.includes('proj') || weight.includes('embed')) {
        expect((shape.at(-1) ?? 0) % 32, weight).toBe(0);
      }
    }
  });
});

describe('presets', () => {
  it.each(['micro', 'tiny', 'small'] as const)('compares %s with a transformer within 3%%', (name) => {
    const [model, baseline] = [presets[name](), presets[`${name}-transformer`]()];
    const share = countParameters(baseline).total / countParameters(model).total;
    expect(Math.abs(share - 1)).toBeLessThan(0.03);
    expect(baseline.vocabSize).toBe(model.vocabSize);
    expect(new Set(baseline.layersBlockType)).toEqual(new Set(['attention']));
    expect(baseline.numKeyValueHeads).toBeLessThan(baseline.numAttentionHeads);
  });

  it('takes the vocabulary of another tokenizer', () => {
    expect(presetConfig('tiny', 512)).toEqual({ ...presets.tiny(), vocabSize: 512 });
  });

  it.each([
    ['giant', undefined, /No preset is named 'giant'.*micro-transformer/],
    ['constructor', undefined, /No preset is named/],
    ['tiny', 0, /got 0/],
    ['tiny', 1.5, /got 1.5/],
    ['tiny', Number.NaN, /got NaN/],
  ])('refuses preset %s with vocabulary %s', (name, vocabSize, message) => {
    expect(() => presetConfig(name, vocabSize)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});
