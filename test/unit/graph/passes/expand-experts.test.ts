import { expect, test } from 'vitest';
import { tensor } from '../../../../src/core/tensor.ts';
import { Graph } from '../../../../src/graph/graph.ts';
import { fusedMoe } from '../../../../src/graph/ops/index.ts';
import { expandExperts } from '../../../../src/graph/passes/expand-experts.ts';
import { pruneGraph } from '../../../../src/graph/passes/prune.ts';
import { buildInferenceGraph } from '../../../../src/models/inference-graph.ts';
import { randomTensor, randomWeights } from '../../../parity/random-weights.ts';
import { toyConfig } from '../../../parity/toy-config.ts';
import { runGraph, worstDifference } from './run-graph.ts';

test.each([
  [4, 1],
  [4, 2],
  [3, 3],
])('%i experts, %i a token: the same results without a fused mixture', async (numLocalExperts, numExpertsPerTok) => {
  const config = toyConfig({ numLocalExperts, numExpertsPerTok, layersBlockType: ['mamba', 'attention'] });
  const graph = buildInferenceGraph(config, randomWeights(config, 8));
  const expected = await runGraph(graph, config);
  expandExperts(graph);
  pruneGraph(graph);
  expect(graph.nodes.map(({ operator }) => operator.opType)).not.toContain('MoE');
  expect(worstDifference(await runGraph(graph, config), expected)).toBeLessThan(1e-5);
  const matrices = graph.initializers.filter(
    ({ name }) => name.includes('block_sparse_moe') && !name.includes('router'),
  );
  expect(matrices.slice(0, 2).map(({ name, shape }) => `${name} ${shape}`)).toEqual([
    `model.layers.0.block_sparse_moe.input_linear.weight.stacked ${2 * 12 * numLocalExperts},16`,
    `model.layers.0.block_sparse_moe.output_linear.weight.stacked 16,${12 * numLocalExperts}`,
  ]);
});

test('experts that are not stored are refused, and the graph is left alone', () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['M', 4]);
  const router = graph.input('router', 'float32', ['M', 2]);
  const stored = graph.initializer('w1', randomTensor([2, 6, 4], 1));
  const last = graph.initializer('w2', tensor('float32', [2, 4, 3], new Float32Array(24)));
  graph.output('good', fusedMoe(x, router, stored, last, 1));
  graph.output('bad', fusedMoe(x, router, graph.input('fed', 'float32', [2, 6, 4]), last, 1));
  const before = [...graph.nodes];
  expect(() => expandExperts(graph)).toThrow(expect.objectContaining({ code: 'GRAPH_INVALID' }));
  expect(graph.nodes).toEqual(before);
  expect(graph.initializers).toHaveLength(2);
});
