import type { Value } from '../graph/graph.ts';
import { mul, silu, split } from '../graph/ops/index.ts';
import { linear } from './linear.ts';

/**
 * SwiGLU: output(silu(a) * b), with a and b the halves of input(x).
 *
 * @param x - `[..., D]`.
 * @param inputWeight - `[2F, D]`.
 * @param outputWeight - `[D, F]`.
 * @param factor - Multiplies the hidden layer; broadcasts to `[..., F]`.
 * @see Shazeer 2020, arXiv:2002.05202.
 */
export function swiGlu(x: Value, inputWeight: Value, outputWeight: Value, factor?: Value): Value {
  const half = Number(inputWeight.shape[0]) / 2;
  const projected = linear(x, inputWeight);
  const [gate, up] = split(projected, projected.shape.length - 1, [half, half]);
  const hidden = mul(silu(gate as Value), up as Value);
  return linear(factor ? mul(hidden, factor) : hidden, outputWeight);
}
