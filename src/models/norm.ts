import type { Value } from '../graph/graph.ts';
import { fusedRmsNormWithFactor, matMul, mul, reduceMean, reduceSum, reshape, sub } from '../graph/ops/index.ts';

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
        const width = Number(weight.shape[0]);
        const mean = matMul(projected, reshape(mul(weight, 1 / width), [width, 1]));
        const leading = x.shape.map((_, axis) => axis).slice(0, -1);
        return [mul(factor, sub(mul(upstream, weight), mul(unit, mean))), reduceSum(projected, leading)];
      },
    };
  });
  return normed;
}

/**
 * x / sqrt(mean(x^2) + epsilon) over the last axis; differentiable. For training: where a matrix follows, its columns
 * take the norm's weight for a small part of the work that all tokens would be.
 *
 * @param x - `float32[..., D]`.
 */
export function unitNorm(x: Value, epsilon: number): Value {
  const width = Number(x.shape.at(-1));
  const ones = x.graph.constant(x.dtype, [width], Array(width).fill(1));
  const [normed] = x.graph.withGradient([x], () => {
    const [unit, factor] = fusedRmsNormWithFactor(x, ones, epsilon);
    return {
      outputs: [unit] as const,
      rule: ([upstream]) => {
        if (!upstream) return [];
        const mean = reduceMean(mul(upstream, unit), [-1], { keepDims: true });
        return [mul(factor, sub(upstream, mul(unit, mean)))];
      },
    };
  });
  return normed;
}
