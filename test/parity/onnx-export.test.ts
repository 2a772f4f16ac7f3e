import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createOnnxRunner } from '../../src/export/onnx-runner.ts';
import { verifyExport } from '../../src/export/verification.ts';
import { encodeInferenceModel } from '../../src/models/inference-model.ts';
import { createSession } from '../../src/runtime/session.ts';
import { familyMembers } from './family-arbitrary.ts';
import { randomTokens } from './model-forms.ts';
import { randomWeights } from './random-weights.ts';

test('the exported ONNX file of any member of the family gives the logits of the float64 reference', async () => {
  const property = fc.asyncProperty(familyMembers, fc.nat(1000), async (config, seed) => {
    const weights = randomWeights(config, seed);
    const session = await createSession(encodeInferenceModel({ config, weights }));
    const [text = []] = randomTokens(1, 70, config.vocabSize, 5);
    const bounds = { logits: 1e-3, perplexity: 1e-4 };
    const checks = await verifyExport(createOnnxRunner(session, config), config, weights, { bounds, text, seed: 3 });
    await session.release();
    const logits = checks.filter(({ metric, passed }) => metric !== 'top1_agreement' && !passed);
    expect(logits).toEqual([]);
  });
  await fc.assert(property, { numRuns: 15, seed: 11 });
}, 120_000);
