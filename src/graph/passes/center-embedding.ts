import { type ColumnScaling, measureColumns, scaleColumns } from '../../core/column-scaling.ts';
import { type Tensor, tensor } from '../../core/tensor.ts';
import type { Graph, GraphNode, Value } from '../graph.ts';
import { required } from '../operator.ts';
import { add, gather, matMul, mul, reduceSum, transpose } from '../ops/index.ts';
import { pruneGraph } from './prune.ts';
import { rewriteNodes } from './rewrite.ts';
import { createUseFinder, groupProducts, productKey, type StoredProduct } from './stored-products.ts';

/**
 * Stores embedding tables as T = (W - m) / s, with m the mean and s the standard deviation of each column, in place:
 * blocks of T, which lie along rows, are alike in all columns, so that an outlying column does not cost its neighbours
 * their precision when T is rounded. A lookup becomes T[id] s + m; a tied output layer W h becomes T (s h) + m·h, s
 * multiplying the weight of the norm before it where there is one that nothing else reads. m·h, one number for all
 * logits of a token, changes no probability; it is kept so that logits stay what they were.
 *
 * @throws {@link IteraError} `GRAPH_INVALID` for a mixture of experts of a form that is not known.
 * @remarks Exact but for rounding in float32.
 */
export function centerEmbedding(graph: Graph): void {
  const products = [...groupProducts(graph)].filter(([, { kind }]) => kind === 'embedding');
  const tables = new Map(products.map(([key, product]) => [key, createTable(graph, product)]));
  const findUses = createUseFinder(graph.nodes.slice());
  const tableOf = (node: GraphNode): Table | undefined =>
    findUses([node]).flatMap((use) => tables.get(productKey(use)) ?? [])[0];

  // By their results: nodes themselves are made anew when an input of theirs is.
  const scaledNorms = new Map<Value | undefined, Table>();
  const scaledHeads = new Set<Value | undefined>();
  for (const node of graph.nodes) {
    const table = tableOf(node);
    const norm = table && node.operator.opType !== 'Gather' ? findOwnNorm(graph, node) : undefined;
    if (!table || !norm) continue;
    scaledNorms.set(norm.outputs[0], table);
    scaledHeads.add(node.outputs[0]);
  }

  rewriteNodes(graph, (node) => {
    const { inputs, operator, attributes, name, outputs } = node;
    const normTable = scaledNorms.get(outputs[0]);
    if (normTable) {
      const weight = required(inputs, 1);
      const scaled = graph.store(weight.name, multiply(weight.constant as Tensor, normTable.deviations));
      return graph.add(operator, [inputs[0], scaled], attributes, name);
    }
    const table = tableOf(node);
    if (!table) return undefined;
    const { means, deviations } = table;
    if (operator.opType === 'Gather') {
      const rows = gather(table.centered(), required(inputs, 1));
      return [add(mul(rows, table.store(deviations)), table.store(means))];
    }
    const x = required(inputs, 0);
    const isScaled = scaledHeads.has(outputs[0]);
    const shift = isScaled ? means.map((mean, column) => mean / (deviations[column] as number)) : means;
    // Not a product with a column, which would be rounded like any other.
    const offset = reduceSum(mul(x, table.store(shift)), [-1], { keepDims: true });
    const scaled = isScaled ? x : mul(x, table.store(deviations));
    const logits = add(matMul(scaled, transpose(table.centered(), [1, 0])), offset);
    return [inputs[2] ? add(logits, inputs[2]) : logits];
  });
  pruneGraph(graph);
}

/** A table that is being centred. */
interface Table extends ColumnScaling {
  /** The centred table, stored once. */
  centered(): Value;
  /** Stores a number for each column. */
  store(values: Float32Array): Value;
}

function createTable(graph: Graph, { name, rows, columns, weights }: StoredProduct): Table {
  const scaling = measureColumns(weights, columns);
  let stored: Value | undefined;
  return {
    ...scaling,
    centered() {
      stored ??= graph.store(`${name}.centered`, tensor('float32', [rows, columns], scaleColumns(weights, scaling)));
      return stored;
    },
    store: (values) => graph.store(`${name}.columns`, tensor('float32', [columns], values)),
  };
}

function multiply({ shape, data }: Tensor, factors: Float32Array): Tensor {
  return tensor(
    'float32',
    shape,
    (data as Float32Array).map((value, index) => value * (factors[index] as number)),
  );
}

/** The norm whose result, or a part of its positions, is all that the node multiplies, if nothing else reads it. */
function findOwnNorm(graph: Graph, node: GraphNode): GraphNode | undefined {
  let value = node.inputs[0];
  for (let steps = 0; steps < 2; steps++) {
    const readers = graph.nodes.filter(({ inputs }) => inputs.includes(value));
    const maker = graph.nodes.find(({ outputs }) => value && outputs.includes(value));
    if (!maker || readers.length !== 1 || graph.outputs.some((output) => output.value === value)) return undefined;
    if (maker.operator.opType === 'SimplifiedLayerNormalization') {
      return maker.inputs[1]?.constant?.dtype === 'float32' && maker.outputs.length === 1 ? maker : undefined;
    }
    if (maker.operator.opType !== 'Slice') return undefined;
    value = maker.inputs[0];
  }
  return undefined;
}
