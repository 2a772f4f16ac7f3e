import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IteraError } from '../../../src/core/errors.ts';
import type { ValueRecord } from '../../../src/core/measurement.ts';
import {
  distinctDatasets,
  type EvaluatedModel,
  type EvaluationOptions,
  evaluateDataset,
  isUnavailable,
  unmeasuredQuality,
} from '../../../src/evaluation/dataset-quality.ts';
import { codeTokenizer, scriptedScorer } from './scripted-model.ts';

/** Each token costs ln 2, so that a text of one byte per token has 1 bit per byte. */
const model: EvaluatedModel = {
  name: 'coin',
  variant: 'fp32',
  tokenizer: codeTokenizer,
  scorer: scriptedScorer(() => Math.LN2),
  threads: 1,
};
const options: EvaluationOptions = { split: 'test', contextLength: 32, stride: 16, seed: 1 };

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-quality-'));
  path = join(folder, 'own.txt');
  const documents = Array.from({ length: 12 }, (_, index) => 'One two three. '.repeat(index + 1).trim());
  await writeFile(path, documents.join('\n<|endoftext|>\n'));
});
afterAll(() => rm(folder, { recursive: true }));

const metricOf = (records: readonly unknown[], metric: string): number | undefined =>
  (records as ValueRecord[]).find((record) => record.metric === metric)?.value;

describe('evaluateDataset', () => {
  it('measures all of a text file, and says so', async () => {
    const { records, documents, sha256 } = await evaluateDataset(path, model, options);
    expect(documents).toBe(12);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(metricOf(records, 'bits_per_byte')).toBeCloseTo(1, 6);
    expect(metricOf(records, 'token_perplexity')).toBeCloseTo(2, 6);
    for (const record of records) {
      expect(record.method).toContain('every token of all 12 documents scored once, windows of 32 tokens, stride 16');
      expect(record.conditions).toMatchObject({ dataset: 'own.txt', contextLength: 32, stride: 16 });
    }
  });

  it('measures a seeded sample, and says of how many', async () => {
    const sample = { maxDocuments: 5, maxBytes: 1e9, minDocuments: 1 };
    const { records, documents, totalDocuments } = await evaluateDataset(path, model, { ...options, sample });
    expect([documents, totalDocuments]).toEqual([5, 12]);
    expect(metricOf(records, 'bits_per_byte')).toBeCloseTo(1, 6);
    // Other conditions than the whole text has, so that the two are never taken for the same measurement.
    expect(records[0]?.id).not.toBe((await evaluateDataset(path, model, options)).records[0]?.id);
    for (const record of records) {
      expect(record.method).toContain('5 of 12 documents, drawn at random with seed 1');
    }
  });

  it('calls a sample that holds everything the whole text', async () => {
    const sample = { maxDocuments: 99, maxBytes: 1e9, minDocuments: 1 };
    const { records } = await evaluateDataset(path, model, { ...options, sample });
    expect(records).toEqual((await evaluateDataset(path, model, options)).records);
  });

  it('measures a bundled dataset under its name and split', async () => {
    const sample = { maxDocuments: 3, maxBytes: 1, minDocuments: 2 };
    const { records } = await evaluateDataset('stories', model, { ...options, sample });
    expect(records[0]?.conditions).toMatchObject({ dataset: 'stories', split: 'test' });
    expect(records[0]?.id).toMatch(/^coin\/bits_per_byte\/.*stories/);
  });

  it('reports progress and stops when aborted', async () => {
    const controller = new AbortController();
    const ended = evaluateDataset(path, model, {
      ...options,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(ended).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('passes on that a dataset is unknown or absent', async () => {
    const empty = { ...options, dataDir: folder };
    await expect(evaluateDataset(join(folder, 'none.txt'), model, options)).rejects.toMatchObject({
      code: 'DATASET_UNKNOWN',
    });
    await expect(evaluateDataset('tinystories', model, empty)).rejects.toSatisfy(isUnavailable);
  });
});

describe('distinctDatasets', () => {
  it('drops what is named twice, also by another spelling of its path', () => {
    const list = ['stories', path, 'articles', join(folder, 'x', '..', 'own.txt'), 'stories'];
    expect(distinctDatasets(list)).toEqual(['stories', path, 'articles']);
  });

  it('refuses two files that records could not tell apart', () => {
    expect(() => distinctDatasets([path, join(folder, 'other', 'own.txt')])).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('own.txt and ') }),
    );
  });
});

describe('what was not measured', () => {
  it('is listed with the reason, under the metrics that would have been', async () => {
    const error = new IteraError('DATASET_UNAVAILABLE', 'Expected tinystories, but no data folder is set.');
    const records = unmeasuredQuality('tinystories', model, 'test', error);
    const measured = (await evaluateDataset(path, model, options)).records;
    expect(records.map(({ metric }) => metric)).toEqual(measured.map(({ metric }) => metric));
    for (const record of records)
      expect(record).toMatchObject({ status: 'notRun', reason: error.message, subject: 'coin' });
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
  });

  it('is so for absent datasets alone, not for damaged ones', () => {
    expect(isUnavailable(new IteraError('DATASET_UNAVAILABLE', ''))).toBe(true);
    expect(isUnavailable(new IteraError('FILE_CORRUPT', ''))).toBe(false);
    expect(isUnavailable(new Error('DATASET_UNAVAILABLE'))).toBe(false);
  });
});
