import { IteraError } from '../core/errors.ts';
import type { Tensor } from '../core/tensor.ts';
import type { Graph, Value } from '../graph/graph.ts';

/** Gives blocks their weights as values of the graph being built, by the names in the family's files. */
export interface Weights {
  /** The prefix of these weights' names, for naming things after them. */
  readonly label: string;
  /** The weight of this name. */
  get(name: string): Value;
  /** A tensor computed from a weight when the graph is built, such as another layout. Only for stored weights. */
  derived(name: string, label: string, change: (weight: Tensor) => Tensor): Value;
  /** The same weights, names prefixed. */
  within(prefix: string): Weights;
}

/** Weights stored in the graph: for inference and export. */
export function storedWeights(graph: Graph, tensors: ReadonlyMap<string, Tensor>, prefix = ''): Weights {
  const values = new Map<string, Value>();
  const once = (name: string, make: () => Tensor): Value => {
    const known = values.get(name) ?? graph.initializer(name, make());
    values.set(name, known);
    return known;
  };
  const find = (name: string): Tensor => {
    const found = tensors.get(name);
    if (!found) throw new IteraError('WEIGHTS_MISMATCH', `Weight ${name} is missing.`, { name });
    return found;
  };
  const scoped = (at: string): Weights => ({
    label: at,
    get: (name) => once(at + name, () => find(at + name)),
    derived: (name, label, change) => once(`${at}${name}.${label}`, () => change(find(at + name))),
    within: (inner) => scoped(at + inner),
  });
  return scoped(prefix);
}

/** Weights that the caller feeds at every run: for training. */
export function fedWeights(
  graph: Graph,
  shapes: ReadonlyMap<string, readonly number[]>,
): Weights & { readonly values: ReadonlyMap<string, Value> } {
  const values = new Map([...shapes].map(([name, shape]) => [name, graph.input(name, 'float32', shape)]));
  const scoped = (at: string): Weights => ({
    label: at,
    get(name) {
      const value = values.get(at + name);
      if (!value) throw new IteraError('WEIGHTS_MISMATCH', `Weight ${at + name} is missing.`, { name: at + name });
      return value;
    },
    derived(name) {
      throw new IteraError('GRAPH_INVALID', `Weight ${at + name} is fed at each run; it has no content to change.`);
    },
    within: (inner) => scoped(at + inner),
  });
  return { ...scoped(''), values };
}
