import type { Value } from '../graph/graph.ts';
import {
  add,
  concat,
  cumSum,
  exp,
  expand,
  fusedCausalConv,
  gather,
  matMul,
  mul,
  neg,
  reduceSum,
  reshape,
  silu,
  slice,
  softplus,
  split,
  sub,
  transpose,
} from '../graph/ops/index.ts';
import type { ModelConfig } from './config.ts';
import { project, projectParts } from './linear.ts';
import { rmsNorm } from './norm.ts';
import { mambaSizes } from './parameters.ts';
import type { Weights } from './weights.ts';

/** What a Mamba-2 block carries from one stretch of text to the next. */
export interface MambaState {
  /** The last K - 1 inputs of the convolution, `float32[B, K-1, E+2GN]`. */
  readonly conv: Value;
  /** S, `float32[B, H, N, P]`. */
  readonly ssm: Value;
}

/**
 * Mamba-2 block in its chunked form: matrix products within chunks of Q tokens, a short recurrence between them.
 * Differentiable; B and T must be known when the graph is built.
 *
 * @param x - `float32[B*T, D]`.
 * @param state - The state before the first token; zeros when absent.
 * @returns Output `[B*T, D]` and the state after the last token.
 * @remarks Checked against `mambaReference`, atol 1e-5.
 * @see Dao & Gu 2024, arXiv:2405.21060, section 6.
 */
export function mambaChunked(
  x: Value,
  batch: number,
  length: number,
  config: ModelConfig,
  weights: Weights,
  state?: MambaState,
): { output: Value; state: MambaState } {
  const { mambaNGroups: groups, mambaDState: stateSize, mambaNHeads: heads, mambaDHead: headSize } = config;
  const sizes = mambaSizes(config);
  const rows = batch * length;

  // Cutting the weight instead of the product saves two passes over a large activation.
  const [z, xbc, dtRaw] = projectParts(x, [sizes.inner, sizes.conv, heads], config, weights) as [Value, Value, Value];
  const convolved = causalConv(reshape(xbc, [batch, length, sizes.conv]), config, weights, state?.conv);
  const [inner, b, c] = split(convolved.output, 2, [sizes.inner, groups * stateSize, groups * stateSize]) as [
    Value,
    Value,
    Value,
  ];

  const dt = reshape(softplus(add(dtRaw, weights.get('dt_bias'))), [batch, length, heads]);
  const decay = mul(dt, neg(exp(weights.get('A_log'))));
  const scanned = chunkedScan({ x: inner, dt, decay, b, c }, config, state?.ssm);

  const skip = mul(reshape(inner, [batch, length, heads, headSize]), reshape(weights.get('D'), [heads, 1]));
  const y = reshape(add(scanned.output, skip), [rows, sizes.inner]);
  const normed = rmsNorm(mul(y, silu(z)), weights.get('norm.weight'), config.rmsNormEps);
  return {
    output: project(normed, 'out_proj', config, weights),
    state: { conv: convolved.state, ssm: scanned.state },
  };
}

/** Depthwise causal convolution over time with SiLU. x is `[B, T, C]`. */
function causalConv(x: Value, config: ModelConfig, weights: Weights, state?: Value): { output: Value; state: Value } {
  const [batch, length, channels] = x.shape.map(Number) as [number, number, number];
  const kernel = config.mambaDConv;
  const { graph } = x;
  const weight = weights.get('conv1d.weight');
  const bias = config.mambaConvBias ? weights.get('conv1d.bias') : undefined;
  const before = state ?? zeros(x, [batch, kernel - 1, channels]);
  const [sum, next] = graph.withGradient([x, weight, before, ...(bias ? [bias] : [])], () => ({
    outputs: fusedCausalConv(x, weight, bias, before, 'none'),
    // With p the inputs after the state: dp_s = sum_k w_k dy_{s-k}, again a causal convolution, and dw_k = sum dy_t p_{t+k}.
    rule: ([upstream]) => {
      if (!upstream) return [];
      const none = zeros(x, [batch, kernel - 1, channels]);
      const flipped = gather(weight, graph.indices(Array.from({ length: kernel }, (_, tap) => kernel - 1 - tap)), 2);
      const [spread] = fusedCausalConv(concat([upstream, none], 1), flipped, undefined, none, 'none');
      const padded = concat([before, x], 1);
      const taps = Array.from({ length: kernel }, (_, tap) =>
        reshape(reduceSum(mul(upstream, slice(padded, 1, tap, tap + length)), [0, 1]), [channels, 1, 1]),
      );
      return [
        slice(spread, 1, kernel - 1, length + kernel - 1),
        concat(taps, 2),
        slice(spread, 1, 0, kernel - 1),
        reduceSum(upstream, [0, 1]),
      ];
    },
  }));
  return { output: silu(sum), state: next };
}

interface ScanInputs {
  /** `[B, T, E]`. */
  readonly x: Value;
  /** Step sizes, `[B, T, H]`. */
  readonly dt: Value;
  /** Logarithm of the decay, dt * A, `[B, T, H]`. */
  readonly decay: Value;
  /** `[B, T, G*N]`. */
  readonly b: Value;
  /** `[B, T, G*N]`. */
  readonly c: Value;
}

