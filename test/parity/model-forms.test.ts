import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ModelConfig } from '../../src/models/config.ts';
import { formatConfig, parseConfig } from '../../src/models/config-json.ts';
import { type PresetName, presets } from '../../src/models/presets.ts';
import { familyMembers } from './family-arbitrary.ts';
import { type Call, loadInferenceForm, randomTokens, runInferenceForm, runTrainingForm } from './model-forms.ts';
import { maxDifference, randomWeights } from './random-weights.ts';
import { toyConfig } from './toy-config.ts';

/** Largest difference relative to the largest logit. */
function relativeDifference(actual: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return maxDifference(actual, expected) / largest;
}

describe('the inference form gives the logits of the training form', () => {
  test.each(Object.keys(presets) as PresetName[])('preset %s', async (name) => {
    const config = presets[name](64);
    const weights = randomWeights(config, 31);
    const tokens = randomTokens(1, 70, config.vocabSize, 31);
    const { logits } = await runTrainingForm(config, weights, tokens);
    expect(relativeDifference(await runInferenceForm(config, weights, tokens), logits)).toBeLessThan(1e-5);
  });

  test.each<[string, Partial<ModelConfig>]>([
    ['mixed layers', { layersBlockType: ['mamba', 'attention', 'mamba', 'attention'] }],
    ['rotary embedding', { layersBlockType: ['attention', 'mamba'], positionEmbeddingType: 'rope', ropeTheta: 50 }],
    ['embedding multiplier', { embeddingMultiplier: 12 }],
    ['residual multiplier', { residualMultiplier: 0.22 }],
    ['logits scaling', { logitsScaling: 8 }],
    ['attention multiplier', { layersBlockType: ['attention'], attentionMultiplier: 0.0156 }],
    ['own output layer', { tieWordEmbeddings: false }],
    ['no experts', { numLocalExperts: 0, numExpertsPerTok: 0 }],
    ['every expert for every token', { numExpertsPerTok: 4 }],
    ['a large epsilon', { rmsNormEps: 0.5 }],
  ])('%s', async (_name, changes) => {
    const config = toyConfig(changes);
    const weights = randomWeights(config, 32);
    const tokens = randomTokens(2, 19, config.vocabSize, 32);
    const plain = (await runTrainingForm(toyConfig(), randomWeights(toyConfig(), 32), tokens)).logits;
    const { logits } = await runTrainingForm(config, weights, tokens);
    expect(relativeDifference(await runInferenceForm(config, weights, tokens), logits)).toBeLessThan(1e-5);
    expect(relativeDifference(logits, plain), 'the change has an effect').toBeGreaterThan(1e-3);
  });
});

test('training form, inference form and decoding token by token agree for any member of the family', async () => {
  const property = fc.asyncProperty(
    familyMembers,
    fc.integer({ min: 1, max: 2 }),
    fc.integer({ min: 1, max: 12 }),
    fc.nat(11),
    fc.nat(1000),
    async (config, batch, length, prefix, seed) => {
      expect(parseConfig(formatConfig(config))).toEqual(config);
      const weights = randomWeights(config, seed);
      const tokens = randomTokens(batch, length, config.vocabSize, seed);
      const { logits } = await runTrainingForm(config, weights, tokens);
      const form = await loadInferenceForm(config, weights);
      const whole = await form.call(tokens);
      expect(relativeDifference(whole.logits.data as Float32Array, logits)).toBeLessThan(2e-5);

      const cut = (from: number, to: number) => tokens.map((row) => row.slice(from, to));
      const rows = (call: Call, at: number) => {
        const data = call.logits.data as Float32Array;
        const size = data.length / batch;
        return tokens.map((_, row) =>
          data.slice(row * size + at * config.vocabSize, row * size + (at + 1) * config.vocabSize),
        );
      };
      const prefill = Math.max(1, Math.min(prefix, length - 1));
      let call = await form.call(cut(0, prefill), { keep: 1 });
      for (let t = prefill; t <= length; t++) {
        const [expected, actual] = [rows(whole, t - 1), rows(call, 0)];
        for (const [row, own] of actual.entries()) {
          expect(relativeDifference(own, expected[row] as Float32Array)).toBeLessThan(2e-5);
        }
        if (t < length) call = await form.call(cut(t, t + 1), { past: call });
      }
      await form.release();
    },
  );
  await fc.assert(property, { seed: 1, numRuns: 25, endOnFailure: true });
});
