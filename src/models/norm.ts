import type { Value } from '../graph/graph.ts';
import { add, div, mul, reduceMean, reduceSum, sqrt, sub } from '../graph/ops/index.ts';

/**
 * x / sqrt(mean(x^2) + epsilon) * weight over the last axis; differentiable.
 *
 * @param x - `float32[..., D]`.
 * @param weight - `float32[D]`.
 * @see Zhang & Sennrich 2019, arXiv:1910.07467.
 */
export function rmsNorm(x: Value, weight: Value, epsilon: number): Value {
  const [normed] = x.graph.withGradient([x, weight], () => {
    const scale = div(1, sqrt(add(reduceMean(mul(x, x), [-1], { keepDims: true }), epsilon)));
    const unit = mul(x, scale);
    return {
      outputs: [mul(unit, weight)] as const,
      // By hand: with u = x s, dx = s (g w - u mean(g w u)), half the passes over memory of the general rules.
      rule: ([upstream]) => {
        if (!upstream) return [];
        const projected = mul(upstream, unit);
        const weighted = mul(upstream, weight);
        const mean = reduceMean(mul(weighted, unit), [-1], { keepDims: true });
        const leading = x.shape.map((_, axis) => axis).slice(0, -1);
        return [mul(scale, sub(weighted, mul(unit, mean))), reduceSum(projected, leading)];
      },
    };
  });
  return normed;
}
