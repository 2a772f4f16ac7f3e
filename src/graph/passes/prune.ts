import type { Graph, Value } from '../graph.ts';

/**
 * Removes nodes and stored tensors that no output needs, in place: the runtime would execute and keep them.
 * Inputs stay, since they are the graph's contract with its caller.
 */
export function pruneGraph(graph: Graph): void {
  const needed = new Set<Value>(graph.outputs.map(({ value }) => value));
  const kept = graph.nodes.toReversed().filter(({ inputs, outputs }) => {
    if (!outputs.some((output) => needed.has(output))) return false;
    for (const input of inputs) if (input) needed.add(input);
    return true;
  });
  graph.nodes.splice(0, graph.nodes.length, ...kept.reverse());
  graph.initializers.splice(0, graph.initializers.length, ...graph.initializers.filter((value) => needed.has(value)));
  // Regions point at positions that no longer hold; they only matter before differentiation.
  graph.regions.length = 0;
}
