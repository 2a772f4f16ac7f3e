import { describe, expect, it } from 'vitest';
import type { MeasurementRecord, ValueRecord } from '../../../src/core/measurement.ts';
import { createRandom } from '../../../src/core/random.ts';
import { pairedRatioInterval } from '../../../src/core/statistics.ts';
import { comparisonRecords, unmeasuredVariant } from '../../../src/evaluation/comparison-records.ts';
import type { ComparedDocument, TextComparison } from '../../../src/evaluation/variant-comparison.ts';

const about = { subject: 'toy', conditions: { model: 'toy', dataset: 'stories' }, method: 'scored once', seed: 1 };

/** A document of one candidate, from its baseline's nats in each block. */
function documentOf(
  tokens: number,
  blockNats: readonly number[],
  candidateNats: readonly number[],
  divergences: readonly number[] = Array.from({ length: tokens }, () => 0),
  agreements: readonly number[] = blockNats.map((_, block) => Math.min(64, tokens - 64 * block)),
): ComparedDocument {
  return {
    tokens,
    bytes: 4 * tokens,
    words: Math.ceil(tokens / 2),
    blockNats: [Float64Array.from(blockNats), Float64Array.from(candidateNats)],
    divergences: [Float32Array.from(divergences)],
    blockAgreements: [Uint8Array.from(agreements)],
  };
}

/** Documents of 64 tokens whose candidate is worse by 1% to 2% of a nat per token. */
function manyDocuments(count: number): ComparedDocument[] {
  const random = createRandom(7, 1);
  return Array.from({ length: count }, () => {
    const nats = 128 + 32 * random.uniform();
    const worse = 0.64 * (1 + random.uniform());
    const divergences = Array.from({ length: 64 }, () => random.uniform() / 8);
    return documentOf(64, [nats], [nats + worse], divergences, [50 + random.integer(15)]);
  });
}

const compared = (documents: readonly ComparedDocument[], variants: readonly string[] = ['fp32', 'int4']) =>
  ({ variants, documents }) satisfies TextComparison;

function find(
  records: readonly MeasurementRecord[],
  metric: string,
  variant = 'int4',
  statistic?: string,
): ValueRecord {
  const found = records.filter(
    ({ metric: name, conditions }) =>
      name === metric && conditions.variant === variant && conditions['statistic'] === statistic,
  );
  expect(found).toHaveLength(1);
  return found[0] as ValueRecord;
}

