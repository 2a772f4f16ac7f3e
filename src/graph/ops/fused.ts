import { IteraError } from '../../core/errors.ts';
import type { Value } from '../graph.ts';
import { defineOperator, integerAttribute, required } from '../operator.ts';
import { formatShape } from '../shape.ts';
import { add, mul, sigmoid, sub } from './elementwise.ts';

// Operators of ONNX Runtime (domain com.microsoft) that do in one pass what the standard needs many for.
// See ONNX Runtime's contrib operator documentation (docs/ContribOperators.md).

const quickGeluOp = defineOperator({
  opType: 'QuickGelu',
  domain: 'com.microsoft',
  infer: (inputs) => [{ dtype: required(inputs, 0).dtype, shape: required(inputs, 0).shape }],
  gradient: ({ inputs, outputs }, [upstream]) => {
    if (!upstream) return [];
    // d(x s) = s + y (1 - s), with s = sigmoid(x) and y = x s.
    const s = sigmoid(required(inputs, 0));
    return [mul(upstream, add(s, mul(outputs[0] as Value, sub(1, s))))];
  },
});

/** x * sigmoid(x), also called swish; `float32` only, as its kernel is. */
export const silu = (x: Value): Value =>
  x.dtype === 'float32' ? (x.graph.add(quickGeluOp, [x], { alpha: { float: 1 } })[0] as Value) : mul(x, sigmoid(x));

/** {@link silu} for training: its sigmoid, computed once, also serves the gradient. */
export function siluWithSlope(x: Value): Value {
  return x.graph.withGradient([x], () => {
    const s = sigmoid(x);
    const y = mul(x, s);
    return {
      outputs: [y] as const,
      // d(x s) = s + y (1 - s).
      rule: ([upstream]) => [upstream && mul(upstream, add(s, mul(y, sub(1, s))))],
    };
  })[0];
}

const rmsNormOp = defineOperator({
  opType: 'SimplifiedLayerNormalization',
  infer: (inputs, attributes) => {
    const x = required(inputs, 0);
    const scale = required(inputs, 1);
    if (scale.shape.length !== 1 || scale.shape[0] !== x.shape.at(-1)) {
      const message = `Scale ${formatShape(scale.shape)} does not fit the last axis of ${formatShape(x.shape)}.`;
      throw new IteraError('SHAPE_MISMATCH', message);
    }
    const type = { dtype: x.dtype, shape: x.shape };
    return attributes['itera_dims'] === 'factor' ? [type, { dtype: x.dtype, shape: x.shape.with(-1, 1) }] : [type];
  },
  sizeHint: ({ length }) => (length > 1 ? 'factor' : undefined),
});

/** x / sqrt(mean(x^2) + epsilon) * scale over the last axis, in one node; not differentiable by itself. */
export const fusedRmsNorm = (x: Value, scale: Value, epsilon: number): Value =>
  x.graph.add(rmsNormOp, [x, scale], { axis: -1, epsilon: { float: epsilon }, stash_type: 1 })[0] as Value;

/** {@link fusedRmsNorm} and the factor 1 / sqrt(mean(x^2) + epsilon) that its gradient needs, `[..., 1]`. */
export function fusedRmsNormWithFactor(x: Value, scale: Value, epsilon: number): [Value, Value] {
  const attributes = { axis: -1, epsilon: { float: epsilon }, stash_type: 1, itera_dims: 'factor' };
  const [normed, factor] = x.graph.add(rmsNormOp, [x, scale], attributes);
  return [normed as Value, factor as Value];
}

const causalConvOp = defineOperator({
  opType: 'CausalConvWithState',
  domain: 'com.microsoft',
  infer: (inputs) => {
    const x = required(inputs, 0);
    const weight = required(inputs, 1);
    const state = required(inputs, 3);
    if (x.shape.length !== 3 || weight.shape[0] !== x.shape[2] || state.shape[2] !== x.shape[2]) {
      const message = `Weight ${formatShape(weight.shape)} or state ${formatShape(state.shape)} does not fit ${formatShape(x.shape)}.`;
      throw new IteraError('SHAPE_MISMATCH', message);
    }
    return [
      { dtype: x.dtype, shape: x.shape },
      { dtype: x.dtype, shape: state.shape },
    ];
  },
});

