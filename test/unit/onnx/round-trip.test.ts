import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import type { Tensor } from '../../../src/core/tensor.ts';
import { printGraph } from '../../../src/graph/printer.ts';
import { verifyGraph } from '../../../src/graph/verifier.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { initializeWeights } from '../../../src/models/initialization.ts';
import { presets } from '../../../src/models/presets.ts';
import { decodeOnnx } from '../../../src/onnx/decoding.ts';
import { encodeOnnx } from '../../../src/onnx/encoding.ts';
import { createSession } from '../../../src/runtime/session.ts';
import { buildTrainingGraph } from '../../../src/training/training-graph.ts';
import { loadInferenceForm, randomTokens, tokenTensor } from '../../parity/model-forms.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../../parity/toy-config.ts';

const mixed = toyConfig({ layersBlockType: ['mamba', 'attention'], positionEmbeddingType: 'rope' });
const options = { batchSize: 2, sequenceLength: 11, balanceWeight: 0.01 };
const stored = (config: ReturnType<typeof toyConfig>) => initializeWeights(config, createRandom(1));

describe.each([
  ['a training graph with sparse experts', () => buildTrainingGraph(mixed, options)],
  ['the inference graph of micro', () => buildInferenceGraph(presets.micro(64), stored(presets.micro(64)))],
  [
    'the inference graph of micro-transformer',
    () => buildInferenceGraph(presets['micro-transformer'](64), stored(presets['micro-transformer'](64))),
  ],
])('%s', (_name, build) => {
  test('comes back from bytes as the same graph', () => {
    const graph = build();
    const bytes = encodeOnnx(graph, { made: 'here' });
    const again = decodeOnnx(bytes);
    verifyGraph(again.graph);
    expect(again.graph.nodes.map(({ name }) => name)).toEqual(graph.nodes.map(({ name }) => name));
    expect(again.graph.inputs.map(({ name, shape }) => [name, shape])).toEqual(
      graph.inputs.map(({ name, shape }) => [name, shape]),
    );
    expect(Buffer.compare(encodeOnnx(again.graph, again.metadata), bytes)).toBe(0);
  });

  test('and printing the second copy equals printing the first', () => {
    const once = decodeOnnx(encodeOnnx(build())).graph;
    const twice = decodeOnnx(encodeOnnx(once)).graph;
    expect(printGraph(twice)).toBe(printGraph(once));
  });
});

test('a decoded training graph gives the same loss and gradients to the bit', async () => {
  const weights = randomWeights(mixed, 6);
  const feeds: Record<string, Tensor> = {
    ...Object.fromEntries(weights),
    input_ids: tokenTensor(randomTokens(2, 11, mixed.vocabSize, 6)),
    targets: tokenTensor(randomTokens(2, 11, mixed.vocabSize, 7)),
  };
  const bytes = encodeOnnx(buildTrainingGraph(mixed, options));
  const [first, second] = await Promise.all(
    [bytes, encodeOnnx(decodeOnnx(bytes).graph)].map(async (model) => {
      const session = await createSession(model);
      const results = await session.run(feeds);
      await session.release();
      return results;
    }),
  );
  expect(Object.keys(first ?? {}).length).toBe(weights.size + 2);
  expect(second).toEqual(first);
});

test('a decoded inference graph gives the same logits and state to the bit', async () => {
  const weights = randomWeights(mixed, 8);
  const tokens = randomTokens(2, 7, mixed.vocabSize, 8);
  const [first, second] = await Promise.all(
    [(bytes: Uint8Array) => bytes, (bytes: Uint8Array) => encodeOnnx(decodeOnnx(bytes).graph)].map(async (change) => {
      const form = await loadInferenceForm(mixed, weights, change);
      const call = await form.call(tokens);
      const next = await form.call(tokens, { past: call });
      await form.release();
      return [call, next];
    }),
  );
  expect(second).toEqual(first);
});
