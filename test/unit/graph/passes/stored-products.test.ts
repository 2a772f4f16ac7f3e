import { describe, expect, test } from 'vitest';
import { Graph, type Value } from '../../../../src/graph/graph.ts';
import { gather, gemm, matMul, transpose } from '../../../../src/graph/ops/index.ts';
import { expandExperts } from '../../../../src/graph/passes/expand-experts.ts';
import { foldConstants } from '../../../../src/graph/passes/fold-constants.ts';
import { listStoredProducts } from '../../../../src/graph/passes/stored-products.ts';
import { buildInferenceGraph } from '../../../../src/models/inference-graph.ts';
import { randomTensor, randomWeights } from '../../../parity/random-weights.ts';
import { toyConfig } from '../../../parity/toy-config.ts';
import { models } from './run-graph.ts';

const config = toyConfig({ layersBlockType: ['mamba', 'attention'] });

const listed = (graph: Graph): string[] =>
  listStoredProducts(graph).map(
    ({ name, kind, rows, columns, inputs }) => `${name} ${kind} ${rows}x${columns} of ${inputs.length}`,
  );

describe('of a model', () => {
  test('with fused experts', () => {
    const graph = buildInferenceGraph(config, randomWeights(config, 2));
    foldConstants(graph);
    const channels = (layer: number): string[] => [
      `model.layers.${layer}.shared_mlp.input_linear.weight linear 20x16 of 1`,
      `model.layers.${layer}.shared_mlp.output_linear.weight linear 16x10 of 1`,
      `model.layers.${layer}.block_sparse_moe.router.layer.weight linear 4x16 of 1`,
      `model.layers.${layer}.block_sparse_moe.input_linear.weight expertsInput 96x16 of 1`,
      `model.layers.${layer}.block_sparse_moe.output_linear.weight expertsOutput 64x12 of 0`,
    ];
    expect(listed(graph)).toEqual([
      'model.embed_tokens.weight embedding 29x16 of 1',
      'model.layers.0.mamba.in_proj.weight linear 80x16 of 1',
      'model.layers.0.mamba.out_proj.weight linear 16x32 of 1',
      ...channels(0),
      'model.layers.1.self_attn.q_proj.weight linear 16x16 of 1',
      'model.layers.1.self_attn.k_proj.weight linear 8x16 of 1',
      'model.layers.1.self_attn.v_proj.weight linear 8x16 of 1',
      'model.layers.1.self_attn.o_proj.weight linear 16x16 of 1',
      ...channels(1),
    ]);
  });

  test('with expanded experts: each of their matrices is linear, its hidden layer a value', () => {
    const graph = buildInferenceGraph(config, randomWeights(config, 2));
    foldConstants(graph);
    expandExperts(graph);
    const experts = listed(graph).filter((line) => /block_sparse_moe.(in|out)put/.test(line));
    expect(experts.slice(0, 2)).toEqual([
      'model.layers.0.block_sparse_moe.input_linear.weight linear 96x16 of 1',
      'model.layers.0.block_sparse_moe.output_linear.weight linear 16x48 of 1',
    ]);
  });

  test.each(models)('$name: the weights are the parameters, before and after folding', ({ config: own }) => {
    const weights = randomWeights(own, 3);
    const graph = buildInferenceGraph(own, weights);
    const before = listStoredProducts(graph);
    foldConstants(graph);
    const after = listStoredProducts(graph);
    expect(after.map(({ name }) => name)).toEqual(before.map(({ name }) => name));
    for (const [index, product] of after.entries()) {
      expect(product.weights).toEqual(before[index]?.weights);
      if (product.kind !== 'expertsInput')
        expect(product.weights, product.name).toEqual(weights.get(product.name)?.data);
    }
    const sizes = (values: readonly Value[]): unknown[] => values.map(({ shape }) => shape.at(-1));
    for (const { inputs, columns } of after) expect(sizes(inputs)).toEqual(inputs.map(() => columns));
  });

  test('without a tied head the embedding multiplies nothing', () => {
    const untied = toyConfig({ tieWordEmbeddings: false });
    const graph = buildInferenceGraph(untied, randomWeights(untied, 2));
    foldConstants(graph);
    const lines = listed(graph);
    expect(lines[0]).toBe('model.embed_tokens.weight embedding 29x16 of 0');
    expect(lines.at(-1)).toBe('lm_head.weight linear 29x16 of 1');
  });
});

test('every way to write a product, and what is none', () => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['M', 3]);
  const stored = (name: string, ...shape: number[]): Value => graph.initializer(name, randomTensor(shape, 7));
  const shared = stored('shared', 5, 3);
  const outputs = [
    gemm(x, stored('out in', 5, 3), { transB: true }),
    gemm(x, stored('in out', 3, 5)),
    matMul(x, stored('plain', 3, 5)),
    matMul(x, stored('fused', 5, 3), { transB: true }),
    matMul(x, transpose(shared, [1, 0])),
    gemm(x, shared, { transB: true }),
    // No products with a stored matrix:
    matMul(stored('left', 4, 3), transpose(x, [1, 0])),
    gemm(x, x, { transB: true }),
    gather(stored('columns', 5, 3), graph.input('ids', 'int64', ['T']), 1),
  ];
  outputs.forEach((value, index) => void graph.output(`y${index}`, value));
  expect(listed(graph)).toEqual([
    'out in linear 5x3 of 1',
    'in out linear 5x3 of 1',
    'plain linear 5x3 of 1',
    'fused linear 5x3 of 1',
    'shared linear 5x3 of 2',
  ]);
  const [straight, turned] = listStoredProducts(graph);
  const data = randomTensor([5, 3], 7).data;
  expect(straight?.weights).toEqual(data);
  // Stored [3, 5]: row 1, column 2 of W stands at row 2, column 1.
  expect(turned?.weights[1 * 3 + 2]).toBe(data[2 * 5 + 1]);
});

test('one matrix used both ways round is two products of different names', () => {
  const graph = new Graph();
  const w = graph.initializer('w', randomTensor([3, 3], 1));
  const x = graph.input('x', 'float32', ['M', 3]);
  graph.output('y', gemm(gemm(x, w), w, { transB: true }));
  expect(listed(graph)).toEqual(['w linear 3x3 of 1', 'w_1 linear 3x3 of 1']);
});
