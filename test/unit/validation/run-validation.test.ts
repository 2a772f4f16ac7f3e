import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compressModel } from '../../../src/compression/compress-model.ts';
import { writeVariants } from '../../../src/compression/write-variants-file.ts';
import type { NotRunRecord, ValueRecord } from '../../../src/core/measurement.ts';
import { createRandom } from '../../../src/core/random.ts';
import { defaultBounds } from '../../../src/evaluation/degradation-bounds.ts';
import type { ModelFolder } from '../../../src/models/model-folder-file.ts';
import type { Report } from '../../../src/report/report.ts';
import { parseReport } from '../../../src/report/report-schema.ts';
import { reportVerdicts } from '../../../src/report/verdicts.ts';
import { loadModel, openModel } from '../../../src/runtime/load-model-file.ts';
import { runValidation, type ValidationOptions } from '../../../src/validation/run-validation.ts';
import type { StageProgress } from '../../../src/validation/stage.ts';
import { writeStories, writeToyFolder } from '../compression/toy-folder.ts';

let dir: string;
let folder: ModelFolder;
let options: ValidationOptions;
let report: Report;
const told: StageProgress[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-validation-'));
  // More documents than a sample takes, each so short that all are soon scored.
  const documents = Array.from({ length: 420 }, (_, index) => `Tom has ${index} cats.`);
  await writeFile(join(dir, 'cats.txt'), documents.join('\n<|endoftext|>\n'));
  folder = await openModel('itera-lite-micro');
  options = {
    version: '1.2.3',
    datasets: [join(dir, 'cats.txt'), 'wikitext-2'],
    split: 'test',
    dataDir: dir,
    fullText: false,
    seed: 7,
    threads: 1,
  };
  report = await runValidation(folder, { ...options, onProgress: (at) => told.push(at) });
});
afterAll(() => rm(dir, { recursive: true }));

const measured = ({ records }: Report, metric: string): ValueRecord =>
  records.find((record) => record.metric === metric && record.status === 'measured') as ValueRecord;

