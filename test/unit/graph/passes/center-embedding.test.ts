import { describe, expect, test } from 'vitest';
import type { Graph, Value } from '../../../../src/graph/graph.ts';
import { mul } from '../../../../src/graph/ops/index.ts';
import { centerEmbedding } from '../../../../src/graph/passes/center-embedding.ts';
import { foldConstants } from '../../../../src/graph/passes/fold-constants.ts';
import { listStoredProducts } from '../../../../src/graph/passes/stored-products.ts';
import { buildInferenceGraph } from '../../../../src/models/inference-graph.ts';
import { randomWeights } from '../../../parity/random-weights.ts';
import { models, runGraph, worstDifference } from './run-graph.ts';

/** Weights with an outlying column, and one of equal numbers, in the embedding. */
function outlyingWeights(config: (typeof models)[number]['config']) {
  const weights = randomWeights(config, 6);
  const table = weights.get('model.embed_tokens.weight')?.data as Float32Array;
  for (let at = 0; at < table.length; at += config.hiddenSize) {
    table[at + 3] = 9 * (table[at + 3] as number) - 4;
    table[at + 5] = 0.25;
  }
  return weights;
}

const countOf = (graph: Graph, opType: string): number =>
  graph.nodes.filter(({ operator }) => operator.opType === opType).length;

describe.each(models)('$name', ({ config }) => {
  test('gives the same logits from a table whose columns all have mean 0 and deviation 1', async () => {
    const graph = buildInferenceGraph(config, outlyingWeights(config));
    foldConstants(graph);
    const expected = await runGraph(graph, config);
    const before = listStoredProducts(graph);
    centerEmbedding(graph);
    expect(worstDifference(await runGraph(graph, config), expected)).toBeLessThan(2e-4);

    const products = listStoredProducts(graph);
    expect(products.map(({ name, kind, rows, columns, inputs }) => [name, kind, rows, columns, inputs.length])).toEqual(
      before.map(({ name, kind, rows, columns, inputs }) => [name, kind, rows, columns, inputs.length]),
    );
    const table = products.find(({ kind }) => kind === 'embedding')?.weights as Float32Array;
    for (let column = 0; column < config.hiddenSize; column++) {
      const values = table.filter((_, index) => index % config.hiddenSize === column);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(mean).toBeCloseTo(0, 4);
      expect(variance).toBeCloseTo(column === 5 ? 0 : 1, 4);
    }
  });

  test('multiplies no tokens by the deviations where the last norm can take them', () => {
    const graph = buildInferenceGraph(config, randomWeights(config, 6));
    foldConstants(graph);
    const before = countOf(graph, 'Mul');
    centerEmbedding(graph);
    // The lookup's, and the offset's of a tied output layer.
    expect(countOf(graph, 'Mul') - before).toBe(config.tieWordEmbeddings ? 2 : 1);
  });
});

test('a norm that something else reads keeps its weight', async () => {
  const [{ config }] = models as [(typeof models)[number]];
  const graph = buildInferenceGraph(config, outlyingWeights(config));
  foldConstants(graph);
  const norm = graph.nodes.findLast(({ operator }) => operator.opType === 'SimplifiedLayerNormalization');
  graph.output('hidden', mul(norm?.outputs[0] as Value, 1));
  const expected = await runGraph(graph, config);
  centerEmbedding(graph);
  expect(worstDifference(await runGraph(graph, config), expected)).toBeLessThan(2e-4);
});
