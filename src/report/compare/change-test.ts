import type { Metric, ValueRecord } from '../../core/measurement.ts';
import { studentQuantile, studentTail } from '../../core/significance.ts';
import { mean, standardDeviation } from '../../core/statistics.ts';

/** How far a value moved, and how likely chance alone moves it as far. */
export interface ChangeTest {
  /** `paired`: of the same documents; `intervals`: of two independent intervals. */
  readonly kind: 'paired' | 'intervals';
  /** Two-sided. */
  readonly pValue: number;
  /** 95% interval of after / before − 1 where `scale` is `relative`, else of after − before. */
  readonly interval: readonly [number, number];
  readonly scale: 'relative' | 'absolute';
}

/** A test that cannot be made, and why. */
export interface NoTest {
  readonly reason: string;
}

/** Fewer samples than these say too little of how they vary. */
const leastSamples = 5;

/** Bounded on both sides: a ratio of shares near 1 says little, and one of shares near 0 too much. */
const shares: ReadonlySet<Metric> = new Set<Metric>(['top1_agreement']);

/**
 * Tests whether two values that carry intervals differ.
 *
 * Two samples of the same documents are compared in pairs: t = mean(d) / (sd(d) / √n) with the differences d of the documents
 * and n − 1 degrees of freedom. Otherwise t = (f(after) − f(before)) / √(s₁² + s₂²), where f is the logarithm if all numbers
 * are above 0 and the metric is no share, else the number itself, and s = (f(high) − f(low)) / (2 z) · √(n / (n − 1)) with z
 * the normal quantile of the interval's coverage; its degrees of freedom are Welch's.
 *
 * @param onSameText - Whether both are known to be about the same documents in the same order.
 * @remarks The second form assumes that both intervals are about normal and independent. Values of the same text are not
 *   independent but move together, which makes it find less, not more.
 * @see Welch 1947, "The generalization of Student's problem when several different population variances are involved".
 */
export function testChange(before: ValueRecord, after: ValueRecord, onSameText: boolean): ChangeTest | NoTest {
  if (onSameText && isPaired(before, after)) return testPairs(before, after);
  const missing = [before, after].findIndex(({ interval }) => interval === undefined);
  if (missing >= 0) return { reason: `no interval ${missing === 0 ? 'before' : 'after'}` };
  if ([before, after].some(({ confidence }) => confidence === undefined)) {
    return { reason: 'an interval of bounds, without a coverage' };
  }
  if (Math.min(before.n, after.n) < leastSamples) return { reason: `fewer than ${leastSamples} samples` };
  return testIntervals(before, after);
}

const isPaired = (before: ValueRecord, after: ValueRecord): boolean =>
  before.method === after.method &&
  before.samples !== undefined &&
  before.samples.length >= leastSamples &&
  before.samples.length === after.samples?.length &&
  [before, after].every(({ samples = [], value }) => Math.abs(mean(samples) - value) <= 1e-5 * Math.abs(value));

function testPairs({ value, samples: were = [] }: ValueRecord, { samples: are = [] }: ValueRecord): ChangeTest {
  const differences = are.map((sample, index) => sample - (were[index] as number));
  const difference = mean(differences);
  const error = standardDeviation(differences) / Math.sqrt(differences.length);
  const degrees = differences.length - 1;
  const ends = endsOf(difference, error, degrees);
  const isRelative = value > 0;
  return {
    kind: 'paired',
    pValue: tail(difference, error, degrees),
    interval: isRelative ? [ends[0] / value, ends[1] / value] : ends,
    scale: isRelative ? 'relative' : 'absolute',
  };
}

function testIntervals(before: ValueRecord, after: ValueRecord): ChangeTest {
  const numbers = [before, after].flatMap(({ value, interval = [value, value] }) => [value, ...interval]);
  const isLog = !shares.has(after.metric) && numbers.every((number) => number > 0);
  const scaled = (number: number): number => (isLog ? Math.log(number) : number);
  const variance = ({ interval = [0, 0], confidence = 0.95, n }: ValueRecord): number => {
    const halfWidth = (scaled(interval[1]) - scaled(interval[0])) / 2;
    return ((halfWidth / studentQuantile(confidence, Infinity)) ** 2 * n) / (n - 1);
  };
  const [was, is] = [variance(before), variance(after)];
  const difference = scaled(after.value) - scaled(before.value);
  const error = Math.sqrt(was + is);
  const degrees = error === 0 ? Infinity : (was + is) ** 2 / (was ** 2 / (before.n - 1) + is ** 2 / (after.n - 1));
  const ends = endsOf(difference, error, degrees);
  return {
    kind: 'intervals',
    pValue: tail(difference, error, degrees),
    interval: isLog ? [Math.expm1(ends[0]), Math.expm1(ends[1])] : ends,
    scale: isLog ? 'relative' : 'absolute',
  };
}

/** Without any spread, only no difference at all is chance. */
const tail = (difference: number, error: number, degrees: number): number =>
  // Where numbers are too large to compute with, nothing can be told.
  Number.isFinite(difference) && Number.isFinite(error) && !Number.isNaN(degrees)
    ? error === 0
      ? difference === 0
        ? 1
        : 0
      : studentTail(difference / error, degrees)
    : 1;

function endsOf(difference: number, error: number, degrees: number): readonly [number, number] {
  const reach = error === 0 || Number.isNaN(degrees) ? 0 : error * studentQuantile(0.95, degrees);
  return [difference - reach, difference + reach];
}
