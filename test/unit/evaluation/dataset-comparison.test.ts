import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IteraError } from '../../../src/core/errors.ts';
import type { MeasurementRecord, ValueRecord } from '../../../src/core/measurement.ts';
import { compareDataset, unmeasuredComparison } from '../../../src/evaluation/dataset-comparison.ts';
import { evaluateDataset } from '../../../src/evaluation/dataset-quality.ts';
import { scriptedComparer } from './scripted-comparer.ts';
import { codeTokenizer, scriptedScorer } from './scripted-model.ts';

const price = (token: number): number => (token % 64) / 8;
const comparer = scriptedComparer(price, [
  { name: 'int8', nats: (token) => price(token) + 1 / 64, divergence: () => 0.25, agrees: (token) => token !== 46 },
]);
const model = { name: 'toy', tokenizer: codeTokenizer, comparer, threads: 1 };
const options = { split: 'test', contextLength: 32, stride: 16, seed: 1 } as const;

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-comparison-'));
  path = join(folder, 'own.txt');
  const documents = Array.from({ length: 12 }, (_, index) => 'One two three. '.repeat(index + 1).trim());
  await writeFile(path, documents.join('\n<|endoftext|>\n'));
});
afterAll(() => rm(folder, { recursive: true }));

const measuredValue = (records: readonly MeasurementRecord[], metric: string, variant: string): number =>
  (records.find((record) => record.metric === metric && record.conditions.variant === variant) as ValueRecord).value;

describe('compareDataset', () => {
  it('measures all variants, the baseline as evaluating it alone does', async () => {
    const compared = await compareDataset(path, model, options);
    const scorer = scriptedScorer(price);
    const alone = await evaluateDataset(path, { ...model, variant: 'fp32', scorer }, options);
    const { records, ...description } = compared;
    const { records: aloneRecords, ...aloneDescription } = alone;
    expect(description).toEqual(aloneDescription);
    expect(records.filter(({ conditions }) => conditions.variant === 'fp32')).toEqual(aloneRecords);
    expect(measuredValue(records, 'perplexity_ratio', 'int8')).toBeCloseTo(Math.exp(1 / 64), 9);
    expect(measuredValue(records, 'kl_divergence_nats', 'int8')).toBe(0.25);
    // One full stop in every sentence of 15 characters, the last of a document without its space.
    expect(measuredValue(records, 'top1_agreement', 'int8')).toBeCloseTo(1 - 78 / (78 * 15 - 12), 9);
  });

  it('measures a seeded sample, and says so in the conditions', async () => {
    const sample = { maxDocuments: 5, maxBytes: 1e9, minDocuments: 1 };
    const { documents, totalDocuments, records } = await compareDataset(path, model, { ...options, sample });
    expect([documents, totalDocuments]).toEqual([5, 12]);
    for (const { conditions } of records) expect(conditions).toMatchObject({ text: 'sample', dataset: 'own.txt' });
  });

  it('runs fewer windows at once where their logits would not fit into memory', async () => {
    const few = scriptedComparer(price, [{ name: 'int8', nats: price }]);
    const wide = { ...codeTokenizer, vocabSize: 2 ** 18 };
    await compareDataset(path, { ...model, tokenizer: wide, comparer: few }, options);
    expect(Math.max(...few.batches.map((batch) => batch.length))).toBe(4);
    const many = scriptedComparer(price, [{ name: 'int8', nats: price }]);
    await compareDataset(path, { ...model, tokenizer: { ...wide, vocabSize: 300 }, comparer: many }, options);
    expect(Math.max(...many.batches.map((batch) => batch.length))).toBe(16);
  });
});

describe('unmeasuredComparison', () => {
  it('gives the reason for every metric of every variant', () => {
    const error = new IteraError('DATASET_UNAVAILABLE', 'It is not here.');
    const records = unmeasuredComparison('wikitext-2', { name: 'toy', variants: ['fp32', 'int8'] }, 'test', error);
    expect(records.map(({ conditions, metric }) => [conditions.variant, metric])).toEqual([
      ...['bits_per_byte', 'word_perplexity', 'token_perplexity', 'nats_per_token'].map((metric) => ['fp32', metric]),
      ...['bits_per_byte', 'word_perplexity', 'token_perplexity', 'nats_per_token'].map((metric) => ['int8', metric]),
      ...['perplexity_ratio', 'kl_divergence_nats', 'top1_agreement'].map((metric) => ['int8', metric]),
    ]);
    for (const record of records) {
      expect(record).toMatchObject({ status: 'notRun', reason: 'It is not here.' });
      expect(record.conditions).toMatchObject({ dataset: 'wikitext-2', split: 'test' });
    }
  });
});
