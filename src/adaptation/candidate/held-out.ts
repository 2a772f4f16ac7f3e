import { bootstrapRatioInterval, type Interval } from '../../core/statistics.ts';
import type { ExampleLoss } from '../learning/example-loss.ts';
import type { Estimate, HeldOutEvidence } from './candidate-evidence.ts';

/** With fewer examples a bootstrap understates how they vary; then there is no interval. */
const leastExamples = 8;

/**
 * Compares two models on the same examples.
 *
 * @param before - Losses of the promoted version; `after` those of the candidate, in the same order.
 * @param seed - Of the bootstrap over examples, 2,000 resamples, 95%.
 */
export function compareExamples(
  before: readonly ExampleLoss[],
  after: readonly ExampleLoss[],
  seed: number,
): HeldOutEvidence {
  const pairs = before.map((old, index) => ({ old, now: after[index] as ExampleLoss }));
  const wanted = pairs.filter(({ old }) => old.wantedTokens > 0);
  const unwanted = pairs.filter(({ old }) => old.unwantedTokens > 0);
  const estimate = (
    parts: readonly { numerator: number; denominator: number }[],
    transform: (ratio: number) => number = (ratio) => ratio,
  ): Estimate => {
    const sum = (name: 'numerator' | 'denominator'): number => parts.reduce((total, part) => total + part[name], 0);
    const interval: Interval | undefined =
      parts.length < leastExamples ? undefined : bootstrapRatioInterval(parts, { seed, transform });
    return { value: transform(sum('numerator') / sum('denominator')), ...(interval && { interval }) };
  };
  return {
    examples: pairs.length,
    lossDifference: estimate(pairs.map(({ old, now }) => ({ numerator: now.loss - old.loss, denominator: 1 }))),
    ...(wanted.length > 0 && {
      wantedRatio: estimate(wanted.map(({ old, now }) => ({ numerator: now.wantedNats, denominator: old.wantedNats }))),
    }),
    ...(unwanted.length > 0 && {
      unwantedFactor: estimate(
        unwanted.map(({ old, now }) => ({ numerator: old.unwantedNats - now.unwantedNats, denominator: 1 })),
        Math.exp,
      ),
    }),
  };
}
