import type { Value } from '../graph/graph.ts';
import {
  gatherElements,
  log,
  max,
  mul,
  neg,
  reduceMean,
  reshape,
  scatterElements,
  softmax,
  sub,
} from '../graph/ops/index.ts';

/**
 * Logarithms of probabilities, finite ones: below the least normal float32 they count as that, 87 nats. Losses take few of
 * them, and gradients want the probabilities of all tokens anyway, so this saves passes over a step's largest tensor.
 */
export const logProbability = (probability: Value): Value => log(max(probability, 2 ** -126));

/**
 * Mean cross-entropy in nats.
 *
 * @param logits - `float32[M, V]`.
 * @param targets - `int64[M]`.
 * @returns A scalar.
 */
export function crossEntropy(logits: Value, targets: Value): Value {
  const rows = Number(logits.shape[0]);
  const [loss] = logits.graph.withGradient([logits], () => {
    const probabilities = softmax(logits);
    const index = reshape(targets, [rows, 1]);
    const found = gatherElements(probabilities, index, 1);
    return {
      outputs: [neg(reduceMean(logProbability(found), [0, 1]))] as const,
      // By hand: (softmax - one-hot) / M, without the row sums that the general rule cannot know to be 1. Scaled last, so
      // that the products which follow can take the factor; and because it replaces what was read before, the runtime can
      // write into the probabilities.
      rule: ([upstream]) => {
        if (!upstream) return [];
        const difference = scatterElements(probabilities, index, sub(found, 1), 1);
        return [mul(difference, mul(upstream, 1 / rows))];
      },
    };
  });
  return loss;
}
