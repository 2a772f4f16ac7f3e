import { describe, expect, it } from 'vitest';
import { Graph } from '../../../src/graph/graph.ts';
import { add, gemm, matMul } from '../../../src/graph/ops/index.ts';
import { countOperations, listProducts } from '../../../src/graph/product-count.ts';

const sizesOf = (graph: Graph, sizes?: (dim: string) => number | undefined) =>
  listProducts(graph, sizes).products.map(({ m, n, k, count }) => [m, n, k, count]);

describe('listProducts', () => {
  it('reads the sizes of every kind of product, transposed or not', () => {
    const graph = new Graph();
    const a = graph.input('a', 'float32', [3, 5]);
    const b = graph.input('b', 'float32', [7, 5]);
    const c = graph.input('c', 'float32', [4, 2, 5, 3]);
    const d = graph.input('d', 'float32', [2, 5, 6]);
    gemm(a, b, { transB: true });
    gemm(a, add(a, a), { transA: true });
    matMul(d, d, { transA: true });
    matMul(c, graph.input('e', 'float32', [3, 8]));
    matMul(c, d, { transA: true });
    expect(sizesOf(graph)).toEqual([
      [3, 7, 5, 1],
      [5, 5, 3, 1],
      [6, 6, 5, 2],
      [5, 8, 3, 8],
      [3, 6, 5, 8],
    ]);
  });

  it('takes sizes known only at run time from the caller, and lists nodes without', () => {
    const graph = new Graph();
    const rows = graph.input('rows', 'float32', ['some', 5]);
    const weight = graph.input('weight', 'float32', [5, 2]);
    gemm(rows, weight);
    gemm(rows, rows, { transA: true });
    expect(listProducts(graph).products).toEqual([]);
    expect(listProducts(graph).unknown).toEqual(graph.nodes.map(({ name }) => name));
    expect(sizesOf(graph, (dim) => (dim === 'some' ? 11 : undefined))).toEqual([
      [11, 2, 5, 1],
      [5, 5, 11, 1],
    ]);
  });
});

describe('countOperations', () => {
  it('counts a multiplication and an addition per term', () => {
    const one = { node: 'x', transA: false, transB: false };
    expect(
      countOperations([
        { ...one, m: 2, n: 3, k: 5, count: 1 },
        { ...one, m: 1, n: 1, k: 4, count: 10 },
      ]),
    ).toBe(2 * 30 + 2 * 40);
  });
});
