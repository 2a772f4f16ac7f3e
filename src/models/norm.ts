import type { Value } from '../graph/graph.ts';
import { fusedRmsNormWithFactor, mul, reduceMean, reduceSum, sub } from '../graph/ops/index.ts';

/**
 * x / sqrt(mean(x^2) + epsilon) * weight over the last axis; differentiable.
 *
 * @param x - `float32[..., D]`.
 * @param weight - `float32[D]`.
 * @see Zhang & Sennrich 2019, arXiv:1910.07467.
 */
export function rmsNorm(x: Value, weight: Value, epsilon: number): Value {
  const [normed] = x.graph.withGradient([x, weight], () => {
    const [output, factor] = fusedRmsNormWithFactor(x, weight, epsilon);
    return {
      outputs: [output] as const,
      // With s the factor and u = x s: dx = s (g w - u mean(g w u)), dw = sum(g u).
      rule: ([upstream]) => {
        if (!upstream) return [];
        const unit = mul(x, factor);
        const projected = mul(upstream, unit);
        const mean = reduceMean(mul(projected, weight), [-1], { keepDims: true });
        const leading = x.shape.map((_, axis) => axis).slice(0, -1);
        return [mul(factor, sub(mul(upstream, weight), mul(unit, mean))), reduceSum(projected, leading)];
      },
    };
  });
  return normed;
}
