import { type Tensor, tensor } from '../../core/tensor.ts';
import { Graph, type GraphNode, type Value } from '../graph.ts';
import { integerAttribute } from '../operator.ts';
import { cast, onnxTypeNumber } from '../ops/elementwise.ts';
import { halve } from './store-float16.ts';

/** What masks forbid with: half precision ends at -65504. */
const maskHalf = -6e4;

export interface ComputeFloat16Options {
  /**
   * Operators that keep computing in float32, with everything that only they need. Default: the recurrence of the state
   * space, whose state would lose what each token adds, and sines and cosines, whose angles half precision rounds by up
   * to a radian from position 2048 on.
   */
  readonly keepFloat32?: readonly string[];
}

/**
 * A copy of a graph that computes in `float16`; inputs and outputs stay `float32`. For providers with half-precision
 * kernels. Stored tensors are halved, and tensors stored in half precision but widened are used as they are, so it also
 * takes the scales of `quantizeProducts`. Scalars below the range, as masks add, become -60000.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT`, naming the tensor, for another number that half precision cannot hold.
 */
export function computeFloat16(
  graph: Graph,
  { keepFloat32 = ['LinearAttention', 'Sin', 'Cos'] }: ComputeFloat16Options = {},
): Graph {
  const kept = findKept(graph, new Set(keepFloat32));
  const copy = new Graph();
  const values = new Map<Value, Value>();
  const halves = new Map<Value, Value>();
  const wides = new Map<Value, Value>();
  for (const input of graph.inputs) values.set(input, copy.input(input.name, input.dtype, input.shape));

  const asHalf = (source: Value): Value => {
    const known = halves.get(source);
    if (known) return known;
    const content = source.constant;
    const half =
      content?.dtype === 'float32'
        ? copy.store(source.name, halveConstant(source.name, content))
        : cast(own(source), 'float16');
    halves.set(source, half);
    return half;
  };
  const asWide = (source: Value): Value => {
    const wide = wides.get(source) ?? cast(own(source), 'float32');
    wides.set(source, wide);
    return wide;
  };
  /** The value in the copy, in the type that it has there. */
  const own = (source: Value): Value => {
    const known = values.get(source);
    if (known) return known;
    const made = copy.store(source.name, source.constant as Tensor);
    values.set(source, made);
    return made;
  };
  const isFloat = ({ dtype }: Value): boolean => dtype === 'float32' || dtype === 'float16';

  for (const node of graph.nodes) {
    const { operator, outputs, attributes, name } = node;
    const wide = kept.has(node);
    const [first] = node.inputs;
    const widens = operator.opType === 'Cast' && integerAttribute(attributes, 'to') === onnxTypeNumber('float32');
    if (widens && !wide && first?.dtype === 'float16') {
      values.set(outputs[0] as Value, own(first));
      continue;
    }
    const inputs = node.inputs.map((value) => {
      if (!value || !isFloat(value) || operator.opType === 'Cast') return value && own(value);
      return wide ? asWide(value) : asHalf(value);
    });
    const changed = widens && !wide ? { ...attributes, to: onnxTypeNumber('float16') } : attributes;
    const made = copy.add(operator, inputs, changed, name);
    outputs.forEach((output, index) => void values.set(output, made[index] as Value));
  }
  for (const { name, value } of graph.outputs) copy.output(name, isFloat(value) ? asWide(value) : own(value));
  return copy;
}

/** Nodes of some operators, and those whose results only they use. */
function findKept(graph: Graph, opTypes: ReadonlySet<string>): ReadonlySet<GraphNode> {
  const outputs = new Set(graph.outputs.map(({ value }) => value));
  const users = new Map<Value, GraphNode[]>();
  const kept = new Set<GraphNode>();
  for (const node of graph.nodes.toReversed()) {
    const readers = node.outputs.flatMap((output) => users.get(output) ?? []);
    const exposed = node.outputs.some((output) => outputs.has(output));
    const serves = readers.length > 0 && !exposed && readers.every((reader) => kept.has(reader));
    if (opTypes.has(node.operator.opType) || serves) kept.add(node);
    for (const input of node.inputs) if (input) users.set(input, [...(users.get(input) ?? []), node]);
  }
  return kept;
}

function halveConstant(name: string, content: Tensor): Tensor {
  const [only] = content.data;
  const forbids = content.data.length === 1 && Number(only) < maskHalf;
  return halve(name, forbids ? tensor('float32', content.shape, Float32Array.of(maskHalf)) : content);
}
