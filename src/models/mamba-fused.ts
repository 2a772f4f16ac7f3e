import type { Tensor } from '../core/tensor.ts';
import type { Value } from '../graph/graph.ts';
import {
  add,
  exp,
  fusedCausalConv,
  fusedLinearAttention,
  fusedRmsNorm,
  mul,
  neg,
  reshape,
  silu,
  softplus,
  split,
} from '../graph/ops/index.ts';
import type { ModelConfig } from './config.ts';
import { project } from './linear.ts';
import type { MambaState } from './mamba-chunked.ts';
import { mambaSizes } from './parameters.ts';
import type { Weights } from './weights.ts';

/**
 * Mamba-2 block with the convolution and the recurrence each in one operator: for inference, any batch and length.
 *
 * @param x - `float32[B, T, D]`.
 * @param mask - `float32[B, T, 1]`: 1 for a token, 0 for padding, which changes no state; none means all tokens.
 * @param state - The state before the first token.
 * @returns Output `[B, T, D]` and the state after the last token.
 * @remarks Checked against `mambaReference`, atol 1e-5.
 * @see Dao & Gu 2024, arXiv:2405.21060.
 */
export function mambaFused(
  x: Value,
  config: ModelConfig,
  weights: Weights,
  state: MambaState,
  mask?: Value,
): { output: Value; state: MambaState } {
  const { mambaNGroups: groups, mambaDState: stateSize, mambaNHeads: heads, mambaDHead: headSize } = config;
  const sizes = mambaSizes(config);
  const masked = (value: Value): Value => (mask ? mul(value, mask) : value);

  const projected = project(x, 'in_proj', config, weights);
  const [z, xbc, dtRaw] = split(projected, 2, [sizes.inner, sizes.conv, heads]) as [Value, Value, Value];
  const bias = config.mambaConvBias ? weights.get('conv1d.bias') : undefined;
  // The operator's own SiLU takes longer than the convolution; the runtime's element-wise one does not.
  const [convolved, conv] = fusedCausalConv(masked(xbc), weights.get('conv1d.weight'), bias, state.conv, 'none');
  const [inner, b, c] = split(silu(convolved), 2, [sizes.inner, groups * stateSize, groups * stateSize]) as [
    Value,
    Value,
    Value,
  ];

  // dt = 0 at padding: nothing is added to the state and it does not decay.
  const dt = masked(softplus(add(dtRaw, weights.get('dt_bias'))));
  const decay = mul(dt, neg(exp(weights.get('A_log'))));
  const perHead = (value: Value): Value => reshape(value, [...value.shape.slice(0, 2), heads, headSize]);
  const flat = (value: Value): Value => reshape(value, [...value.shape.slice(0, 2), sizes.inner]);
  const stepped = mul(perHead(inner), reshape(dt, [...dt.shape.slice(0, 2), heads, 1]));
  const [scanned, ssm] = fusedLinearAttention(
    { q: c, k: b, v: flat(stepped), state: state.ssm, decay },
    { groups, heads },
  );
  // D x with D repeated over the head's channels, so that no axis has to be split again.
  const skip = mul(
    inner,
    weights.derived('D', `repeated${headSize}`, (d) => repeatElements(d, headSize)),
  );
  const gated = mul(add(scanned, skip), silu(z));
  const normed = fusedRmsNorm(gated, weights.get('norm.weight'), config.rmsNormEps);
  return { output: project(normed, 'out_proj', config, weights), state: { conv, ssm } };
}

function repeatElements({ data }: Tensor, count: number): Tensor {
  const source = data as Float32Array;
  const repeated = Float32Array.from(
    { length: source.length * count },
    (_, index) => source[Math.floor(index / count)] as number,
  );
  return { dtype: 'float32', shape: [repeated.length], data: repeated };
}
