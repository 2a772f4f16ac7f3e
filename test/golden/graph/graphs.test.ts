import { expect, test } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { tensor } from '../../../src/core/tensor.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { cast, concat, fusedMoe, fusedRmsNorm, reshape, slice, topK, transpose } from '../../../src/graph/ops/index.ts';
import { printGraph } from '../../../src/graph/printer.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { initializeWeights } from '../../../src/models/initialization.ts';
import { presets } from '../../../src/models/presets.ts';
import { buildTrainingGraph } from '../../../src/training/training-graph.ts';
import { toyConfig } from '../../parity/toy-config.ts';

// A change of a graph shows in review as a change of its text. After a change that is meant: npx vitest run FILE -u

test('every form of line', async () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['T', 4]);
  const scale = graph.initializer('scale', tensor('float32', [4], Float32Array.of(1, 0.5, 0.25, 0)));
  const large = graph.initializer('large', tensor('float32', [4, 8], new Float32Array(32)));
  const normed = graph.scope('norm', () => fusedRmsNorm(x, scale, 1e-5));
  const [best, chosen] = graph.scope('choice', () => topK(normed, 2));
  const experts = graph.initializer('experts', tensor('float32', [2, 6, 4], new Float32Array(48)));
  const last = graph.initializer('last', tensor('float32', [2, 4, 3], new Float32Array(24)));
  graph.scope('mixture', () => graph.output('mixture', fusedMoe(normed, best, experts, last, 1)));
  graph.output('wide', concat([best, cast(chosen, 'float32')], 1));
  graph.output('turned', reshape(slice(transpose(large, [1, 0]), 0, 2, 6), [16]));
  graph.output('x again', x);
  await expect(printGraph(graph)).toMatchFileSnapshot('every-line.txt');
});

test('the inference graph of micro', async () => {
  const config = presets.micro();
  const graph = buildInferenceGraph(config, initializeWeights(config, createRandom(1)));
  await expect(printGraph(graph)).toMatchFileSnapshot('micro-inference.txt');
});

test('a training graph with experts, mixed layers and rotary embedding', async () => {
  const config = toyConfig({
    layersBlockType: ['mamba', 'attention'],
    positionEmbeddingType: 'rope',
    numLocalExperts: 2,
  });
  const graph = buildTrainingGraph(config, { batchSize: 2, sequenceLength: 5, balanceWeight: 0.01 });
  await expect(printGraph(graph)).toMatchFileSnapshot('toy-training.txt');
});
