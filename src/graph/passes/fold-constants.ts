import { dtypeBytes } from '../../core/dtype.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Graph, GraphNode, Value } from '../graph.ts';
import { evaluateNode } from './evaluate.ts';
import { pruneGraph } from './prune.ts';
import { rewriteNodes } from './rewrite.ts';

/** What a node itself takes in a file, in bytes; a result this much larger than what it replaces may be stored. */
const nodeBytes = 64;

/**
 * Computes the nodes all of whose inputs are stored and stores their results instead, in place; what nothing needs any
 * more is removed. A result takes the name of the largest tensor it was made from, with the operator behind a slash.
 *
 * A node stays if the file would grow by its result: one that repeats a tensor, or changes the layout of one that is
 * also used as it is, such as a tied embedding.
 *
 * @remarks Results are computed in double precision and rounded once, so they may differ from the runtime's by an ulp.
 */
export function foldConstants(graph: Graph): void {
  const users = countUsers(graph);
  rewriteNodes(graph, (node) => {
    const results = evaluateNode(node);
    if (!results || bytes(results) > freedBytes(node, users) + nodeBytes) return undefined;
    const name = `${largest(node).name}/${node.operator.opType}`;
    return results.map((content, index) => {
      const value = graph.store(results.length === 1 ? name : `${name}${index}`, content);
      users.set(value, users.get(node.outputs[index] as Value) ?? 0);
      return value;
    });
  });
  pruneGraph(graph);
}

function countUsers(graph: Graph): Map<Value, number> {
  const users = new Map<Value, number>();
  const count = (value: Value | undefined): void => {
    if (value) users.set(value, (users.get(value) ?? 0) + 1);
  };
  for (const { inputs } of graph.nodes) for (const value of new Set(inputs)) count(value);
  for (const { value } of graph.outputs) count(value);
  return users;
}

const bytes = (tensors: readonly Tensor[]): number =>
  tensors.reduce((sum, { dtype, data }) => sum + data.length * dtypeBytes[dtype], 0);

/** Bytes of the inputs that nothing else uses. */
function freedBytes({ inputs }: GraphNode, users: ReadonlyMap<Value, number>): number {
  const own = [...new Set(inputs)].filter((value) => value && users.get(value) === 1);
  return bytes(own.flatMap((value) => value?.constant ?? []));
}

function largest({ inputs }: GraphNode): Value {
  return inputs.reduce((best, value) =>
    (value?.constant?.data.length ?? 0) > (best?.constant?.data.length ?? 0) ? value : best,
  ) as Value;
}
