import type { Value } from '../graph/graph.ts';
import { add, concat, cos, matMul, mul, neg, reshape, sin, slice, softmax, transpose } from '../graph/ops/index.ts';
import type { ModelConfig } from './config.ts';
import { linear } from './linear.ts';
import { attentionHeadSize } from './parameters.ts';
import type { Weights } from './weights.ts';

/** Keys and values of earlier tokens, each `float32[B, Hkv, S, P]`. */
export interface AttentionState {
  readonly key: Value;
  readonly value: Value;
}

export interface AttentionContext {
  /** Added to the scores: 0 where a query may look, very negative elsewhere. Broadcasts to `[B, 1, 1, T, S]`. */
  readonly bias: Value;
  /** Position of each token, `float32[B or 1, T]`; only read with rotary embedding. */
  readonly positions: Value;
  readonly past?: AttentionState;
}

/**
 * Causal attention with grouped key/value heads and, if configured, rotary position embedding. Differentiable.
 *
 * @param x - `float32[B, T, D]`.
 * @returns Output `[B, T, D]` and all keys and values so far.
 * @see Ainslie et al. 2023, arXiv:2305.13245 (grouped heads); Su et al. 2021, arXiv:2104.09864 (rotary embedding).
 */
export function attention(
  x: Value,
  config: ModelConfig,
  weights: Weights,
  { bias, positions, past }: AttentionContext,
): { output: Value; state: AttentionState } {
  const { numAttentionHeads: heads, numKeyValueHeads: groups } = config;
  const size = attentionHeadSize(config);
  const [batch, length] = x.shape as [Value['shape'][number], Value['shape'][number]];
  const heading = (name: string, count: number): Value => {
    const projected = reshape(linear3d(x, weights.get(name)), [batch, length, count, size]);
    return transpose(projected, [0, 2, 1, 3]);
  };
  const rotate = (value: Value): Value =>
    config.positionEmbeddingType === 'rope' ? rotaryEmbedding(value, positions, config.ropeTheta, size) : value;
  const query = rotate(heading('q_proj.weight', heads));
  const key = join(past?.key, rotate(heading('k_proj.weight', groups)));
  const value = join(past?.value, heading('v_proj.weight', groups));

  const perGroup = heads / groups;
  const grouped = reshape(query, [batch, groups, perGroup, length, size]);
  const lengthSoFar = key.shape[2] as number;
  const across = (state: Value): Value => reshape(state, [batch, groups, 1, lengthSoFar, size]);
  const scores = mul(matMul(grouped, transpose(across(key), [0, 1, 2, 4, 3])), config.attentionMultiplier);
  const mixed = matMul(softmax(add(scores, bias)), across(value));
  const merged = transpose(reshape(mixed, [batch, heads, length, size]), [0, 2, 1, 3]);
  const output = linear3d(reshape(merged, [batch, length, heads * size]), weights.get('o_proj.weight'));
  return { output, state: { key, value } };
}

const join = (past: Value | undefined, now: Value): Value => (past ? concat([past, now], 2) : now);

function linear3d(x: Value, weight: Value): Value {
  const [batch, length, width] = x.shape;
  if (typeof batch !== 'number' || typeof length !== 'number') return linear(x, weight);
  const flat = linear(reshape(x, [batch * length, Number(width)]), weight);
  return reshape(flat, [batch, length, Number(weight.shape[0])]);
}

/** Rotates the halves (i, i + P/2) of each head by position * theta^(-2i/P). x is `[B, H, T, P]`. */
function rotaryEmbedding(x: Value, positions: Value, theta: number, size: number): Value {
  const half = size / 2;
  const rates = Array.from({ length: half }, (_, index) => theta ** (-index / half));
  const [batch, length] = positions.shape as [Value['shape'][number], Value['shape'][number]];
  const angles = mul(reshape(positions, [batch, 1, length, 1]), x.graph.constant('float32', [half], rates));
  const doubled = concat([angles, angles], 3);
  const turned = concat([neg(slice(x, 3, half, size)), slice(x, 3, 0, half)], 3);
  return add(mul(x, cos(doubled)), mul(turned, sin(doubled)));
}
