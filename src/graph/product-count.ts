import type { Graph, GraphNode } from './graph.ts';
import { integerAttribute } from './operator.ts';
import { staticElementCount } from './shape.ts';

/** A group of equal matrix products, `[m, k] x [k, n]`. */
export interface MatrixProduct {
  /** Its node's name. */
  readonly node: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** How many such products the node computes. */
  readonly count: number;
  /** Whether the first factor is stored `[k, m]`, the second `[n, k]`. */
  readonly transA: boolean;
  readonly transB: boolean;
}

/**
 * The matrix products of a graph: its `Gemm`, `MatMul` and `FusedMatMul` nodes.
 *
 * @param sizes - Numbers for sizes that only run-time values decide, such as an expert's share of the rows.
 * @returns One entry per node, in order; nodes with sizes that stay unknown are left out and listed in `unknown`.
 */
export function listProducts(
  graph: Graph,
  sizes: (dim: string) => number | undefined = () => undefined,
): { products: readonly MatrixProduct[]; unknown: readonly string[] } {
  const products: MatrixProduct[] = [];
  const unknown: string[] = [];
  for (const node of graph.nodes) {
    if (!['Gemm', 'MatMul', 'FusedMatMul'].includes(node.operator.opType)) continue;
    const product = measureProduct(node, sizes);
    if (product) products.push(product);
    else unknown.push(node.name);
  }
  return { products, unknown };
}

/** Floating-point operations of products: a multiplication and an addition for each of m n k. */
export const countOperations = (products: readonly MatrixProduct[]): number =>
  products.reduce((sum, { m, n, k, count }) => sum + 2 * m * n * k * count, 0);

function measureProduct(
  { name, inputs, outputs, attributes }: GraphNode,
  sizes: (dim: string) => number | undefined,
): MatrixProduct | undefined {
  const known = (dim: number | string): number => (typeof dim === 'number' ? dim : (sizes(dim) ?? Number.NaN));
  const output = (outputs[0]?.shape ?? []).map(known);
  const first = (inputs[0]?.shape ?? []).map(known);
  const transA = integerAttribute(attributes, 'transA', 0) === 1;
  const transB = integerAttribute(attributes, 'transB', 0) === 1;
  const [m = 1, n = 1] = output.slice(-2);
  const k = first.at(transA ? -2 : -1) ?? 1;
  const count = staticElementCount(output.slice(0, -2)) ?? 1;
  return [m, n, k, count].every(Number.isFinite) ? { node: name, m, n, k, count, transA, transB } : undefined;
}
