import type { Tensor } from '../../core/tensor.ts';
import type { Graph, GraphNode, Value } from '../graph.ts';
import { integerAttribute, listAttribute } from '../operator.ts';
import { readExperts } from './expand-experts.ts';

/**
 * What a stored matrix does: `linear` multiplies rows; `embedding` is a table of rows by number, and the output layer
 * too where both are tied; `expertsInput` and `expertsOutput` are the stacked matrices of a fused mixture.
 */
export type ProductKind = 'linear' | 'embedding' | 'expertsInput' | 'expertsOutput';

/** A stored float matrix W that the graph multiplies by: x W^T. */
export interface StoredProduct {
  /** The parameter's name, unique in the graph, e.g. `model.layers.0.mamba.in_proj.weight`. */
  readonly name: string;
  readonly kind: ProductKind;
  /** Width of the result; of experts, the rows of all of them one after the other: X times 2F (gate, up, gate, ...) or X times D. */
  readonly rows: number;
  /** Width of what is multiplied. */
  readonly columns: number;
  /** W, `[rows, columns]`, whichever way it is stored. */
  readonly weights: Float32Array;
  /**
   * The values x, `float32[..., columns]`. None for an embedding without a tied output layer, and for `expertsOutput`,
   * whose hidden layer is inside a node: `expandExperts` brings it out.
   */
  readonly inputs: readonly Value[];
}

/** Where a node uses a stored matrix. */
export interface ProductUse {
  readonly kind: ProductKind;
  readonly weight: Value;
  /** Whether it is stored `[columns, rows]`. */
  readonly transposed: boolean;
  /** What it multiplies. */
  readonly x?: Value | undefined;
}

/**
 * The stored `float32` matrices that nodes multiply by, in the order of the nodes: plain products (`MatMul`,
 * `FusedMatMul`, `Gemm`), embeddings (`Gather` of rows) and mixtures of experts (`MoE`). A matrix used several times, as
 * a tied embedding, is one entry. Best of a graph after `foldConstants`.
 *
 * @throws {@link IteraError} `GRAPH_INVALID` for a mixture of a form that is not known.
 */
export function listStoredProducts(graph: Graph): readonly StoredProduct[] {
  return [...groupProducts(graph).values()];
}

/** {@link listStoredProducts} by the key of {@link productKey}. */
export function groupProducts(graph: Graph): ReadonlyMap<string, StoredProduct> {
  const groups = new Map<string, ProductUse[]>();
  for (const use of createUseFinder(graph.nodes)(graph.nodes)) {
    const key = productKey(use);
    groups.set(key, [...(groups.get(key) ?? []), use]);
  }
  const names = new Set<string>();
  const products = new Map<string, StoredProduct>();
  for (const [key, uses] of groups) {
    const product = describe(uses, names);
    names.add(product.name);
    products.set(key, product);
  }
  return products;
}

/** What uses of one stored matrix have in common. */
export const productKey = ({ weight, transposed }: ProductUse): string => `${transposed ? 'T' : ' '}${weight.name}`;

/** Gives a function that lists the uses of stored matrices by some of these nodes. */
export function createUseFinder(all: readonly GraphNode[]): (nodes: readonly GraphNode[]) => readonly ProductUse[] {
  const makers = new Map(all.flatMap((node) => node.outputs.map((output) => [output, node])));
  return (nodes) => nodes.flatMap((node) => usesOf(node, makers));
}

function usesOf(node: GraphNode, makers: ReadonlyMap<Value, GraphNode>): readonly ProductUse[] {
  const { operator, inputs, attributes } = node;
  const [first, second] = inputs;
  switch (operator.opType) {
    case 'Gather':
      if (!first || !isMatrix(first) || integerAttribute(attributes, 'axis', 0) !== 0) return [];
      return [{ kind: 'embedding', weight: first, transposed: false }];
    case 'MatMul':
    case 'FusedMatMul':
    case 'Gemm': {
      // Anything else, such as a factor of Gemm's, changes the product.
      const plain = Object.keys(attributes).every((name) => name === 'transB');
      if (!first || !second || !plain || first.constant) return [];
      const asStored = integerAttribute(attributes, 'transB', 0) === 1;
      if (isMatrix(second)) return [{ kind: 'linear', weight: second, transposed: !asStored, x: first }];
      const source = transposedMatrix(makers.get(second));
      return source ? [{ kind: 'linear', weight: source, transposed: asStored, x: first }] : [];
    }
    case 'MoE': {
      const { input, output } = readExperts(node);
      return [
        { kind: 'expertsInput', weight: input, transposed: false, x: first },
        { kind: 'expertsOutput', weight: output, transposed: false },
      ];
    }
    default:
      return [];
  }
}

const isMatrix = ({ dtype, constant }: Value): boolean => dtype === 'float32' && constant?.shape.length === 2;

function transposedMatrix(maker: GraphNode | undefined): Value | undefined {
  const source = maker?.inputs[0];
  if (maker?.operator.opType !== 'Transpose' || !source || !isMatrix(source)) return undefined;
  return listAttribute(maker.attributes, 'perm').join() === '1,0' ? source : undefined;
}

function describe(uses: readonly ProductUse[], taken: ReadonlySet<string>): StoredProduct {
  const { weight, transposed, kind } = uses[0] as ProductUse;
  const { shape, data } = weight.constant as Tensor;
  const [last = 1] = shape.slice(-1);
  const rest = data.length / last;
  const [rows, columns] = transposed ? [last, rest] : [rest, last];
  // The layout says nothing to a reader.
  const stem = weight.name.replace(/\.(interleaved|stacked|centered)$|\/Transpose$/, '');
  let name = stem;
  for (let count = 1; taken.has(name); count++) name = `${stem}_${count}`;
  return {
    name,
    kind: uses.some((use) => use.kind === 'embedding') ? 'embedding' : kind,
    rows,
    columns,
    weights: transposed ? transposeMatrix(data as Float32Array, columns, rows) : (data as Float32Array),
    inputs: uses.flatMap(({ x }) => x ?? []),
  };
}

function transposeMatrix(data: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = data[row * columns + column] as number;
  }
  return turned;
}
