import { type Conditions, type MeasurementRecord, type Metric, recordId } from '../core/measurement.ts';
import {
  bootstrapRatioInterval,
  type Interval,
  mean,
  type PairedDocument,
  pairedRatioInterval,
  quantile,
} from '../core/statistics.ts';
import { notRunRecord, qualityMetricUnits, qualityRecords } from './quality.ts';
import { blockTokens, type ComparedDocument, type TextComparison, variantLosses } from './variant-comparison.ts';

const confidence = 0.95;

/** With fewer units, a bootstrap understates how much a ratio varies; then there is no interval. */
const leastUnits = 10;

/** Other statistics of the divergence than its mean, which the metric's name alone stands for. */
const divergenceQuantiles = [
  { statistic: 'median', probability: 0.5 },
  { statistic: '99th percentile', probability: 0.99 },
] as const;

const comparisonMetrics = [
  { metric: 'perplexity_ratio', unit: '1' },
  { metric: 'kl_divergence_nats', unit: 'nats/token' },
  { metric: 'top1_agreement', unit: '1' },
] as const satisfies readonly { metric: Metric; unit: string }[];

/** What the records are about. */
export interface ComparisonSubject {
  /** Name of the model that all are variants of. */
  readonly subject: string;
  /** Conditions of every record; the variant is added. */
  readonly conditions: Conditions;
  /** The scoring protocol in words; how intervals were made is added. */
  readonly method: string;
  readonly seed: number;
}

/**
 * Quality of every variant, and for each candidate the ratio of its perplexity to the baseline's with its paired
 * interval, the divergence (mean, median, 99th percentile) and the share of equal first choices. Intervals of
 * comparisons are bootstrapped over documents, of which there must be 10; a text of fewer is resampled by blocks of
 * {@link blockTokens} tokens instead, and one of fewer than 10 blocks gets no interval.
 *
 * @returns Records; those of a candidate whose losses are no finite numbers are not run, with the reason.
 * @throws {@link IteraError} `RUNTIME_FAILED` if the baseline's losses are no finite numbers.
 */
export function comparisonRecords(comparison: TextComparison, about: ComparisonSubject): MeasurementRecord[] {
  const [baseline, ...candidates] = comparison.variants as [string, ...string[]];
  const baselineRecords = qualityOf(comparison, baseline, about);
  return [
    ...baselineRecords,
    ...candidates.flatMap((variant, candidate) => {
      const nats = variantLosses(comparison, variant).reduce((sum, loss) => sum + loss.nats, 0);
      if (!Number.isFinite(nats)) {
        const reason = `The losses of ${variant} are no finite numbers (${nats}): it is damaged or its numbers overflow.`;
        return unmeasuredVariant(variant, about, reason);
      }
      return [
        ...qualityOf(comparison, variant, about),
        ...candidateRecords(comparison, candidate, {
          ...about,
          conditions: {
            ...about.conditions,
            variant,
            // The metrics are defined against FP32; any other baseline is named.
            ...(baseline !== 'fp32' && { baseline }),
          },
        }),
      ];
    }),
  ];
}

/** Records that say why a candidate was not measured. */
export function unmeasuredVariant(
  variant: string,
  { subject, conditions }: Pick<ComparisonSubject, 'subject' | 'conditions'>,
  reason: string,
): MeasurementRecord[] {
  return [...qualityMetricUnits, ...comparisonMetrics].map(({ metric, unit }) =>
    notRunRecord(subject, { metric, unit }, { ...conditions, variant }, reason),
  );
}

const qualityOf = (comparison: TextComparison, variant: string, about: ComparisonSubject): MeasurementRecord[] =>
  qualityRecords(variantLosses(comparison, variant), { ...about, conditions: { ...about.conditions, variant } });

/** What is resampled as a whole: a document, or a block of one. */
interface Unit extends PairedDocument {
  readonly divergence: number;
  readonly agreement: number;
}

