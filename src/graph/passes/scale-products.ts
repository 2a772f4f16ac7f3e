import type { Graph, GraphNode, Value } from '../graph.ts';
import { gemm } from '../ops/index.ts';
import { evaluateNode } from './evaluate.ts';
import { pruneGraph } from './prune.ts';
import { rewriteNodes } from './rewrite.ts';

/**
 * Where a matrix is multiplied by a number and only products of two matrices use the result, lets the products scale what
 * they compute instead, in place: that costs nothing, and saves a pass over the matrix. For a graph of which no further
 * gradients are wanted.
 */
export function scaleProducts(graph: Graph): void {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const users = listUsers(graph);
  const scaled = new Map<Value, { readonly source: Value; readonly factor: number }>();
  rewriteNodes(graph, ({ operator, inputs, outputs, attributes }) => {
    const [first, second, bias] = inputs;
    const result = outputs[0] as Value;
    if (!first || !second) return undefined;
    if (operator.opType === 'Mul') {
      const factor = numberIn(second, makers);
      const onlyFactor = users.get(result)?.every((user) => user && isFactor(result, user));
      if (factor !== undefined && onlyFactor) scaled.set(result, { source: first, factor });
      return undefined;
    }
    const left = scaled.get(first);
    const found = left ?? scaled.get(second);
    if (!found) return undefined;
    const transpositions = { transA: attributes['transA'] === 1, transB: attributes['transB'] === 1 };
    const options = { ...transpositions, alpha: found.factor, ...(bias && { bias }) };
    return [left ? gemm(found.source, second, options) : gemm(first, found.source, options)];
  });
  pruneGraph(graph);
}

/** The nodes that use each value, and undefined where it leaves the graph. */
function listUsers(graph: Graph): ReadonlyMap<Value, readonly (GraphNode | undefined)[]> {
  const users = new Map<Value, (GraphNode | undefined)[]>();
  const use = (value: Value, node?: GraphNode): void => void users.set(value, [...(users.get(value) ?? []), node]);
  for (const node of graph.nodes) for (const input of node.inputs) if (input) use(input, node);
  for (const { value } of graph.outputs) use(value);
  return users;
}

/** A number that is known before the graph runs, be it computed from others. */
function numberIn(value: Value, makers: ReadonlyMap<Value, GraphNode>): number | undefined {
  if (value.shape.length > 0) return undefined;
  const maker = makers.get(value);
  const content = value.constant ?? (maker && evaluateNode(maker)?.[0]);
  return content && Number(content.data[0]);
}

/** Whether a node is a product of the value and another, without a scale of its own. */
const isFactor = (value: Value, { operator, inputs: [a, b], attributes }: GraphNode): boolean =>
  operator.opType === 'Gemm' && !('alpha' in attributes) && (a === value) !== (b === value);