describe('comparisonRecords', () => {
  it('gives the values worked out by hand', () => {
    const documents = [documentOf(3, [6], [7], [0.1, 0.2, 0.6], [2]), documentOf(2, [5], [5.5], [0, 0.1], [1])];
    const records = comparisonRecords(compared(documents), about);
    // exp((12.5 - 11) / 5), (0.1 + 0.2 + 0.6 + 0 + 0.1) / 5, and 3 of 5.
    expect(find(records, 'perplexity_ratio').value).toBeCloseTo(Math.exp(0.3), 12);
    expect(find(records, 'kl_divergence_nats').value).toBeCloseTo(0.2, 7);
    expect(find(records, 'kl_divergence_nats', 'int4', 'median').value).toBeCloseTo(0.1, 7);
    expect(find(records, 'kl_divergence_nats', 'int4', '99th percentile').value).toBeCloseTo(0.2 + 0.96 * 0.4, 6);
    expect(find(records, 'top1_agreement').value).toBe(0.6);
    expect(find(records, 'token_perplexity', 'fp32').value).toBeCloseTo(Math.exp(11 / 5), 12);
    expect(find(records, 'token_perplexity').value).toBeCloseTo(Math.exp(12.5 / 5), 12);
    expect(find(records, 'bits_per_byte').value).toBeCloseTo(12.5 / 20 / Math.LN2, 12);
  });

  it('has an id for every record, and compares the baseline with nothing', () => {
    const records = comparisonRecords(compared(manyDocuments(12)), about);
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    const baseline = records.filter(({ conditions }) => conditions.variant === 'fp32').map(({ metric }) => metric);
    expect(baseline).toEqual(['bits_per_byte', 'word_perplexity', 'token_perplexity', 'nats_per_token']);
    for (const { subject, conditions } of records) {
      expect([subject, conditions.dataset, conditions['baseline']]).toEqual(['toy', 'stories', undefined]);
    }
  });

  it('names a baseline that is not FP32', () => {
    const records = comparisonRecords(compared(manyDocuments(12), ['v1', 'v2']), about);
    expect(find(records, 'perplexity_ratio', 'v2').conditions['baseline']).toBe('v1');
  });

  it('gives exactly 1, 0 and 1 for a candidate that is its baseline', () => {
    const documents = manyDocuments(20).map(({ blockNats: [nats = new Float64Array()], tokens }) =>
      documentOf(tokens, [...nats], [...nats]),
    );
    const records = comparisonRecords(compared(documents), about);
    expect(find(records, 'perplexity_ratio')).toMatchObject({ value: 1, interval: [1, 1] });
    expect(find(records, 'kl_divergence_nats')).toMatchObject({ value: 0, interval: [0, 0] });
    expect(find(records, 'top1_agreement')).toMatchObject({ value: 1, interval: [1, 1] });
  });

  it('resamples documents where there are 10 of them: the paired interval of the library', () => {
    const documents = manyDocuments(10);
    const record = find(comparisonRecords(compared(documents), about), 'perplexity_ratio');
    const paired = documents.map(({ blockNats, tokens }) => ({
      baseline: blockNats[0]?.[0] as number,
      candidate: blockNats[1]?.[0] as number,
      denominator: tokens,
    }));
    expect(record.interval).toEqual(pairedRatioInterval(paired, { seed: 1, confidence: 0.95 }));
    expect(record).toMatchObject({ n: 10, confidence: 0.95, method: expect.stringContaining('over documents') });
  });

  it('brackets every mean by its interval, and finds one of pairs far narrower than that of the perplexity', () => {
    const records = comparisonRecords(compared(manyDocuments(40)), about);
    for (const metric of ['perplexity_ratio', 'kl_divergence_nats', 'top1_agreement']) {
      const { value, interval: [low, high] = [0, 0] } = find(records, metric);
      expect(low).toBeLessThan(value);
      expect(high).toBeGreaterThan(value);
    }
    const width = (metric: string) => {
      const { value, interval: [low, high] = [0, 0] } = find(records, metric);
      return (high - low) / value;
    };
    expect(width('perplexity_ratio')).toBeLessThan(width('token_perplexity') / 10);
  });

  it('resamples blocks of 64 tokens where documents are few, and says so', () => {
    const random = createRandom(9, 1);
    const [baseline, candidate] = [0, 1].map((worse) =>
      Array.from({ length: 12 }, () => 128 + worse * (1 + random.uniform())),
    ) as [number[], number[]];
    const records = comparisonRecords(compared([documentOf(64 * 11 + 20, baseline, candidate)]), about);
    const record = find(records, 'perplexity_ratio');
    const paired = baseline.map((nats, block) => ({
      baseline: nats,
      candidate: candidate[block] as number,
      denominator: block < 11 ? 64 : 20,
    }));
    expect(record.interval).toEqual(pairedRatioInterval(paired, { seed: 1, confidence: 0.95 }));
    expect(record).toMatchObject({
      n: 12,
      method: 'scored once; interval by bootstrap over blocks of 64 tokens, as the text has only 1 document',
    });
  });

  it('gives no interval to a text of few documents and few blocks, and says why', () => {
    const records = comparisonRecords(compared(manyDocuments(9)), about);
    for (const metric of ['perplexity_ratio', 'kl_divergence_nats', 'top1_agreement']) {
      const record = find(records, metric);
      expect(record).not.toHaveProperty('interval');
      expect(record).not.toHaveProperty('confidence');
      expect(record.method).toContain('no interval: the text has only 9 documents and 9 blocks of 64 tokens');
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'does not run a candidate whose losses are %d, and still measures the baseline',
    (nats) => {
      const documents = [...manyDocuments(12), documentOf(3, [6], [nats])];
      const records = comparisonRecords(compared(documents), about);
      const candidate = records.filter(({ conditions }) => conditions.variant === 'int4');
      expect(candidate.map(({ metric }) => metric)).toEqual([
        'bits_per_byte',
        'word_perplexity',
        'token_perplexity',
        'nats_per_token',
        'perplexity_ratio',
        'kl_divergence_nats',
        'top1_agreement',
      ]);
      for (const record of candidate) {
        expect(record).toMatchObject({ status: 'notRun', reason: expect.stringContaining(`int4 are no finite`) });
      }
      expect(find(records, 'bits_per_byte', 'fp32').status).toBe('measured');
    },
  );

  it('refuses a baseline whose losses are no finite numbers', () => {
    const documents = [documentOf(3, [Number.NaN], [6])];
    expect(() => comparisonRecords(compared(documents), about)).toThrow(
      expect.objectContaining({ code: 'RUNTIME_FAILED' }),
    );
  });

  it('says of numbers beyond all numbers that they are not measured, and states the others', () => {
    const endless = documentOf(2, [5], [5000], [Number.POSITIVE_INFINITY, 0.5]);
    const records = comparisonRecords(compared([endless]), about);
    expect(find(records, 'perplexity_ratio')).toMatchObject({
      status: 'notRun',
      reason: expect.stringContaining('Inf'),
    });
    expect(find(records, 'kl_divergence_nats')).toMatchObject({ status: 'notRun' });
    expect(find(records, 'top1_agreement')).toMatchObject({ status: 'measured', value: 1 });
  });
});

describe('unmeasuredVariant', () => {
  it('gives the reason for every metric that would be measured', () => {
    const records = unmeasuredVariant('int4', about, 'no file');
    const measured = comparisonRecords(compared(manyDocuments(12)), about).filter(
      ({ conditions }) => conditions.variant === 'int4' && conditions['statistic'] === undefined,
    );
    expect(records.map(({ id, unit }) => [id, unit])).toEqual(measured.map(({ id, unit }) => [id, unit]));
    for (const record of records) expect(record).toMatchObject({ status: 'notRun', reason: 'no file' });
  });
});
