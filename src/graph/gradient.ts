import { IteraError } from '../core/errors.ts';
import type { CustomRegion, Graph, GraphNode, Value } from './graph.ts';
import { add } from './ops/elementwise.ts';
import { sameShape } from './shape.ts';

/**
 * Adds to a graph the gradients of a scalar with respect to some values, by reverse-mode differentiation: nodes are
 * visited from last to first, each adding the gradients of its inputs as further ONNX operators.
 *
 * @param loss - The scalar to differentiate, shape [].
 * @param wrt - Values whose gradients are wanted: inputs or computed values, not stored ones, which count as constants.
 *   The loss must depend on each.
 * @returns Gradients in the order of `wrt`, each of its value's shape.
 * @throws {@link IteraError} `GRADIENT_UNDEFINED` naming the node whose operator has no gradient, the value that the loss
 *   does not depend on or that is stored, or the value by which a gradient would bypass a rule written by hand.
 * @see Griewank & Walther 2008, Evaluating Derivatives, chapter 3.
 */
export function gradients(loss: Value, wrt: readonly Value[]): readonly Value[] {
  const { graph } = loss;
  if (loss.shape.length > 0) {
    throw new IteraError('SHAPE_MISMATCH', `Only a scalar can be differentiated; ${loss.name} has a shape.`, {
      shape: loss.shape,
    });
  }
  const stored = wrt.find(({ constant }) => constant);
  if (stored) {
    const message = `${stored.name} is stored in the graph and so a constant: make it an input to differentiate by it.`;
    throw new IteraError('GRADIENT_UNDEFINED', message, { value: stored.name });
  }
  const sums = new Map<Value, Value>([[loss, graph.constant(loss.dtype, [], [1])]]);
  const accumulate = (value: Value | undefined, gradient: Value | undefined): void => {
    if (!value || !gradient || !active.has(value)) return;
    if (!sameShape(value.shape, gradient.shape)) {
      throw new IteraError(
        'SHAPE_MISMATCH',
        `The gradient of ${value.name} has shape [${gradient.shape}], not [${value.shape}].`,
      );
    }
    const known = sums.get(value);
    sums.set(value, known ? add(known, gradient) : gradient);
  };

  const forward = graph.nodes.slice();
  const active = dependents(forward, wrt);
  const regionOf = indexRegions(graph);
  const done = new Set<CustomRegion>();
  graph.scope('gradient', () => {
    for (let index = forward.length - 1; index >= 0; index--) {
      const node = forward[index] as GraphNode;
      const region = regionOf.get(index);
      if (region && done.has(region)) continue;
      if (region) {
        done.add(region);
        checkRegion(region, forward, active, sums);
      }
      const { inputs, outputs } = region ?? node;
      const upstream = outputs.map((output) => sums.get(output));
      if (!upstream.some(Boolean) || !inputs.some((input) => input && active.has(input))) continue;
      const found = region ? region.rule(upstream) : differentiate(node, upstream);
      inputs.forEach((input, at) => {
        accumulate(input, found[at]);
      });
    }
  });
  return wrt.map((value) => {
    const gradient = sums.get(value);
    if (gradient) return gradient;
    throw new IteraError('GRADIENT_UNDEFINED', `The loss does not depend on ${value.name}.`, { value: value.name });
  });
}

function differentiate(node: GraphNode, upstream: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
  if (!node.operator.gradient) {
    throw new IteraError('GRADIENT_UNDEFINED', `Node ${node.name}: operator ${node.operator.opType} has no gradient.`, {
      node: node.name,
      opType: node.operator.opType,
    });
  }
  try {
    return node.operator.gradient(node, upstream);
  } catch (error) {
    if (!(error instanceof IteraError)) throw error;
    const message = `Gradient of node ${node.name} (${node.operator.opType}): ${error.message}`;
    throw new IteraError(error.code, message, { ...error.data, node: node.name }, { cause: error });
  }
}

/** All floating-point values that depend on one of `wrt`: only these carry gradients. */
function dependents(nodes: readonly GraphNode[], wrt: readonly Value[]): ReadonlySet<Value> {
  const active = new Set<Value>(wrt);
  for (const { inputs, outputs } of nodes) {
    if (!inputs.some((input) => input && active.has(input))) continue;
    for (const output of outputs) if (output.dtype.startsWith('float')) active.add(output);
  }
  return active;
}

/** A rule written by hand speaks for its region's declared inputs and outputs only; gradients by other ways get lost. */
function checkRegion(
  region: CustomRegion,
  forward: readonly GraphNode[],
  active: ReadonlySet<Value>,
  sums: ReadonlyMap<Value, Value>,
): void {
  const nodes = forward.slice(region.start, region.end);
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const leaving = [...made].find((value) => sums.has(value) && !region.outputs.includes(value));
  const entering = nodes
    .flatMap(({ inputs }) => inputs)
    .find((value) => value && active.has(value) && !made.has(value) && !region.inputs.includes(value));
  const bypass = leaving ?? entering;
  if (!bypass) return;
  const kind = leaving ? 'an output' : 'an input';
  const message = `${bypass.name} is not declared as ${kind} of the custom gradient around node ${nodes[0]?.name}.`;
  throw new IteraError('GRADIENT_UNDEFINED', message, { value: bypass.name });
}

function indexRegions(graph: Graph): ReadonlyMap<number, CustomRegion> {
  const regionOf = new Map<number, CustomRegion>();
  // Outer regions are recorded after the ones inside them, and must win.
  for (const region of graph.regions) {
    for (let index = region.start; index < region.end; index++) regionOf.set(index, region);
  }
  return regionOf;
}
