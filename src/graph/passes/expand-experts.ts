import { IteraError } from '../../core/errors.ts';
import { elementCount, type Tensor, tensor } from '../../core/tensor.ts';
import type { Graph, GraphNode, Value } from '../graph.ts';
import { integerAttribute, required } from '../operator.ts';
import { gemm, mul, reshape, scatterElements, silu, softmax, split, topK } from '../ops/index.ts';
import { formatShape } from '../shape.ts';
import { rewriteNodes } from './rewrite.ts';

/** A mixture as {@link expandExperts} leaves it. */
export interface ExpandedExperts {
  /** The stored matrix of gate rows, then up rows, `[2XF, D]`. */
  readonly gates: Value;
  /** Routing weight of each token and expert, 0 for those it does not visit: `float32[M, X]`. */
  readonly mixing: Value;
  /** X. */
  readonly experts: number;
  /** F. */
  readonly hiddenSize: number;
}

/**
 * Replaces every fused mixture of stored experts by the same mathematics in two plain products, in place: all experts'
 * gate rows, then all their up rows, stacked into one matrix `[2XF, D]`; SwiGLU; the hidden layer of each expert times
 * its routing weight, 0 for those that the token does not visit; and the output matrices side by side, `[D, XF]`. All
 * experts are computed, X/k times the work, but each product can then be quantised like any other, and the hidden
 * layer is a value of the graph that calibration can read. The float matrices left behind are for pruning.
 *
 * @returns The mixtures replaced, in the order of the nodes.
 * @throws {@link IteraError} `GRAPH_INVALID` for a mixture that is not of `fusedMoe`'s form or whose experts are not
 *   stored as `float32`.
 */
export function expandExperts(graph: Graph): readonly ExpandedExperts[] {
  const expanded: ExpandedExperts[] = [];
  rewriteNodes(graph, (node) => {
    if (node.operator.opType !== 'MoE') return undefined;
    const { input, output, k } = readExperts(node);
    const [x, router] = [required(node.inputs, 0), required(node.inputs, 1)];
    const [experts = 0, width = 0, hiddenSize = 0] = (output.constant as Tensor).shape;
    const scope = node.name.replace(/\/[^/]*$/, '');
    return graph.scope(`${scope}/experts`, () => {
      const gates = graph.store(rename(input), stackRows(input.constant as Tensor));
      const mixers = graph.store(rename(output), joinColumns(output.constant as Tensor));
      const [best, chosen] = topK(router, k);
      // Scattered into zeros, whatever the number of tokens is.
      const mixing = scatterElements(mul(router, 0), chosen, softmax(best), 1);
      expanded.push({ gates, mixing, experts, hiddenSize });
      const wide = experts * hiddenSize;
      const [gate, up] = split(gemm(x, gates, { transB: true }), 1, [wide, wide]) as [Value, Value];
      const rows = x.shape[0] as Value['shape'][number];
      const hidden = reshape(mul(silu(gate), up), [rows, experts, hiddenSize]);
      const weighted = reshape(mul(hidden, reshape(mixing, [rows, experts, 1])), [rows, wide]);
      const mixed = gemm(weighted, mixers, { transB: true });
      return [mixed.shape[1] === width ? mixed : reshape(mixed, [rows, width])];
    });
  });
  return expanded;
}

/** A fused mixture's stored matrices: `[X, 2F, D]`, rows of gate and up in turns, and `[X, D, F]`. */
export function readExperts({ name, inputs, attributes }: GraphNode): { input: Value; output: Value; k: number } {
  const [input, output] = [required(inputs, 2), required(inputs, 4)];
  const stored = [input, output].every(({ dtype, constant }) => dtype === 'float32' && constant?.shape.length === 3);
  const known =
    attributes['activation_type'] === 'swiglu' &&
    attributes['swiglu_fusion'] === 1 &&
    attributes['normalize_routing_weights'] === 1 &&
    !inputs[3] &&
    inputs.slice(5).every((value) => !value);
  if (!stored || !known) {
    const shapes = `${formatShape(input.shape)} and ${formatShape(output.shape)}`;
    const message = `Expected ${name} to mix stored float32 SwiGLU experts without bias, got matrices ${shapes}.`;
    throw new IteraError('GRAPH_INVALID', message, { node: name });
  }
  return { input, output, k: integerAttribute(attributes, 'k', 1) };
}

const rename = ({ name }: Value): string => `${name.replace(/\.interleaved$/, '')}.stacked`;

/** `[X, 2F, D]` with gate and up rows in turns to `[2XF, D]`: all gate rows, then all up rows. */
function stackRows({ shape, data }: Tensor): Tensor {
  const [experts = 0, rows = 0, width = 0] = shape;
  const stacked = new Float32Array(elementCount(shape));
  for (let row = 0; row < experts * rows; row++) {
    const target = (row % 2) * ((experts * rows) / 2) + Math.floor(row / 2);
    stacked.set((data as Float32Array).subarray(row * width, (row + 1) * width), target * width);
  }
  return tensor('float32', [experts * rows, width], stacked);
}

/** `[X, D, F]` to `[D, XF]`. */
function joinColumns({ shape, data }: Tensor): Tensor {
  const [experts = 0, rows = 0, width = 0] = shape;
  const joined = new Float32Array(elementCount(shape));
  for (let expert = 0; expert < experts; expert++) {
    for (let row = 0; row < rows; row++) {
      const from = (expert * rows + row) * width;
      joined.set((data as Float32Array).subarray(from, from + width), (row * experts + expert) * width);
    }
  }
  return tensor('float32', [rows, experts * width], joined);
}