describe('runValidation', () => {
  it('makes a report that reads back the same', () => {
    expect(parseReport(JSON.stringify(report))).toEqual(report);
    expect(report).toMatchObject({ schemaVersion: 1, kind: 'validation', model: { name: 'itera-lite-micro' } });
  });

  it('measures quality, size and parameters', () => {
    expect(measured(report, 'bits_per_byte').conditions).toMatchObject({
      model: 'itera-lite-micro',
      variant: 'fp32',
      dataset: 'cats.txt',
      threads: 1,
      text: 'sample',
    });
    expect(measured(report, 'bits_per_byte').value).toBeGreaterThan(0);
    expect(measured(report, 'token_perplexity').value).toBeGreaterThan(1);
    expect(measured(report, 'size_bytes').value).toBeGreaterThan(4 * measured(report, 'parameters').value);
    expect(measured(report, 'active_parameters').value).toBeLessThan(measured(report, 'parameters').value);
    expect(report.model.parameters).toBe(measured(report, 'parameters').value);
  });

  it('states the sample it drew and how to score all', () => {
    expect(measured(report, 'bits_per_byte').n).toBe(400);
    expect(measured(report, 'bits_per_byte').method).toContain('400 of 420 documents, drawn at random with seed 7');
    const scoring = report.protocol.find(({ name }) => name === 'Scoring')?.text;
    expect(scoring).toMatch(/random sample is scored \(seed 7\): at most 400 documents.*--full-text scores all\./);
  });

  it('lists an absent dataset as not run, with how to provide it', () => {
    const missing = report.records.filter((record): record is NotRunRecord => record.status === 'notRun');
    expect(missing.map(({ metric }) => metric)).toEqual([
      'bits_per_byte',
      'word_perplexity',
      'token_perplexity',
      'nats_per_token',
    ]);
    for (const { conditions, reason } of missing) {
      expect(conditions).toMatchObject({ dataset: 'wikitext-2', split: 'test' });
      expect(reason).toMatch(/save it as <folder>\/wikitext-2\/test\.txt and name the folder with --data-dir or/);
    }
  });

  it('names all it depends on by its sha256', () => {
    const { hashes } = report.provenance;
    expect(Object.keys(hashes)).toEqual(
      expect.arrayContaining([
        'model/config.json',
        'model/model.safetensors',
        'model/tokenizer.json',
        'dataset/cats.txt',
      ]),
    );
    for (const hash of Object.values(hashes)) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hashes['model/model.safetensors']).toBe(folder.sha256['model.safetensors']);
    expect(report.provenance).toMatchObject({ iteraLite: '1.2.3', seed: 7, threads: 1 });
  });

  it('keeps the text that the stated seed and sampling give after each prompt', async () => {
    expect(report.samples.length).toBeGreaterThanOrEqual(3);
    expect(new Set(report.samples.map(({ prompt }) => prompt)).size).toBe(report.samples.length);
    const model = await loadModel('itera-lite-micro');
    const [{ prompt, text, seed, temperature, topP }] = report.samples as [Report['samples'][number]];
    let again = '';
    for await (const piece of model.generate(prompt, { seed, temperature, topP, maxNewTokens: 120 }))
      again += piece.text;
    await model.release();
    expect(text).toBe(again);
  });

  it('tells where it is, from the first stage to the last', () => {
    expect([...new Set(told.map(({ name }) => name))]).toEqual([
      'measuring sizes and memory',
      'scoring cats.txt',
      'scoring wikitext-2',
      'writing samples',
    ]);
    expect([...new Set(told.map(({ place }) => place))]).toEqual([1, 2, 3, 4]);
    expect(told.every(({ total, share, remainingS }) => total === 4 && share < 1 && remainingS > 0)).toBe(true);
    expect(told.map(({ share }) => share)).toEqual(told.map(({ share }) => share).toSorted((a, b) => a - b));
  });

  it('lists all stages, with the option that left each of the others out', () => {
    const { stages = [] } = report;
    const withStatus = (status: string) => stages.filter((stage) => stage.status === status);
    expect(withStatus('done').map(({ id }) => id)).toEqual([...['sizes', 'quality/cats.txt', 'samples']]);
    expect(withStatus('done').every(({ seconds = -1, resumed }) => seconds >= 0 && resumed === undefined)).toBe(true);
    expect(withStatus('notRun').map(({ id, reason }) => [id, reason?.replace(/\. Without .*/, '')])).toEqual([
      ...['fp16', 'int8', 'int4', 'mixed'].map((variant) => [`variant/${variant}`, 'Left out by --variant none']),
      ['quality/wikitext-2', expect.stringContaining('wikitext-2')],
      ['exports', 'Left out by --no-exports'],
      ['benchmark', 'Left out by --no-bench'],
      ['energy', 'Left out by --no-energy'],
      ['server', 'Left out by --no-server'],
      ['drill/phrase', 'Left out by --drill none'],
    ]);
  });

  it('reports a text that cannot be read as a stage that failed, and all else', async () => {
    const blank = join(dir, 'blank.txt');
    await writeFile(blank, ' \n');
    const found = await runValidation(folder, { ...options, datasets: [blank] });
    expect(parseReport(JSON.stringify(found))).toEqual(found);
    expect(found.stages?.find(({ id }) => id === 'quality/blank.txt')).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/^TEXT_EMPTY: .*blank\.txt.*--resume/),
    });
    expect(found.failures).toEqual([
      expect.stringMatching(/^Not done, because it failed: scoring blank\.txt\. TEXT_EMPTY/),
    ]);
    expect(found.samples).toEqual(report.samples);
    expect(measured(found, 'parameters')).toEqual(measured(report, 'parameters'));
  });

  it('in its quick form scores less, and says so', async () => {
    const found = await runValidation(folder, { ...options, datasets: options.datasets.slice(0, 1), quick: true });
    expect(measured(found, 'bits_per_byte').n).toBe(60);
    expect(found.protocol[0]?.text).toMatch(/^--quick: smaller samples/);
  });

  it('gives the same numbers again, and others for another sample', async () => {
    const only = { ...options, datasets: options.datasets.slice(0, 1) };
    const again = await runValidation(folder, only);
    expect(again.records).toEqual(report.records.filter(({ status }) => status !== 'notRun'));
    expect(again.samples).toEqual(report.samples);
    const other = await runValidation(folder, { ...only, seed: 8 });
    expect(measured(other, 'bits_per_byte').value).not.toBe(measured(report, 'bits_per_byte').value);
  });

  it('scores every document where the full text is asked for, and says so', async () => {
    const all = await runValidation(folder, { ...options, datasets: options.datasets.slice(0, 1), fullText: true });
    expect(measured(all, 'bits_per_byte')).toMatchObject({ n: 420, conditions: { text: 'whole' } });
    expect(measured(all, 'bits_per_byte').method).toContain('every token of all 420 documents');
    expect(all.protocol.find(({ name }) => name === 'Scoring')?.text).toContain('Every document is scored.');
  });

  it('measures a dataset once, however often it is named', async () => {
    const path = join(dir, 'short.txt');
    await writeFile(path, 'A cat sat. A dog ran.');
    const { records } = await runValidation(folder, {
      ...options,
      datasets: [path, join(dir, '.', 'short.txt'), path],
    });
    expect(records.filter(({ metric }) => metric === 'bits_per_byte')).toHaveLength(1);
  });

  it('reports a text of one endless word, whose word perplexity is beyond all numbers', async () => {
    const path = join(dir, 'word.txt');
    const random = createRandom(1, 1);
    const letters = Array.from({ length: 2000 }, () => String.fromCharCode(0x61 + random.integer(26)));
    await writeFile(path, letters.join(''));
    const found = await runValidation(folder, { ...options, datasets: [path] });
    expect(parseReport(JSON.stringify(found))).toEqual(found);
    expect(found.records.find(({ metric }) => metric === 'word_perplexity')?.status).toBe('notRun');
  });
});

