import { IteraError } from './errors.ts';
import { createRandom } from './random.ts';

/** What a bootstrap needs to know besides the documents. */
export interface BootstrapOptions {
  /** Whole number; the same documents and seed always give the same interval. */
  readonly seed: number;
  /** How often the documents are drawn anew. At least 1. Default 2000. */
  readonly resamples?: number;
  /** Coverage of the interval, between 0 and 1, both excluded. Default 0.95. */
  readonly confidence?: number;
}

/** One document's share of a ratio, e.g. its nats and its bytes. */
export interface RatioDocument {
  readonly numerator: number;
  /** Not negative. */
  readonly denominator: number;
}

/** One document scored by two models, e.g. its nats under both and its tokens. */
export interface PairedDocument {
  readonly candidate: number;
  readonly baseline: number;
  /** Not negative. */
  readonly denominator: number;
}

/** Lower and upper end of a confidence interval. */
export type Interval = readonly [number, number];

/**
 * Arithmetic mean.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` without values.
 */
export function mean(values: ArrayLike<number>): number {
  requireValues(values, 1, 'mean');
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index] as number;
  return sum / values.length;
}

/**
 * Standard deviation of a sample: the root of Σ (x − mean)² / (n − 1).
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` with fewer than two values.
 */
export function standardDeviation(values: ArrayLike<number>): number {
  requireValues(values, 2, 'standard deviation');
  const center = mean(values);
  let squares = 0;
  for (let index = 0; index < values.length; index++) squares += ((values[index] as number) - center) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/**
 * The value below which a share of the values lies, interpolated linearly between the two nearest in order.
 *
 * @param probability - The share, from 0 (the least value) to 1 (the greatest).
 * @throws {@link IteraError} `INVALID_ARGUMENT` without values or with another probability.
 * @see Hyndman & Fan 1996, "Sample Quantiles in Statistical Packages", definition 7.
 */
export function quantile(values: ArrayLike<number>, probability: number): number {
  requireValues(values, 1, 'quantile');
  if (!(probability >= 0 && probability <= 1)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a probability from 0 to 1, got ${probability}.`, {
      probability,
    });
  }
  return sortedQuantile(Float64Array.from(values).sort(), probability);
}

/**
 * The middle value, or the mean of the two middle ones.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` without values.
 */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/**
 * Confidence interval of the median by order statistics, whatever the distribution: from the k-th least to the k-th
 * greatest value, with the greatest k that still covers `confidence`.
 *
 * @returns Also what the interval truly covers; with fewer than 6 values that is less than 0.95.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without values.
 * @see Conover 1999, "Practical Nonparametric Statistics", section 3.2.
 */
export function medianInterval(
  values: ArrayLike<number>,
  confidence = 0.95,
): { readonly interval: Interval; readonly confidence: number } {
  requireValues(values, 1, 'interval of the median');
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  // Logarithms, because 0.5 ** n is 0 in float64 from 1,075 values on.
  let logExactly = n * Math.log(0.5);
  // P(fewer than k of n values lie below the median), for k = 1.
  let below = Math.exp(logExactly);
  let k = 1;
  for (;;) {
    logExactly += Math.log((n - k + 1) / k);
    const exactly = Math.exp(logExactly);
    if (1 - 2 * (below + exactly) < confidence || k + 1 > n - k) break;
    below += exactly;
    k += 1;
  }
  return { interval: [sorted[k - 1] as number, sorted[n - k] as number], confidence: Math.max(1 - 2 * below, 0) };
}

/**
 * Confidence interval of transform(Σ numerator / Σ denominator) by the percentile bootstrap: whole documents are drawn
 * with replacement, because tokens within a document are not independent.
 *
 * For bits per byte, numerators are nats, denominators bytes and the transform `nats => nats / Math.LN2`; for a
 * perplexity, denominators are tokens or words and the transform is `Math.exp`.
 *
 * @param options - `transform` must be monotone; by default the ratio itself is taken.
 * @returns The interval, which always holds the ratio of all documents itself, or undefined for fewer than two documents,
 *   which cannot show how documents vary.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if a number is not finite, a denominator is negative or all are 0, or
 *   an option is out of range.
 * @remarks A draw whose denominators are all 0 is repeated.
 * @see Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
 */
export function bootstrapRatioInterval(
  documents: readonly RatioDocument[],
  options: BootstrapOptions & { readonly transform?: (ratio: number) => number },
): Interval | undefined {
  const { seed, resamples = 2000, confidence = 0.95, transform = (ratio: number) => ratio } = options;
  checkOptions(seed, resamples, confidence);
  const numerators = Float64Array.from(documents, (document) => document.numerator);
  const denominators = Float64Array.from(documents, (document) => document.denominator);
  checkDocuments(numerators, denominators);
  if (documents.length < 2) return undefined;

  const random = createRandom(seed);
  const ratios = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    let numerator = 0;
    let denominator = 0;
    while (denominator === 0) {
      numerator = 0;
      for (let draw = 0; draw < documents.length; draw++) {
        const index = random.integer(documents.length);
        numerator += numerators[index] as number;
        denominator += denominators[index] as number;
      }
    }
    ratios[resample] = transform(numerator / denominator);
  }
  ratios.sort();
  const tail = (1 - confidence) / 2;
  const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);
  const whole = transform(total(numerators) / total(denominators));
  // Rounding, or a few very unequal documents, can leave the ratio itself just outside.
  return [Math.min(sortedQuantile(ratios, tail), whole), Math.max(sortedQuantile(ratios, 1 - tail), whole)];
}

/**
 * Confidence interval of exp((Σ candidate − Σ baseline) / Σ denominator), the ratio of two perplexities, drawing the
 * same documents for both: what is hard or easy for both models cancels, so that small differences show.
 *
 * @returns The interval, or undefined for fewer than two documents. It excludes 1 where the models differ
 *   significantly; below 1 the candidate is better.
 * @throws {@link IteraError} `INVALID_ARGUMENT`, as {@link bootstrapRatioInterval}.
 */
export function pairedRatioInterval(
  documents: readonly PairedDocument[],
  options: BootstrapOptions,
): Interval | undefined {
  const differences = documents.map(({ candidate, baseline, denominator }) => ({
    numerator: candidate - baseline,
    denominator,
  }));
  return bootstrapRatioInterval(differences, { ...options, transform: Math.exp });
}

function sortedQuantile(sorted: Float64Array, probability: number): number {
  const position = (sorted.length - 1) * probability;
  const below = Math.floor(position);
  const lower = sorted[below] as number;
  const upper = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  const share = position - below;
  // Without the guard an infinite neighbour of weight 0 would make the result NaN.
  return share === 0 ? lower : lower + share * (upper - lower);
}

function requireValues(values: ArrayLike<number>, least: number, name: string): void {
  if (values.length >= least) return;
  throw new IteraError('INVALID_ARGUMENT', `A ${name} needs at least ${least} value(s), got ${values.length}.`, {
    length: values.length,
  });
}

function checkOptions(seed: number, resamples: number, confidence: number): void {
  if (!Number.isSafeInteger(seed)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a whole number as the seed, got ${seed}.`, { seed });
  }
  if (!Number.isSafeInteger(resamples) || resamples < 1) {
    throw new IteraError('INVALID_ARGUMENT', `Expected at least 1 resample, got ${resamples}.`, { resamples });
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new IteraError('INVALID_ARGUMENT', `Expected a confidence between 0 and 1, got ${confidence}.`, {
      confidence,
    });
  }
}

function checkDocuments(numerators: Float64Array, denominators: Float64Array): void {
  let total = 0;
  for (let index = 0; index < numerators.length; index++) {
    const numerator = numerators[index] as number;
    const denominator = denominators[index] as number;
    if (!Number.isFinite(numerator) || !Number.isFinite(denominator) || denominator < 0) {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected finite numbers and a denominator of at least 0, got ${numerator} / ${denominator} for document ${index}.`,
        { index, numerator, denominator },
      );
    }
    total += denominator;
  }
  if (numerators.length > 0 && total === 0) {
    throw new IteraError('INVALID_ARGUMENT', 'Expected a denominator above 0, but those of all documents are 0.', {
      documents: numerators.length,
    });
  }
}
