import { IteraError } from '../core/errors.ts';
import { createRandom, type Random } from '../core/random.ts';
import { type Interval, quantile } from '../core/statistics.ts';
import { type IdleWindows, idlePower, sumWindows, type Window, type WindowSums } from './window.ts';

/** A number and its 95% interval. */
export interface Estimate {
  readonly value: number;
  readonly interval: Interval;
}

export interface IntervalOptions {
  /** Whole number; the same windows and seed give the same interval. */
  readonly seed: number;
  /** Default 2000. */
  readonly resamples?: number;
}

/** Two-sided 95% quantiles of Student's t for 1 to 30 degrees of freedom. */
const studentQuantiles = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
  ...[2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042],
];

/**
 * A number that follows from sums over windows, e.g. joules by runs, with its 95% interval by a bootstrap: windows of the
 * work, and of the idle machine before and after it, are drawn anew with replacement.
 *
 * @param workloads - Windows of each, round by round; several workloads are drawn together, the same rounds for all, so that
 *   what disturbed a round cancels in a ratio.
 * @param statistic - Of the sums of each workload.
 * @returns The percentiles' distances from the value (as ratios where all are positive), times √(n/(n−1))·t/1.96 for n
 *   rounds: the plain percentile interval of few windows is too narrow by that factor.
 * @throws {@link IteraError} `INVALID_ARGUMENT` with fewer than two rounds, or if workloads differ in their number.
 * @see Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section 4 (expanded percentile interval).
 */
export function bootstrapWindows(
  workloads: readonly (readonly Window[])[],
  idle: IdleWindows,
  statistic: (sums: readonly WindowSums[]) => number,
  { seed, resamples = 2000 }: IntervalOptions,
): Estimate {
  const rounds = workloads[0]?.length ?? 0;
  if (rounds < 2 || workloads.some(({ length }) => length !== rounds)) {
    const counts = workloads.map(({ length }) => length);
    throw new IteraError('INVALID_ARGUMENT', `Expected at least 2 windows of each workload, got ${counts}.`, {
      counts,
    });
  }
  const compute = (drawn: readonly (readonly Window[])[], drawnIdle: IdleWindows): number => {
    const idleW = idlePower(drawnIdle);
    return statistic(drawn.map((windows) => sumWindows(windows, idleW)));
  };
  const value = compute(workloads, idle);
  const random = createRandom(seed);
  const values = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    const picks = Array.from({ length: rounds }, () => random.integer(rounds));
    values[resample] = compute(
      workloads.map((windows) => picks.map((index) => windows[index] as Window)),
      { before: draw(idle.before, random), after: draw(idle.after, random) },
    );
  }
  const factor = (Math.sqrt(rounds / (rounds - 1)) * (studentQuantiles[rounds - 2] ?? 1.96)) / 1.96;
  // The percentiles of few windows may both lie on one side of the value, which its interval must hold.
  const [low, high] = [Math.min(quantile(values, 0.025), value), Math.max(quantile(values, 0.975), value)];
  // In proportion where all are positive, so that they stay so.
  const expand = (end: number): number => (low > 0 ? value * (end / value) ** factor : value + factor * (end - value));
  return { value, interval: [expand(low), expand(high)] };
}

const draw = (windows: readonly Window[], random: Random): readonly Window[] =>
  windows.map(() => windows[random.integer(windows.length)] as Window);