/**
 * Depthwise causal convolution over time, with the last inputs carried between calls; not differentiable by itself.
 *
 * @param x - `[B, T, C]`.
 * @param weight - `[C, 1, K]`.
 * @param bias - `[C]`, or none.
 * @param state - The K - 1 inputs before `x`, `[B, K-1, C]`.
 * @param activation - Applied to the result.
 * @returns Output `[B, T, C]` and the state after `x`.
 */
export function fusedCausalConv(
  x: Value,
  weight: Value,
  bias: Value | undefined,
  state: Value,
  activation: 'silu' | 'none' = 'silu',
): [Value, Value] {
  const [output, next] = x.graph.add(causalConvOp, [x, weight, bias, state], { activation, channels_last: 1 });
  return [output as Value, next as Value];
}

const linearAttentionOp = defineOperator({
  opType: 'LinearAttention',
  domain: 'com.microsoft',
  infer: (inputs, attributes) => {
    const value = required(inputs, 2);
    const state = required(inputs, 3);
    const heads = integerAttribute(attributes, 'kv_num_heads');
    if (state.shape.length !== 4 || state.shape[1] !== heads || required(inputs, 4).shape[2] !== heads) {
      const message = `State ${formatShape(state.shape)} or decay does not have ${heads} heads.`;
      throw new IteraError('SHAPE_MISMATCH', message);
    }
    return [
      { dtype: value.dtype, shape: value.shape },
      { dtype: value.dtype, shape: state.shape },
    ];
  },
});

/**
 * The recurrence S = exp(decay) S + k (outer) v, o = q S, token by token in one node; for inference.
 *
 * @param q - `[B, T, G*N]`; `k` likewise.
 * @param v - `[B, T, H*P]`.
 * @param state - `[B, H, N, P]`.
 * @param decay - Logarithm of the decay, `[B, T, H]`.
 * @returns Output `[B, T, H*P]` and the state after the last token.
 */
export function fusedLinearAttention(
  { q, k, v, state, decay }: { q: Value; k: Value; v: Value; state: Value; decay: Value },
  { groups, heads }: { groups: number; heads: number },
): [Value, Value] {
  const attributes = { update_rule: 'gated', q_num_heads: groups, kv_num_heads: heads, scale: { float: 1 } };
  const [output, next] = q.graph.add(linearAttentionOp, [q, k, v, state, decay], attributes);
  return [output as Value, next as Value];
}

const moeOp = defineOperator({
  opType: 'MoE',
  domain: 'com.microsoft',
  infer: (inputs) => {
    const x = required(inputs, 0);
    const router = required(inputs, 1);
    if (x.shape.length !== 2 || router.shape.length !== 2 || required(inputs, 2).shape[0] !== router.shape[1]) {
      const message = `Router ${formatShape(router.shape)} does not fit ${formatShape(required(inputs, 2).shape)}.`;
      throw new IteraError('SHAPE_MISMATCH', message);
    }
    return [{ dtype: x.dtype, shape: x.shape }];
  },
});

/**
 * Mixture of SwiGLU experts in one node; for inference.
 *
 * @param x - `[M, D]`.
 * @param router - Router logits, `[M, X]`.
 * @param inputWeight - `[X, 2F, D]` with rows interleaved: gate 0, up 0, gate 1, up 1, ...
 * @param outputWeight - `[X, D, F]`.
 * @param k - Experts per token; their softmax weights are normalised over the k.
 */
export function fusedMoe(x: Value, router: Value, inputWeight: Value, outputWeight: Value, k: number): Value {
  const inputs = [x, router, inputWeight, undefined, outputWeight];
  const attributes = { k, normalize_routing_weights: 1, activation_type: 'swiglu', swiglu_fusion: 1 };
  return x.graph.add(moeOp, inputs, attributes)[0] as Value;
}