function candidateRecords(
  comparison: TextComparison,
  candidate: number,
  { subject, conditions, method, seed }: ComparisonSubject,
): MeasurementRecord[] {
  const { units, described } = resamplingUnits(comparison.documents, candidate);
  const total = (part: keyof Unit): number => units.reduce((sum, unit) => sum + unit[part], 0);
  const tokens = total('denominator');
  const bootstrap = { seed, confidence };
  const intervalOf = (part: 'divergence' | 'agreement'): Interval | undefined =>
    units.length < leastUnits
      ? undefined
      : bootstrapRatioInterval(
          units.map((unit) => ({ numerator: unit[part], denominator: unit.denominator })),
          bootstrap,
        );

  const record = (
    { metric, unit }: (typeof comparisonMetrics)[number],
    value: number,
    findInterval?: () => Interval | undefined,
    added: Conditions = {},
  ): MeasurementRecord => {
    const all = { ...conditions, ...added };
    if (!Number.isFinite(value)) {
      return notRunRecord(subject, { metric, unit }, all, `It is no finite number: ${value}.`);
    }
    const interval = findInterval?.();
    // An end beyond all numbers cannot be stated either.
    const stated = interval?.every(Number.isFinite) ? { interval, confidence } : {};
    return {
      id: recordId(subject, metric, all),
      subject,
      metric,
      unit,
      conditions: all,
      status: 'measured',
      value,
      ...stated,
      n: units.length,
      method: findInterval ? `${method}; ${described}` : method,
    };
  };

  const [ratio, divergence, agreement] = comparisonMetrics;
  const difference = units.reduce((sum, unit) => sum + (unit.candidate - unit.baseline), 0);
  const divergences = joinDivergences(comparison.documents, candidate);
  return [
    record(ratio, Math.exp(difference / tokens), () =>
      units.length < leastUnits ? undefined : pairedRatioInterval(units, bootstrap),
    ),
    record(divergence, mean(divergences), () => intervalOf('divergence')),
    ...divergenceQuantiles.map(({ statistic, probability }) =>
      record(divergence, quantile(divergences, probability), undefined, { statistic }),
    ),
    record(agreement, total('agreement') / tokens, () => intervalOf('agreement')),
  ];
}

/** Documents, or, where there are too few to tell how documents vary, blocks of them. */
function resamplingUnits(
  documents: readonly ComparedDocument[],
  candidate: number,
): { readonly units: readonly Unit[]; readonly described: string } {
  const blocks = documents.map((document) => documentBlocks(document, candidate));
  if (documents.length >= leastUnits) {
    return { units: blocks.map(sumUnits), described: 'interval by bootstrap over documents' };
  }
  const units = blocks.flat();
  const few = `the text has only ${documents.length} document${documents.length === 1 ? '' : 's'}`;
  const described =
    units.length < leastUnits
      ? `no interval: ${few} and ${units.length} blocks of ${blockTokens} tokens, and one needs ${leastUnits} of either`
      : `interval by bootstrap over blocks of ${blockTokens} tokens, as ${few}`;
  return { units, described };
}

function documentBlocks(document: ComparedDocument, candidate: number): Unit[] {
  const baseline = document.blockNats[0] as Float64Array;
  const own = document.blockNats[candidate + 1] as Float64Array;
  const divergences = document.divergences[candidate] as Float32Array;
  const agreements = document.blockAgreements[candidate] as Uint8Array;
  return Array.from(baseline, (nats, block) => {
    const from = block * blockTokens;
    const part = divergences.subarray(from, from + blockTokens);
    return {
      baseline: nats,
      candidate: own[block] as number,
      denominator: part.length,
      divergence: part.reduce((sum, value) => sum + value, 0),
      agreement: agreements[block] as number,
    };
  });
}

function sumUnits(blocks: readonly Unit[]): Unit {
  const sum = { baseline: 0, candidate: 0, denominator: 0, divergence: 0, agreement: 0 };
  for (const block of blocks) {
    for (const part of Object.keys(sum) as (keyof Unit)[]) sum[part] += block[part];
  }
  return sum;
}

function joinDivergences(documents: readonly ComparedDocument[], candidate: number): Float32Array {
  const joined = new Float32Array(documents.reduce((sum, { tokens }) => sum + tokens, 0));
  let at = 0;
  for (const { divergences, tokens } of documents) {
    joined.set(divergences[candidate] as Float32Array, at);
    at += tokens;
  }
  return joined;
}
