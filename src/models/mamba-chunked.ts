import type { Value } from '../graph/graph.ts';
import {
  add,
  concat,
  cumSum,
  div,
  exp,
  expand,
  gather,
  log,
  matMul,
  max,
  mul,
  neg,
  reduceSum,
  reshape,
  siluWithSlope,
  slice,
  softplus,
  split,
  sub,
  transpose,
} from '../graph/ops/index.ts';
import type { ModelConfig } from './config.ts';
import { project, projectParts } from './linear.ts';
import { unitNorm } from './norm.ts';
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
  const { mambaNGroups: groups, mambaDState: stateSize, mambaNHeads: heads } = config;
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
  const scanned = chunkedScan({ x: inner, dt, decay, b, c }, config, weights, state?.ssm);
  const y = reshape(scanned.output, [rows, sizes.inner]);
  const normed = unitNorm(mul(y, siluWithSlope(z)), config.rmsNormEps);
  return {
    output: project(normed, 'out_proj', config, weights, weights.get('norm.weight')),
    state: { conv: convolved.state, ssm: scanned.state },
  };
}

/**
 * Depthwise causal convolution over time with SiLU. x is `[B, T, C]`. As sums of shifted copies, which the runtime
 * vectorises better than its convolution.
 */
function causalConv(x: Value, config: ModelConfig, weights: Weights, state?: Value): { output: Value; state: Value } {
  const [batch, length, channels] = x.shape.map(Number) as [number, number, number];
  const kernel = config.mambaDConv;
  const { graph } = x;
  const weight = weights.get('conv1d.weight');
  const bias = config.mambaConvBias ? weights.get('conv1d.bias') : undefined;
  const before = state ?? zeros(x, [batch, kernel - 1, channels]);
  const padded = concat([before, x], 1);
  const [sum] = graph.withGradient([padded, weight, ...(bias ? [bias] : [])], () => {
    const taps = split(transpose(reshape(weight, [channels, kernel]), [1, 0]), 0, Array(kernel).fill(1));
    const shifted = taps.map((tap, index) => mul(slice(padded, 1, index, index + length), tap));
    const product = shifted.reduce(add);
    return {
      outputs: [bias ? add(product, bias) : product] as const,
      // With p the padded input: dp_s = sum_k w_k dy_{s-k}, and dw_k = sum_s p_s dy_{s-k}.
      rule: ([upstream]) => {
        if (!upstream) return [];
        const none = zeros(x, [batch, kernel - 1, channels]);
        const wide = concat([none, upstream, none], 1);
        const delayed = taps.map((_, tap) => slice(wide, 1, kernel - 1 - tap, length + 2 * (kernel - 1) - tap));
        const spread = delayed.map((value, index) => mul(value, taps[index] as Value)).reduce(add);
        const slopes = delayed.map((value) => reshape(reduceSum(mul(value, padded), [0, 1]), [channels, 1, 1]));
        return [spread, concat(slopes, 2), reduceSum(upstream, [0, 1])];
      },
    };
  });
  return { output: siluWithSlope(sum), state: slice(padded, 1, length, length + kernel - 1) };
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

/** S_t = exp(decay_t) S_{t-1} + dt_t B_t (outer) x_t; y_t = C_t S_t + D x_t. Returns y as `[B, T, E]`. */
function chunkedScan(
  inputs: ScanInputs,
  config: ModelConfig,
  weights: Weights,
  initial?: Value,
): { output: Value; state: Value } {
  const { mambaNGroups: groups, mambaDState: stateSize, mambaNHeads: heads, mambaDHead: headSize } = config;
  const [batch, length, inner] = inputs.x.shape.map(Number) as [number, number, number];
  const chunk = Math.min(config.mambaChunkSize, length);
  const chunks = Math.ceil(length / chunk);
  const perGroup = heads / groups;
  // Padding with x = 0 adds nothing to the state, and with decay = 0 the state stays.
  const padding = chunks * chunk - length;
  const cut = (value: Value, shape: number[]): Value => {
    const widths = value.shape.slice(2);
    const padded = padding > 0 ? concat([value, zeros(value, [batch, padding, ...widths.map(Number)])], 1) : value;
    return reshape(padded, [batch, chunks, chunk, ...shape]);
  };
  const x = cut(inputs.x, [heads, headSize]);
  const b = transpose(cut(inputs.b, [groups, stateSize]), [0, 1, 3, 4, 2]); // [B, chunks, G, N, Q]
  const c = transpose(cut(inputs.c, [groups, stateSize]), [0, 1, 3, 2, 4]); // [B, chunks, G, Q, N]
  const total = cumSum(cut(inputs.decay, [heads]), 2); // [B, chunks, Q, H]
  // A token's step size multiplies all that it adds, so it joins the exponents: what is left of token j at i is
  // exp(total_i - total_j) dt_j = exp(total_i - since_j).
  const since = sub(total, stepLogarithm(cut(inputs.dt, [heads])));

  // Within a chunk: y_i = sum_{j <= i} (C_i . B_j) exp(total_i - since_j) x_j + D x_i.
  const mixing = mixTokens(total, since, matMul(c, b), weights.get('D')); // [B, chunks, H, Q, Q]
  const within = transpose(matMul(mixing, transpose(x, [0, 1, 3, 2, 4])), [0, 1, 3, 2, 4]); // [B, chunks, Q, H, P]

  // What each chunk leaves behind at its end: sum_j exp(total_Q - since_j) B_j (outer) x_j, all heads at once.
  const last = slice(total, 2, chunk - 1, chunk); // [B, chunks, 1, H]
  const fading = mul(x, reshape(exp(sub(last, since)), [batch, chunks, chunk, heads, 1]));
  const grouped = (value: Value): Value =>
    transpose(reshape(value, [batch, chunks, chunk, groups, perGroup * headSize]), [0, 1, 3, 2, 4]);
  const left = matMul(b, grouped(fading)); // [B, chunks, G, N, R*P]

  const entering = carry(left, last, config, initial);
  const across = transpose(matMul(c, entering.before), [0, 1, 3, 2, 4]); // [B, chunks, Q, G, R*P]
  const faded = mul(
    reshape(across, [batch, chunks, chunk, heads, headSize]),
    reshape(exp(total), [batch, chunks, chunk, heads, 1]),
  );
  const scanned = slice(reshape(add(within, faded), [batch, chunks * chunk, inner]), 1, 0, length);
  return { output: scanned, state: entering.after };
}

/** log dt, for step sizes that may be 0. */
function stepLogarithm(dt: Value): Value {
  return dt.graph.withGradient([dt], () => {
    // What so small a step adds cannot be told from 0, but its logarithm and gradient are finite.
    const positive = max(dt, 1e-30);
    return { outputs: [log(positive)] as const, rule: ([upstream]) => [upstream && div(upstream, positive)] };
  })[0];
}

/**
 * scores_ij exp(total_i - since_j) for j <= i, else 0, as `[B, chunks, H, Q, Q]`, plus D on the diagonal: one pass over
 * this instead of two over the tokens' channels, and none for the gradient.
 *
 * @param total - `[B, chunks, Q, H]`; `since` likewise.
 * @param scores - The same for all heads of a group, `[B, chunks, G, Q, Q]`.
 * @param skip - D, how much of itself each token adds, `[H]`.
 */
function mixTokens(total: Value, since: Value, scores: Value, skip: Value): Value {
  const [batch, chunks, chunk, heads] = total.shape.map(Number) as [number, number, number, number];
  const groups = Number(scores.shape[2]);
  const pairs = [batch, chunks, heads, chunk, chunk];
  const byGroup = [batch, chunks, groups, heads / groups, chunk, chunk];
  const diagonal = Array.from({ length: chunk }, (_, index) => index * (chunk + 1));
  return total.graph.withGradient([total, since, scores, skip], () => {
    const rows = reshape(transpose(total, [0, 1, 3, 2]), pairs.with(4, 1));
    const columns = reshape(transpose(since, [0, 1, 3, 2]), pairs.with(3, 1));
    const reach = reshape(exp(add(sub(rows, columns), causalMask(total, chunk))), byGroup);
    const mixing = reshape(mul(reach, reshape(scores, byGroup.with(3, 1))), pairs);
    const identity = total.graph.constant('float32', [chunk, chunk], identityMatrix(chunk));
    return {
      outputs: [add(mixing, mul(reshape(skip, [heads, 1, 1]), identity))] as const,
      // The exponent's gradient is that of the mixture times the mixture itself.
      rule: ([upstream]) => {
        if (!upstream) return [];
        const exponent = mul(upstream, mixing);
        const flat = reshape(upstream, [batch * chunks, heads, chunk * chunk]);
        return [
          transpose(reduceSum(exponent, [4]), [0, 1, 3, 2]),
          neg(transpose(reduceSum(exponent, [3]), [0, 1, 3, 2])),
          reduceSum(mul(reshape(upstream, byGroup), reach), [3]),
          reduceSum(gather(flat, total.graph.indices(diagonal), 2), [0, 2]),
        ];
      },
    };
  })[0];
}

/**
 * The recurrence from chunk to chunk: before_{k+1} = exp(last_k) before_k + left_k.
 *
 * @param left - What each chunk adds, `[B, chunks, G, N, R*P]`.
 * @param last - Logarithm of each chunk's whole decay, `[B, chunks, 1, H]`.
 * @param initial - The state before the first chunk, `[B, H, N, P]`; zeros when absent.
 * @returns States before each chunk, in the layout of `left`, and the state after the last, `[B, H, N, P]`.
 */
function carry(
  left: Value,
  last: Value,
  { mambaNGroups: groups, mambaDState: stateSize, mambaNHeads: heads, mambaDHead: headSize }: ModelConfig,
  initial?: Value,
): { before: Value; after: Value } {
  const [batch, chunks] = left.shape.map(Number) as [number, number];
  const perGroup = heads / groups;
  const cells = [batch, chunks, groups, stateSize, perGroup, headSize];
  const byHead = (state: Value): Value => transpose(state, [0, 1, 2, 4, 3, 5]);
  const first = initial
    ? byHead(reshape(initial, [batch, 1, groups, perGroup, stateSize, headSize]))
    : zeros(left, cells.with(1, 1));
  const [before, after] = left.graph.withGradient([left, last, first], () => {
    const decay = reshape(exp(last), [batch, chunks, groups, 1, perGroup, 1]);
    const decays = split(decay, 1, Array(chunks).fill(1));
    const states = [first];
    for (const [index, addition] of split(reshape(left, cells), 1, Array(chunks).fill(1)).entries()) {
      // The first state is often zero.
      const kept = index > 0 || initial ? mul(states[index] as Value, decays[index] as Value) : undefined;
      states.push(kept ? add(kept, addition) : addition);
    }
    const entering = concat(states.slice(0, chunks), 1);
    return {
      outputs: [reshape(entering, left.shape), states.at(-1) as Value] as const,
      // The same recurrence backwards; what reaches a chunk's addition also meets the state that its decay multiplied.
      rule: ([upstream, upstreamAfter]) => {
        const arriving = upstream ? split(reshape(upstream, cells), 1, Array(chunks).fill(1)) : [];
        const reaching: Value[] = [];
        let running = upstreamAfter;
        for (let index = chunks - 1; index >= 0; index--) {
          reaching.unshift(running ?? zeros(left, cells.with(1, 1)));
          const decayed = running && mul(running, decays[index] as Value);
          const arrived = arriving[index];
          running = decayed && arrived ? add(decayed, arrived) : (decayed ?? arrived);
        }
        const spread = concat(reaching, 1);
        const met = reduceSum(reduceSum(mul(spread, entering), [5]), [3], { keepDims: true });
        const decayGradient = mul(reshape(met, decay.shape), decay);
        return [reshape(spread, left.shape), reshape(decayGradient, last.shape), running];
      },
    };
  });
  return { before, after: reshape(byHead(after), [batch, heads, stateSize, headSize]) };
}

/** 0 on and below the diagonal, a number whose exponential is 0 above it. */
function causalMask(like: Value, size: number): Value {
  const mask = Float32Array.from({ length: size * size }, (_, index) =>
    index % size > Math.floor(index / size) ? -1e9 : 0,
  );
  return like.graph.constant('float32', [size, size], [...mask]);
}

const identityMatrix = (size: number): number[] =>
  Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? 1 : 0));

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
