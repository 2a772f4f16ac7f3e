import { IteraError } from '../../core/errors.ts';
import { toFloat16 } from '../../core/float16.ts';
import { type Tensor, tensor } from '../../core/tensor.ts';
import type { Graph } from '../graph.ts';
import { cast } from '../ops/elementwise.ts';
import { pruneGraph } from './prune.ts';
import { replaceInputs } from './rewrite.ts';

/** Storing fewer numbers than this in half the bytes saves less than the node that widens them costs. */
const leastElements = 64;

/**
 * Stores `float32` tensors as `float16` and widens them where they are used, in place: half the file, and the same
 * speed, since the runtime widens them once, when it loads it. Tensors of fewer than 64 numbers stay.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT`, naming the tensor, for a number that half precision cannot hold: not a
 *   number, infinite, or from 65,520 on; the graph is then as before.
 */
export function storeFloat16(graph: Graph): void {
  const large = graph.initializers.filter(({ dtype, constant }) => {
    return dtype === 'float32' && (constant as Tensor).data.length >= leastElements;
  });
  const halves = large.map(({ name, constant }) => halve(name, constant as Tensor));
  const before = graph.nodes.splice(0);
  const successors = new Map(
    large.map((value, index) => [value, cast(graph.store(`${value.name}.half`, halves[index] as Tensor), 'float32')]),
  );
  graph.nodes.push(...before.map((node) => replaceInputs(node, successors)));
  for (const output of graph.outputs) output.value = successors.get(output.value) ?? output.value;
  pruneGraph(graph);
}

/**
 * A tensor in half precision.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT`, naming it, if a number becomes infinite or is none.
 */
export function halve(name: string, { shape, data }: Tensor): Tensor<'float16'> {
  const bits = toFloat16(data as Float32Array);
  // All bits of the exponent set.
  const bad = bits.findIndex((number) => (number & 0x7c00) === 0x7c00);
  if (bad >= 0) {
    const message = `Expected numbers in ${name} that half precision can hold, below 65520, got ${data[bad]}. Keep this model in float32, or check its weights.`;
    throw new IteraError('INVALID_ARGUMENT', message, { name, index: bad, value: Number(data[bad]) });
  }
  return tensor('float16', shape, bits);
}
