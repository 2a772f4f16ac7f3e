import type { Value } from '../graph/graph.ts';
import { add, concat, mul, reduceSum, sigmoid, silu, split, sub } from '../graph/ops/index.ts';
import { linear } from './linear.ts';

/**
 * SwiGLU: output(silu(a) * b), with a and b the halves of input(x).
 *
 * @param x - `[..., D]`.
 * @param inputWeight - `[2F, D]`.
 * @param outputWeight - `[D, F]`.
 * @see Shazeer 2020, arXiv:2002.05202.
 */
export function swiGlu(x: Value, inputWeight: Value, outputWeight: Value): Value {
  return linear(gateHalves(linear(x, inputWeight)), outputWeight);
}

/**
 * silu(a) * b, with a and b the halves of the last axis.
 *
 * @param x - `[..., 2F]`.
 * @param factor - Multiplies the result, `[..., 1]`.
 */
export function gateHalves(x: Value, factor?: Value): Value {
  const axis = x.shape.length - 1;
  const half = Number(x.shape[axis]) / 2;
  return x.graph.withGradient(factor ? [x, factor] : [x], () => {
    const [gate, up] = split(x, axis, [half, half]) as [Value, Value];
    const opened = silu(gate);
    const gated = mul(opened, up);
    return {
      outputs: [factor ? mul(gated, factor) : gated] as const,
      // silu'(a) = s + silu(a) (1 - s), with s = sigmoid(a).
      rule: ([upstream]) => {
        if (!upstream) return [];
        const reaching = factor ? mul(upstream, factor) : upstream;
        const s = sigmoid(gate);
        const slope = add(s, mul(opened, sub(1, s)));
        const gradient = concat([mul(mul(reaching, up), slope), mul(reaching, opened)], axis);
        return [gradient, factor && reduceSum(mul(upstream, gated), [axis], { keepDims: true })];
      },
    };
  })[0];
}
