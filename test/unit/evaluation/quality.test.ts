import { describe, expect, it } from 'vitest';
import { metrics, type ValueRecord } from '../../../src/core/measurement.ts';
import { mean } from '../../../src/core/statistics.ts';
import type { DocumentLoss } from '../../../src/evaluation/document-loss.ts';
import { qualityMetricUnits, qualityRecords } from '../../../src/evaluation/quality.ts';

const losses: readonly DocumentLoss[] = [
  { nats: 60, tokens: 30, bytes: 100, words: 20 },
  { nats: 20, tokens: 16, bytes: 50, words: 9 },
  { nats: 45, tokens: 20, bytes: 90, words: 18 },
];
const about = { subject: 'toy', conditions: { model: 'toy', dataset: 'a' }, method: 'scored once', seed: 1 };
const measured = (given: readonly DocumentLoss[]) => qualityRecords(given, about) as ValueRecord[];
const byMetric = (given: readonly DocumentLoss[] = losses) =>
  new Map(measured(given).map((record) => [record.metric, record]));

describe('qualityRecords', () => {
  it('divides all nats by all bytes, words or tokens of the original', () => {
    const records = byMetric();
    expect(records.get('bits_per_byte')?.value).toBeCloseTo(125 / Math.log(2) / 240, 12);
    expect(records.get('word_perplexity')?.value).toBeCloseTo(Math.exp(125 / 47), 9);
    expect(records.get('token_perplexity')?.value).toBeCloseTo(Math.exp(125 / 66), 9);
    expect(records.get('nats_per_token')?.value).toBeCloseTo(125 / 66, 12);
  });

  it('gives every record an interval around its value, over documents', () => {
    for (const record of measured(losses)) {
      const [low, high] = record.interval as readonly [number, number];
      expect(low).toBeLessThanOrEqual(record.value);
      expect(high).toBeGreaterThanOrEqual(record.value);
      expect(low).toBeLessThan(high);
      expect(record).toMatchObject({
        n: 3,
        confidence: 0.95,
        status: 'measured',
        method: expect.stringContaining('scored once'),
      });
    }
  });

  it('gives none where there is a single document', () => {
    for (const record of measured(losses.slice(0, 1))) {
      expect(record).not.toHaveProperty('interval');
      expect(record).not.toHaveProperty('confidence');
      expect(record.n).toBe(1);
    }
  });

  it('keeps of bits per byte what each document adds, whose mean is the value, unless there are too many', () => {
    const { samples = [], value } = byMetric().get('bits_per_byte') as ValueRecord;
    expect(samples).toHaveLength(3);
    expect(mean(samples)).toBeCloseTo(value, 6);
    expect((samples[0] as number) / (samples[1] as number)).toBeCloseTo(60 / 20, 5);
    const many = Array.from({ length: 1001 }, () => losses[0] as DocumentLoss);
    expect(byMetric(many).get('bits_per_byte')).not.toHaveProperty('samples');
    expect(byMetric().get('word_perplexity')).not.toHaveProperty('samples');
  });

  it('has known metrics, each once, with the units that missing datasets are listed under', () => {
    const records = qualityRecords(losses, about);
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    for (const { metric } of records) expect(metrics).toContain(metric);
    expect(records.map(({ metric, unit }) => ({ metric, unit }))).toEqual(
      qualityMetricUnits.map(({ metric, unit }) => ({ metric, unit })),
    );
  });

  it('depends on the seed in nothing but its intervals', () => {
    const [first, second] = [1, 2].map((seed) =>
      (qualityRecords(losses, { ...about, seed }) as ValueRecord[]).map(({ interval: _, ...rest }) => rest),
    );
    expect(first).toEqual(second);
    expect(qualityRecords(losses, about)).toEqual(qualityRecords(losses, about));
  });

  it('says that a perplexity is beyond all numbers instead of stating none', () => {
    // One word of 2000 bytes, as a line of Chinese or of code has.
    const long = { nats: 1500, tokens: 900, bytes: 2000, words: 1 };
    const records = qualityRecords([long, { ...long, nats: 1600 }], about);
    const word = records.find(({ metric }) => metric === 'word_perplexity');
    expect(word).toMatchObject({ status: 'notRun', reason: expect.stringContaining('2 words and needs 3100 nats') });
    expect(records.filter(({ status }) => status === 'measured')).toHaveLength(3);
  });

  it('states no interval that has an end beyond all numbers', () => {
    const word = byMetric([
      { nats: 1500, tokens: 900, bytes: 2000, words: 2 },
      { nats: 10, tokens: 900, bytes: 2000, words: 1 },
    ]).get('word_perplexity');
    expect(word?.value).toBe(Math.exp(1510 / 3));
    expect(word).not.toHaveProperty('interval');
    expect(word).not.toHaveProperty('confidence');
  });

  it.each([NaN, Infinity])('refuses a loss of %s', (nats) => {
    expect(() => qualityRecords([...losses, { nats, tokens: 1, bytes: 1, words: 1 }], about)).toThrow(
      expect.objectContaining({ code: 'RUNTIME_FAILED' }),
    );
  });
});
