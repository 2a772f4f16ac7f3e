import type { Tensor } from '../core/tensor.ts';
import type { Value } from '../graph/graph.ts';
import {
  add,
  cast,
  concat,
  div,
  equal,
  fusedMoe,
  gather,
  gemm,
  mul,
  reduceMean,
  reduceSum,
  reshape,
  scatterElements,
  softmax,
  split,
  splitBy,
  topK,
} from '../graph/ops/index.ts';
import type { ModelConfig } from './config.ts';
import { linear } from './linear.ts';
import { gateHalves } from './mlp.ts';
import type { Weights } from './weights.ts';

/**
 * Top-k mixture of SwiGLU experts with truly sparse dispatch: tokens are sorted by expert, cut into one matrix per
 * expert, and put back; each expert computes only its own tokens. Differentiable.
 *
 * @param x - `float32[M, D]`, M known when the graph is built.
 * @returns The mixture `[M, D]` and the load-balancing loss, a scalar that is 1 when all experts get equal shares.
 * @see Fedus et al. 2021, arXiv:2101.03961, equation 4, for the balancing loss.
 */
export function sparseMoe(x: Value, config: ModelConfig, weights: Weights): { output: Value; balance: Value } {
  const { graph } = x;
  const { numLocalExperts: experts, numExpertsPerTok: k } = config;
  const rows = Number(x.shape[0]);
  const slots = rows * k;

  const router = linear(x, weights.get('router.layer.weight'));
  const [best, chosen] = topK(router, k);
  const mixing = softmax(best);

  // Slot s is the (s mod k)-th choice of token s / k. Sorting the keys expert * slots + s groups slots by expert.
  const expertOfSlot = reshape(chosen, [slots]);
  const slot = graph.indices(Array.from({ length: slots }, (_, index) => index));
  const keys = add(mul(expertOfSlot, slots), slot);
  const [, order] = topK(keys, slots, 0, { largest: false });
  const position = scatterElements(slot, order, slot, 0);
  const isExpert = equal(
    reshape(expertOfSlot, [slots, 1]),
    graph.indices(Array.from({ length: experts }, (_, e) => e)),
  );
  const counts = reduceSum(cast(isExpert, 'int64'), [0]);

  const tokens = div(order, k);
  const positions = split(reshape(position, [rows, k]), 1, Array(k).fill(1)).map((part) => reshape(part, [rows]));
  const sorted = spreadRows(x, tokens, positions);
  // The weight of an expert multiplies its narrow hidden layer instead of its output.
  const sortedMixing = permuteRows(reshape(mixing, [slots, 1]), order, position);
  const hidden = gateHalves(linearByExpert(sorted, weights.get('input_linear.weight'), counts), sortedMixing);
  const computed = linearByExpert(hidden, weights.get('output_linear.weight'), counts);
  const output = combineRows(computed, tokens, positions);

  const share = mul(cast(counts, x.dtype), 1 / slots);
  const probability = reduceMean(softmax(router), [0]);
  return { output, balance: mul(reduceSum(mul(share, probability), [0]), experts) };
}

/**
 * Rows sorted by expert, each times its expert's matrix: x W_e^T. All that is not a product works on all rows at once,
 * since a node costs the runtime about as much as an expert's share of the work.
 *
 * @param x - `[M*k, in]`.
 * @param stacked - `[X, out, in]`.
 * @param counts - Rows of each expert, `int64[X]`.
 */
function linearByExpert(x: Value, stacked: Value, counts: Value): Value {
  const [experts, width, inner] = stacked.shape.map(Number) as [number, number, number];
  const rows = Number(x.shape[0]);
  const names = Array.from({ length: experts }, (_, expert) => x.graph.uniqueName(`rows${expert}`));
  return x.graph.withGradient([x, stacked], () => {
    const parts = splitBy(x, 0, counts, names);
    const matrices = split(reshape(stacked, [experts * width, inner]), 0, Array(experts).fill(width));
    const products = parts.map((part, expert) => gemm(part, matrices[expert] as Value, { transB: true }));
    return {
      outputs: [reshape(concat(products, 0), [rows, width])] as const,
      rule: ([upstream]) => {
        if (!upstream) return [];
        const arriving = splitBy(upstream, 0, counts, names);
        const back = arriving.map((part, expert) => gemm(part, matrices[expert] as Value));
        const own = arriving.map((part, expert) => gemm(part, parts[expert] as Value, { transA: true }));
        return [reshape(concat(back, 0), x.shape), reshape(concat(own, 0), stacked.shape)];
      },
    };
  })[0];
}

/**
 * The row of each sorted slot's token; the adjoint of {@link combineRows}, so neither needs a scatter.
 *
 * @param tokens - Token of each sorted slot, `int64[M*k]`.
 * @param positions - For each choice, the sorted slot of each token, k times `int64[M]`.
 */
function spreadRows(x: Value, tokens: Value, positions: readonly Value[]): Value {
  return x.graph.withGradient([x], () => ({
    outputs: [gather(x, tokens)] as const,
    rule: ([upstream]) => [upstream && sumRows(upstream, positions)],
  }))[0];
}

/** The sum of each token's slots. */
function combineRows(x: Value, tokens: Value, positions: readonly Value[]): Value {
  return x.graph.withGradient([x], () => ({
    outputs: [sumRows(x, positions)] as const,
    rule: ([upstream]) => [upstream && gather(upstream, tokens)],
  }))[0];
}

const sumRows = (x: Value, positions: readonly Value[]): Value =>
  positions.map((position) => gather(x, position)).reduce(add);

/** x[order]; `inverse` undoes it and so gives the gradient. */
function permuteRows(x: Value, order: Value, inverse: Value): Value {
  return x.graph.withGradient([x], () => ({
    outputs: [gather(x, order)] as const,
    rule: ([upstream]) => [upstream && gather(upstream, inverse)],
  }))[0];
}

/** The same mixture in one fused operator, for inference. `x` is `float32[M, D]`, M any size. */
export function fusedExperts(x: Value, config: ModelConfig, weights: Weights): Value {
  const router = linear(x, weights.get('router.layer.weight'));
  const input = weights.derived('input_linear.weight', 'interleaved', interleaveHalves);
  return fusedMoe(x, router, input, weights.get('output_linear.weight'), config.numExpertsPerTok);
}

/** Turns `[X, 2F, D]` with gate rows before up rows into gate 0, up 0, gate 1, ... as the fused operator reads them. */
function interleaveHalves({ dtype, shape, data }: Tensor): Tensor {
  const [experts = 0, rows = 0, width = 0] = shape;
  const result = data.slice() as Float32Array;
  for (let expert = 0; expert < experts; expert++) {
    for (let row = 0; row < rows; row++) {
      const source = row % 2 === 0 ? row / 2 : rows / 2 + (row - 1) / 2;
      const from = (expert * rows + source) * width;
      result.set((data as Float32Array).subarray(from, from + width), (expert * rows + row) * width);
    }
  }
  return { dtype, shape, data: result };
}
