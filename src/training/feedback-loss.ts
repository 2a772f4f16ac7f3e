import type { Value } from '../graph/graph.ts';
import {
  add,
  concat,
  exp,
  gatherElements,
  log,
  max,
  mul,
  neg,
  reciprocal,
  reshape,
  scatterElements,
  softmax,
  sub,
} from '../graph/ops/index.ts';
import { average, rowDivergence, sliver, sumRows, type TeacherValues } from './distillation-loss.ts';
import { logProbability } from './loss.ts';

/** How much each of M positions counts, each `float32[M]`, from 0. */
export interface PositionValues {
  /** Make the target more probable. */
  readonly imitate: Value;
  /** Make the target less probable. */
  readonly avoid: Value;
  /** Stay near the teacher. */
  readonly follow: Value;
}

/**
 * Mean over M positions of `imitate * -log q(y) + avoid * -log(1 - q(y)) + follow * soft`, with q the model's
 * probabilities, y the target and `soft` the cross-entropy with the teacher as in `distillationLoss` at temperature 1,
 * whose gradient is that of the Kullback-Leibler divergence. The second part is token-level unlikelihood.
 *
 * @param logits - `float32[M, V]`.
 * @param targets - `int64[M]`.
 * @returns Scalars: `objective` as above; `loss`, its first two parts; `divergence`, the mean of `follow` times the
 *   divergence from the teacher, with all tokens but its known ones taken as one. Only the objective has a gradient.
 * @see Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training", arXiv:1908.04319, equation 4.
 */
export function feedbackLoss(
  logits: Value,
  targets: Value,
  { ids, weights, targetWeights }: TeacherValues,
  positions: PositionValues,
): { readonly objective: Value; readonly loss: Value; readonly divergence: Value } {
  const rows = Number(logits.shape[0]);
  const column = (value: Value): Value => reshape(value, [rows, 1]);
  const [objective, loss, divergence] = logits.graph.withGradient([logits], () => {
    const probabilities = softmax(logits);
    const index = column(targets);
    const [imitate, avoid, follow] = [column(positions.imitate), column(positions.avoid), column(positions.follow)];
    const tail = mul(column(targetWeights), follow);
    const target = logProbability(gatherElements(probabilities, index, 1));
    const hard = neg(target);
    // As good as certain, a token would make the quotient infinite.
    const others = max(sub(1, exp(target)), sliver);
    const known = logProbability(gatherElements(probabilities, ids, 1));
    const teacherMass = sumRows(weights);
    const wanted = add(mul(imitate, hard), mul(avoid, neg(log(others))));
    const taught = add(mul(follow, neg(sumRows(mul(weights, known)))), mul(tail, hard));
    return {
      outputs: [
        average(add(wanted, taught)),
        average(wanted),
        average(mul(follow, rowDivergence(weights, known, teacherMass, sumRows(exp(known))))),
      ] as const,
      // By hand: softmax times the weight of all its targets, less each one's weight. An unwanted target of probability q
      // counts as a wanted one of weight -q / (1 - q).
      rule: ([upstream]) => {
        if (!upstream) return [];
        const share = mul(upstream, 1 / rows);
        const odds = mul(exp(target), reciprocal(others));
        const own = add(sub(imitate, mul(avoid, odds)), tail);
        const total = add(own, mul(follow, teacherMass));
        const spread = mul(probabilities, mul(total, share));
        const atKnown = mul(neg(weights), mul(follow, share));
        const atTarget = mul(neg(own), share);
        const updates = concat([atKnown, atTarget], 1);
        return [scatterElements(spread, concat([ids, index], 1), updates, 1, { reduction: 'add' })];
      },
    };
  });
  return { objective, loss, divergence };
}
