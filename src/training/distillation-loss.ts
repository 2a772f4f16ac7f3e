import type { Value } from '../graph/graph.ts';
import {
  add,
  concat,
  exp,
  gatherElements,
  log,
  logSoftmax,
  max,
  mul,
  neg,
  reciprocal,
  reduceMean,
  reduceSum,
  reshape,
  scatterElements,
  softmax,
  sub,
} from '../graph/ops/index.ts';
import { logProbability } from './loss.ts';

export interface DistillationOptions {
  /** Share of the teacher in the objective, from 0 (only the text) to 1 (only the teacher). */
  readonly weight: number;
  /** Above 1, differences between the teacher's likely tokens count for less; 1 leaves them as they are. */
  readonly temperature: number;
  /** K: the teacher's most probable tokens that are known. */
  readonly topK: number;
}

/** What a teacher says of M positions. */
export interface TeacherValues {
  /** Its K most probable next tokens, different ones, `int64[M, K]`. */
  readonly ids: Value;
  /** Their probabilities, above 0, `float32[M, K]`. */
  readonly weights: Value;
  /** 1 where the true token is not among them, else 0, `float32[M]`. */
  readonly targetWeights: Value;
}

/** Less than this of a distribution is as good as nothing; keeps logarithms finite. */
export const sliver = 1e-6;

/**
 * Mean over M positions of `(1 - weight) * hard + weight * soft`, with p the teacher's probabilities, q the student's,
 * K the teacher's known tokens, y the true one and s the sum of p over K:
 *
 * - `hard = -log q(y)`;
 * - `soft = -sum over K of p log q - [y not in K] log q(y)` at temperature 1.
 *
 * The first part of `soft` is exact. The second stands for the teacher's unknown tail: if y is drawn from p, its mean is
 * the tail's share of the cross-entropy between p and q, so that the whole is unbiased. Scaling K to sum to 1 instead,
 * as is common, makes the student too sure of K (Anshumann et al., "Sparse Logit Sampling", arXiv:2503.16870). With K = V
 * this is plain distillation, with K = 0 it would be `hard`.
 *
 * Another temperature T softens what is within K, where all is known: the first part is
 * `s * (T^2 * CE(p_T, q_T) - log sum over K of q)`, p_T and q_T being p and q over K alone, raised to 1/T and scaled to
 * sum to 1. At T = 1 this is the same. T^2 keeps gradients the size they have at 1 (Hinton et al., arXiv:1503.02531).
 *
 * @param logits - `float32[M, V]`.
 * @param targets - `int64[M]`.
 * @returns Scalars: `objective` as above; `loss`, the mean of `hard`; and `divergence`, the mean Kullback-Leibler
 *   divergence of q from p in nats with all tokens outside K taken as one. Only the objective has a gradient.
 */
export function distillationLoss(
  logits: Value,
  targets: Value,
  { ids, weights, targetWeights }: TeacherValues,
  { weight, temperature }: Pick<DistillationOptions, 'weight' | 'temperature'>,
): { readonly objective: Value; readonly loss: Value; readonly divergence: Value } {
  const rows = Number(logits.shape[0]);
  const [objective, loss, divergence] = logits.graph.withGradient([logits], () => {
    const probabilities = softmax(logits);
    const index = reshape(targets, [rows, 1]);
    const tail = reshape(targetWeights, [rows, 1]);
    const hard = neg(logProbability(gatherElements(probabilities, index, 1)));
    const known = logProbability(gatherElements(probabilities, ids, 1));
    const knownProbs = exp(known);
    const teacherMass = sumRows(weights);
    const studentMass = sumRows(knownProbs);
    const inside =
      temperature === 1
        ? { loss: neg(sumRows(mul(weights, known))), slope: neg(weights) }
        : soften({ known, knownProbs, weights, teacherMass, studentMass, temperature });
    const soft = add(inside.loss, mul(tail, hard));
    return {
      outputs: [
        average(add(mul(hard, 1 - weight), mul(soft, weight))),
        average(hard),
        average(rowDivergence(weights, known, teacherMass, studentMass)),
      ] as const,
      // By hand, as for the cross-entropy alone: softmax times the weight of all its targets, less each one's weight.
      rule: ([upstream]) => {
        if (!upstream) return [];
        const share = mul(upstream, 1 / rows);
        const total = add(mul(add(teacherMass, tail), weight), 1 - weight);
        const spread = mul(probabilities, mul(total, share));
        const atKnown = mul(inside.slope, mul(share, weight));
        const atTarget = mul(neg(add(mul(tail, weight), 1 - weight)), share);
        const updates = concat([atKnown, atTarget], 1);
        return [scatterElements(spread, concat([ids, index], 1), updates, 1, { reduction: 'add' })];
      },
    };
  });
  return { objective, loss, divergence };
}

/** The part within K at a temperature, and its slope by the logits of K apart from `softmax * teacherMass`. */
function soften(given: {
  readonly known: Value;
  readonly knownProbs: Value;
  readonly weights: Value;
  readonly teacherMass: Value;
  readonly studentMass: Value;
  readonly temperature: number;
}): { loss: Value; slope: Value } {
  const { known, knownProbs, weights, teacherMass, studentMass, temperature } = given;
  const student = logSoftmax(mul(known, 1 / temperature));
  const teacher = softmax(mul(log(weights), 1 / temperature));
  const crossed = neg(sumRows(mul(teacher, student)));
  const loss = mul(teacherMass, sub(mul(crossed, temperature ** 2), log(studentMass)));
  const within = mul(knownProbs, reciprocal(studentMass));
  const slope = mul(teacherMass, sub(mul(sub(exp(student), teacher), temperature), within));
  return { loss, slope };
}

/**
 * Divergence from the teacher of each of M rows in nats, everything outside K taken as one token, `float32[M, 1]`.
 *
 * @param weights - The teacher's probabilities of K tokens, `float32[M, K]`.
 * @param known - The student's log-probabilities of them.
 * @param teacherMass - Sum of `weights` over K; `studentMass` likewise for the student.
 */
export function rowDivergence(weights: Value, known: Value, teacherMass: Value, studentMass: Value): Value {
  const inside = sumRows(mul(weights, sub(log(weights), known)));
  const rest = (mass: Value): Value => max(sub(1, mass), sliver);
  const teacherRest = rest(teacherMass);
  return add(inside, mul(teacherRest, sub(log(teacherRest), log(rest(studentMass)))));
}

/** Sums over the second axis, which is kept. */
export const sumRows = (x: Value): Value => reduceSum(x, [1], { keepDims: true });

/** Mean of a matrix. */
export const average = (x: Value): Value => reduceMean(x, [0, 1]);