/** S_t = exp(decay_t) S_{t-1} + dt_t B_t (outer) x_t; y_t = C_t S_t. Returns y as `[B, T, H, P]`. */
function chunkedScan(inputs: ScanInputs, config: ModelConfig, initial?: Value): { output: Value; state: Value } {
  const { mambaNGroups: groups, mambaDState: stateSize, mambaNHeads: heads, mambaDHead: headSize } = config;
  const [batch, length] = inputs.x.shape.map(Number) as [number, number];
  const chunk = Math.min(config.mambaChunkSize, length);
  const chunks = Math.ceil(length / chunk);
  const perGroup = heads / groups;
  // Padding with dt = 0 adds nothing to the state and does not let it decay.
  const padding = chunks * chunk - length;
  const cut = (value: Value, shape: number[]): Value => {
    const widths = value.shape.slice(2);
    const padded = padding > 0 ? concat([value, zeros(value, [batch, padding, ...widths.map(Number)])], 1) : value;
    return reshape(padded, [batch, chunks, chunk, ...shape]);
  };
  const x = cut(inputs.x, [heads, headSize]);
  const dt = cut(inputs.dt, [heads]);
  const b = transpose(cut(inputs.b, [groups, stateSize]), [0, 1, 3, 4, 2]); // [B, chunks, G, N, Q]
  const c = transpose(cut(inputs.c, [groups, stateSize]), [0, 1, 3, 2, 4]); // [B, chunks, G, Q, N]
  const total = cumSum(cut(inputs.decay, [heads]), 2); // [B, chunks, Q, H]
  const byHead = transpose(total, [0, 1, 3, 2]); // [B, chunks, H, Q]
  const weighted = mul(x, reshape(dt, [batch, chunks, chunk, heads, 1])); // dt x: [B, chunks, Q, H, P]

  // Within a chunk: y_i = sum_{j <= i} (C_i . B_j) exp(total_i - total_j) dt_j x_j.
  const gap = sub(reshape(byHead, [batch, chunks, heads, chunk, 1]), reshape(byHead, [batch, chunks, heads, 1, chunk]));
  const reach = exp(add(gap, causalMask(x, chunk)));
  const scores = matMul(c, b); // [B, chunks, G, Q, Q]
  const mixing = mul(
    reshape(reach, [batch, chunks, groups, perGroup, chunk, chunk]),
    reshape(scores, [batch, chunks, groups, 1, chunk, chunk]),
  );
  const within = matMul(reshape(mixing, [batch, chunks, heads, chunk, chunk]), transpose(weighted, [0, 1, 3, 2, 4])); // [B, chunks, H, Q, P]

  // What each chunk leaves behind at its end: sum_j exp(total_Q - total_j) B_j (outer) dt_j x_j, all heads at once.
  const last = slice(total, 2, chunk - 1, chunk); // [B, chunks, 1, H]
  const fading = mul(weighted, reshape(exp(sub(last, total)), [batch, chunks, chunk, heads, 1]));
  const grouped = (value: Value): Value =>
    transpose(reshape(value, [batch, chunks, chunk, groups, perGroup * headSize]), [0, 1, 3, 2, 4]);
  const left = matMul(b, grouped(fading)); // [B, chunks, G, N, R*P]

  const entering = carry(left, last, config, batch, chunks, initial);
  const across = transpose(matMul(c, entering.before), [0, 1, 3, 2, 4]); // [B, chunks, Q, G, R*P]
  const faded = mul(
    reshape(across, [batch, chunks, chunk, heads, headSize]),
    reshape(exp(total), [batch, chunks, chunk, heads, 1]),
  );
  const output = add(transpose(within, [0, 1, 3, 2, 4]), faded);
  return {
    output: slice(reshape(output, [batch, chunks * chunk, heads, headSize]), 1, 0, length),
    state: entering.after,
  };
}

/**
 * The recurrence from chunk to chunk.
 *
 * @param left - What each chunk adds, `[B, chunks, G, N, R*P]`.
 * @param last - Logarithm of each chunk's whole decay, `[B, chunks, 1, H]`.
 * @returns States before each chunk, in the layout of `left`, and the state after the last, `[B, H, N, P]`.
 */
function carry(
  left: Value,
  last: Value,
  { mambaNGroups: groups, mambaDState: stateSize, mambaNHeads: heads, mambaDHead: headSize }: ModelConfig,
  batch: number,
  chunks: number,
  initial?: Value,
): { before: Value; after: Value } {
  const perGroup = heads / groups;
  const flat = [batch, groups, stateSize, perGroup, headSize];
  let running = initial
    ? transpose(reshape(initial, [batch, groups, perGroup, stateSize, headSize]), [0, 1, 3, 2, 4])
    : undefined;
  const additions = split(left, 1, Array(chunks).fill(1));
  const decays = split(exp(last), 1, Array(chunks).fill(1));
  const before: Value[] = [];
  for (let index = 0; index < chunks; index++) {
    before.push(running ?? zeros(left, flat));
    const addition = reshape(additions[index] as Value, flat);
    const decay = reshape(decays[index] as Value, [batch, groups, 1, perGroup, 1]);
    running = running ? add(mul(running, decay), addition) : addition;
  }
  const shape = [batch, 1, groups, stateSize, perGroup * headSize];
  return {
    before: concat(
      before.map((value) => reshape(value, shape)),
      1,
    ),
    after: reshape(transpose(running as Value, [0, 1, 3, 2, 4]), [batch, heads, stateSize, headSize]),
  };
}

/** 0 on and below the diagonal, a number whose exponential is 0 above it. */
function causalMask(like: Value, size: number): Value {
  const mask = Float32Array.from({ length: size * size }, (_, index) =>
    index % size > Math.floor(index / size) ? -1e9 : 0,
  );
  return like.graph.constant('float32', [size, size], [...mask]);
}

function zeros(like: Value, shape: readonly number[]): Value {
  return expand(
    like.graph.constant(
      like.dtype,
      shape.map(() => 1),
      [0],
    ),
    shape,
  );
}
