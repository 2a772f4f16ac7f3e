import { IteraError } from '../core/errors.ts';
import {
  type Conditions,
  type MeasurementRecord,
  type Metric,
  type NotRunRecord,
  recordId,
} from '../core/measurement.ts';
import { bootstrapRatioInterval, type RatioDocument } from '../core/statistics.ts';
import type { DocumentLoss } from './document-loss.ts';

const confidence = 0.95;

/** Most documents whose single values a record keeps. */
const mostSamples = 1000;

interface QualityMetric {
  readonly metric: Metric;
  readonly unit: string;
  /** What the nats are divided by. */
  readonly per: 'bytes' | 'words' | 'tokens';
  readonly transform: (nats: number) => number;
}

const qualityMetrics: readonly QualityMetric[] = [
  { metric: 'bits_per_byte', unit: 'bits/byte', per: 'bytes', transform: (nats) => nats / Math.LN2 },
  { metric: 'word_perplexity', unit: '1', per: 'words', transform: Math.exp },
  { metric: 'token_perplexity', unit: '1', per: 'tokens', transform: Math.exp },
  { metric: 'nats_per_token', unit: 'nats/token', per: 'tokens', transform: (nats) => nats },
];

/** What {@link qualityRecords} would measure, for datasets that could not be had. */
export const qualityMetricUnits: readonly { readonly metric: Metric; readonly unit: string }[] = qualityMetrics;

/**
 * Bits per byte, word and token perplexity and nats per token of a text, each with a 95% bootstrap interval over
 * documents (none for a single document). A perplexity beyond all numbers is listed as not run: one of a text almost
 * without white space, such as a long line of code, is easily so per word. Bits per byte carry samples, see
 * {@link documentShares}.
 *
 * @param method - The scoring protocol in words; "bootstrap over documents" is added.
 * @throws {@link IteraError} `RUNTIME_FAILED` if a loss is no finite number.
 */
export function qualityRecords(
  losses: readonly DocumentLoss[],
  { subject, conditions, method, seed }: { subject: string; conditions: Conditions; method: string; seed: number },
): MeasurementRecord[] {
  const nats = losses.reduce((sum, loss) => sum + loss.nats, 0);
  if (!Number.isFinite(nats)) {
    throw new IteraError(
      'RUNTIME_FAILED',
      `Expected finite losses, got ${nats}: the weights of ${subject} are too large for its arithmetic. ` +
        'Go back to an earlier version of the model.',
      { subject, nats },
    );
  }
  return qualityMetrics.map(({ metric, unit, per, transform }) => {
    const units = losses.reduce((sum, loss) => sum + loss[per], 0);
    const base = { id: recordId(subject, metric, conditions), subject, metric, unit, conditions };
    const value = transform(nats / units);
    if (!Number.isFinite(value)) {
      const reason = `It is beyond all numbers: the text has ${units} ${per} and needs ${Math.round(nats)} nats.`;
      return { ...base, status: 'notRun', method, reason };
    }
    const documents = losses.map((loss) => ({ numerator: loss.nats, denominator: loss[per] }));
    const interval = bootstrapRatioInterval(documents, { seed, confidence, transform });
    // An end beyond all numbers cannot be stated either.
    const stated = interval?.every(Number.isFinite) ? { interval, confidence } : {};
    return {
      ...base,
      status: 'measured',
      value,
      ...stated,
      n: losses.length,
      ...(metric === 'bits_per_byte' &&
        losses.length > 1 &&
        losses.length <= mostSamples && { samples: documentShares(documents) }),
      method: `${method}; interval by bootstrap over documents`,
    };
  });
}

/**
 * The bits of each document over the bytes of a document on average, such that their mean is the value: two models that
 * scored the same documents can so be compared in pairs. Seven digits, because there may be many.
 */
function documentShares(documents: readonly RatioDocument[]): number[] {
  const bytes = documents.reduce((sum, { denominator }) => sum + denominator, 0) / documents.length;
  return documents.map(({ numerator }) => Number((numerator / Math.LN2 / bytes).toPrecision(7)));
}

/** A record that says why a metric was not measured. */
export function notRunRecord(
  subject: string,
  { metric, unit }: { readonly metric: Metric; readonly unit: string },
  conditions: Conditions,
  reason: string,
): NotRunRecord {
  return {
    id: recordId(subject, metric, conditions),
    subject,
    metric,
    unit,
    method: 'not run',
    conditions,
    status: 'notRun',
    reason,
  };
}
