import { IteraError } from '../core/errors.ts';
import { type Graph, inferTypes, type Value } from './graph.ts';
import { formatShape, sameShape } from './shape.ts';

/**
 * Checks a whole graph: every value is made before it is used and belongs to the graph, names are unique, and the shape
 * rules give the shapes that are recorded.
 *
 * @throws {@link IteraError} `GRAPH_INVALID` or `SHAPE_MISMATCH`, naming the node.
 */
export function verifyGraph(graph: Graph): void {
  const made = new Set<Value>();
  const names = new Set<string>();
  const make = (value: Value, where: string): void => {
    if (names.has(value.name)) throw invalid(where, `makes "${value.name}" a second time`);
    names.add(value.name);
    made.add(value);
  };
  for (const value of graph.inputs) make(value, 'The input list');
  for (const value of graph.initializers) make(value, 'The initializer list');
  for (const { name, operator, inputs, outputs, attributes } of graph.nodes) {
    for (const input of inputs) {
      if (input && !made.has(input)) throw invalid(`Node ${name}`, `uses "${input.name}" before it is made`);
    }
    const types = inferTypes(name, operator, inputs, attributes);
    if (types.length !== outputs.length)
      throw invalid(`Node ${name}`, `has ${outputs.length} outputs, not ${types.length}`);
    outputs.forEach((output, index) => {
      const type = types[index];
      if (!type || type.dtype !== output.dtype || !sameShape(type.shape, output.shape)) {
        throw new IteraError(
          'SHAPE_MISMATCH',
          `Node ${name}: output ${output.name} is recorded as ${output.dtype}${formatShape(output.shape)}, its rule gives ` +
            `${type?.dtype}${formatShape(type?.shape ?? [])}.`,
          { node: name, recorded: output.shape, inferred: type?.shape },
        );
      }
      make(output, `Node ${name}`);
    });
  }
  for (const { name, value } of graph.outputs) {
    if (!made.has(value)) throw invalid(`Output ${name}`, `names "${value.name}", which nothing makes`);
  }
}

function invalid(where: string, what: string): IteraError {
  return new IteraError('GRAPH_INVALID', `${where} ${what}.`);
}
