import type { Graph, GraphNode, Value } from '../graph.ts';

/**
 * Visits the nodes of a graph in order and replaces some in place.
 *
 * @param change - Given a node, adds what replaces it to the graph and returns its outputs' successors, one for each;
 *   undefined leaves the node. It sees inputs that earlier replacements have already changed.
 * @throws What `change` throws; the graph is then as before.
 */
export function rewriteNodes(graph: Graph, change: (node: GraphNode) => readonly Value[] | undefined): void {
  const before = graph.nodes.splice(0);
  const stored = graph.initializers.slice();
  const successors = new Map<Value, Value>();
  try {
    for (const node of before) {
      const current = replaceInputs(node, successors);
      const outputs = change(current);
      if (!outputs) graph.nodes.push(current);
      else node.outputs.forEach((output, index) => void successors.set(output, outputs[index] as Value));
    }
  } catch (error) {
    graph.nodes.splice(0, graph.nodes.length, ...before);
    graph.initializers.splice(0, graph.initializers.length, ...stored);
    throw error;
  }
  for (const output of graph.outputs) output.value = successors.get(output.value) ?? output.value;
  // Regions point at positions that no longer hold; they only matter before differentiation.
  graph.regions.length = 0;
}

/** A node that reads other values in place of some. */
export function replaceInputs(node: GraphNode, successors: ReadonlyMap<Value, Value>): GraphNode {
  if (!node.inputs.some((input) => input && successors.has(input))) return node;
  return { ...node, inputs: node.inputs.map((input) => input && (successors.get(input) ?? input)) };
}