describe('runValidation with variants', () => {
  let toy: ModelFolder;
  let judged: ValidationOptions;
  beforeAll(async () => {
    toy = await writeToyFolder(join(dir, 'toy'));
    judged = { ...options, datasets: [await writeStories(dir), 'wikitext-2'], variants: ['fp16', 'int8'] };
  });

  it('compares them on the same tokens and judges them, but not where a text is absent', async () => {
    const found = await runValidation(toy, judged);
    expect(parseReport(JSON.stringify(found))).toEqual(found);
    expect(found.bounds).toEqual(defaultBounds);
    for (const variant of ['fp16', 'int8']) {
      const ratio = found.records.find(
        ({ metric, conditions }) => metric === 'perplexity_ratio' && conditions.variant === variant,
      );
      expect(ratio).toMatchObject({ status: 'measured', conditions: { dataset: 'stories.txt' } });
      expect(found.provenance.hashes[`variant/${variant}`]).toMatch(/^[0-9a-f]{64}$/);
    }
    const sizes = found.records.filter(({ metric }) => metric === 'size_bytes');
    expect(sizes.map(({ conditions }) => conditions.variant)).toEqual(['fp32', 'fp16', 'int8']);
    const memory = found.records.filter(({ metric }) => metric === 'memory_bytes');
    expect(memory.map(({ conditions }) => conditions.variant)).toEqual(['fp32', 'fp16', 'int8']);
    expect(memory.every((record) => record.status === 'measured' && record.value > 0)).toBe(true);
    expect(found.findings?.map((sentence) => sentence.replace(/ is .* on /, ' on '))).toEqual([
      'fp16 on stories.txt: within 1%.',
      'int8 on stories.txt: within 2%.',
    ]);
    expect(reportVerdicts(found).map(({ passed }) => passed)).toEqual([true, true]);
    expect(found.protocol.find(({ name }) => name === 'Variants')?.text).toMatch(
      /Made for this report .*: fp16, int8\.$/,
    );
    const absent = found.records.filter(({ conditions }) => conditions.dataset === 'wikitext-2');
    expect(absent.every(({ status }) => status === 'notRun')).toBe(true);
    expect(new Set(absent.map(({ conditions }) => conditions.variant))).toEqual(new Set(['fp32', 'fp16', 'int8']));
  });

  it('takes the files that the folder records, and refuses a damaged one before anything is measured', async () => {
    const compressed = await compressModel(toy, { variants: ['int8'], calibration: { seed: 1 }, version: '0' });
    const own = await writeVariants(toy, compressed);
    const found = await runValidation(own, judged);
    expect(found.provenance.hashes['variant/int8']).toBe(compressed.files[0]?.sha256);
    expect(found.protocol.find(({ name }) => name === 'Variants')?.text).toMatch(
      /folder holds them: int8\..*: fp16\.$/,
    );
    await truncate(join(own.dir, 'onnx', 'model_quantized.onnx'), 1000);
    const begun: string[] = [];
    const onProgress = ({ name }: StageProgress) => begun.push(name);
    await expect(runValidation(own, { ...judged, onProgress })).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
    expect(begun).toEqual([]);
  });
});

describe('runValidation stops before any work', () => {
  const refuses = async (change: Partial<ValidationOptions>, code: string): Promise<void> => {
    const begun: string[] = [];
    const onProgress = ({ name }: StageProgress) => begun.push(name);
    await expect(runValidation(folder, { ...options, onProgress, ...change })).rejects.toMatchObject({ code });
    expect(begun).toEqual([]);
  };

  it('for an unknown dataset', () => refuses({ datasets: ['stories', join(dir, 'none.txt')] }, 'DATASET_UNKNOWN'));

  it('for a split that a dataset lacks', () => refuses({ datasets: ['stories'], split: 'valid' }, 'INVALID_ARGUMENT'));

  it('for an empty text', async () => {
    await writeFile(join(dir, 'empty.txt'), '');
    await refuses({ datasets: [join(dir, 'empty.txt')] }, 'TEXT_EMPTY');
  });

  it('for two texts of one name', () =>
    refuses({ datasets: [join(dir, 'cats.txt'), join(dir, 'other', 'cats.txt')] }, 'INVALID_ARGUMENT'));

  it('when it was aborted', () =>
    refuses({ datasets: [join(dir, 'cats.txt')], signal: AbortSignal.abort() }, 'ABORTED'));
});

describe('runValidation in the middle', () => {
  it('stops when aborted', async () => {
    const controller = new AbortController();
    const onProgress = ({ name }: StageProgress) => name.startsWith('writing') && controller.abort();
    const ended = runValidation(folder, { ...options, datasets: [], onProgress, signal: controller.signal });
    await expect(ended).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
