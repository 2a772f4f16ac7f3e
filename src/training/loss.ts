import type { Value } from '../graph/graph.ts';
import { exp, gatherElements, logSoftmax, mul, neg, reduceMean, reshape, scatterElements } from '../graph/ops/index.ts';

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
    const logProbs = logSoftmax(logits);
    const index = reshape(targets, [rows, 1]);
    return {
      outputs: [neg(reduceMean(gatherElements(logProbs, index, 1), [0, 1]))] as const,
      // By hand: (softmax - one-hot) / M, without the row sums that the general rule cannot know to be 1.
      rule: ([upstream]) => {
        if (!upstream) return [];
        const share = mul(upstream, 1 / rows);
        const spread = mul(exp(logProbs), share);
        const minusOne = mul(logits.graph.constant('float32', [rows, 1], Array(rows).fill(-1)), share);
        return [scatterElements(spread, index, minusOne, 1, { reduction: 'add' })];
      },
    };
  });
  return loss;
}
