import { type Conditions, type Metric, recordId, type ValueRecord } from '../core/measurement.ts';
import { bootstrapRatioInterval } from '../core/statistics.ts';
import type { DocumentLoss } from './document-loss.ts';

const confidence = 0.95;

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
 * documents (none for a single document).
 *
 * @param method - The scoring protocol in words; "bootstrap over documents" is added.
 */
export function qualityRecords(
  losses: readonly DocumentLoss[],
  { subject, conditions, method, seed }: { subject: string; conditions: Conditions; method: string; seed: number },
): ValueRecord[] {
  const nats = losses.reduce((sum, loss) => sum + loss.nats, 0);
  return qualityMetrics.map(({ metric, unit, per, transform }) => {
    const units = losses.reduce((sum, loss) => sum + loss[per], 0);
    const documents = losses.map((loss) => ({ numerator: loss.nats, denominator: loss[per] }));
    const interval = bootstrapRatioInterval(documents, { seed, confidence, transform });
    return {
      id: recordId(subject, metric, conditions),
      subject,
      metric,
      unit,
      conditions,
      status: 'measured',
      value: transform(nats / units),
      ...(interval && { interval, confidence }),
      n: losses.length,
      method: `${method}; interval by bootstrap over documents`,
    };
  });
}
