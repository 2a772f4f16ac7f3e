import type { Value } from '../graph/graph.ts';
import { add, gemm, matMul, mul, split, transpose } from '../graph/ops/index.ts';
import type { ModelConfig } from './config.ts';
import type { Weights } from './weights.ts';

/**
 * x W^T for a weight stored `[out, in]`.
 *
 * @param x - `[M, in]`, or `[B, T, in]` where the sizes are only known when the graph runs.
 */
export function linear(x: Value, weight: Value): Value {
  // The transpose of a stored weight is folded into the prepacked product when the model is loaded.
  return x.shape.length === 2 ? gemm(x, weight, { transB: true }) : matMul(x, transpose(weight, [1, 0]));
}

/**
 * A projection of a Mamba block: {@link linear} plus a bias where the configuration has one.
 *
 * @param factors - Multiply the input's channels first, `[in]`; done by multiplying the weight's columns.
 */
export function project(
  x: Value,
  name: 'in_proj' | 'out_proj',
  config: ModelConfig,
  weights: Weights,
  factors?: Value,
): Value {
  const weight = weights.get(`${name}.weight`);
  const product = linear(x, factors ? mul(weight, factors) : weight);
  return config.mambaProjBias ? add(product, weights.get(`${name}.bias`)) : product;
}

/** The input projection of a Mamba block, cut into parts of the given widths. */
export function projectParts(
  x: Value,
  widths: readonly number[],
  config: ModelConfig,
  weights: Weights,
): readonly Value[] {
  const parts = split(weights.get('in_proj.weight'), 0, widths).map((weight) => linear(x, weight));
  if (!config.mambaProjBias) return parts;
  const biases = split(weights.get('in_proj.bias'), 0, widths);
  return parts.map((part, index) => add(part, biases[index] as Value));
}
