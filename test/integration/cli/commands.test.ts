import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MeasurementRecord, type RecordSet, withoutSamples } from '../../../src/core/measurement.ts';
import type { Report } from '../../../src/report/report.ts';
import { readReport } from '../../../src/report/report-files.ts';
import { command, type Ended } from './command-line.ts';

const bundled = fileURLToPath(new URL('../../../models/itera-lite-micro', import.meta.url));

let dir: string;
let text: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-cli-'));
  text = join(dir, 'own.txt');
  const documents = ['The dog sat.', 'A girl named Ann had a red ball.', 'It was cold, so he went home.'];
  await writeFile(text, documents.join('\n<|endoftext|>\n'));
});
afterAll(() => rm(dir, { recursive: true }));

const parse = (stdout: string): RecordSet => JSON.parse(stdout) as RecordSet;

const measuredValue = (records: readonly MeasurementRecord[], metric: string): number => {
  const record = records.find((candidate) => candidate.metric === metric);
  if (record?.status !== 'measured') throw new Error(`${metric} was not measured.`);
  return record.value;
};

describe('itera-lite run, without data', () => {
  let ended: Ended;
  let report: Report;
  const out = (): string => join(dir, 'reports', 'first');
  beforeAll(async () => {
    ended = await command('run', '--model', 'itera-lite-micro', '--out', out(), '--no-energy');
    report = await readReport(join(out(), 'report.json'));
  }, 900_000);

  it('ends well, with results on stdout and all else on stderr', () => {
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/^Validation of itera-lite-micro\n/);
    expect(ended.stdout).toMatch(/stories.*test.*\d\.\d+ \[\d\.\d+, \d\.\d+\]/);
    expect(ended.stdout).toMatch(/Sample: Once upon a time/);
    expect(ended.stderr).toContain(`Report: ${join(out(), 'index.html')}\n`);
    expect(ended.stdout).not.toContain('stages');
    expect(ended.stdout).toContain('Requests over HTTP');
  });

  it('tells of each dataset that is absent how to provide it', () => {
    for (const name of ['tinystories', 'wikitext-2']) {
      const records = report.records.filter(({ conditions }) => conditions.dataset === name);
      expect(records.length).toBeGreaterThan(0);
      for (const record of records) {
        expect(record).toMatchObject({ status: 'notRun', reason: expect.stringContaining('ITERA_DATA_DIR') });
      }
      expect(ended.stdout).toMatch(new RegExp(`Not run: .*${name}.*save it as <folder>/${name}/test\\.txt`));
    }
  });

  it('measures the bundled texts', () => {
    for (const name of ['stories', 'articles']) {
      const records = report.records.filter(({ conditions }) => conditions.dataset === name);
      expect(measuredValue(records, 'bits_per_byte')).toBeGreaterThan(0.5);
      expect(measuredValue(records, 'bits_per_byte')).toBeLessThan(8);
      expect(report.provenance.hashes).toHaveProperty([`dataset/${name}/test`]);
    }
  });

  it('compares the variants, charts them and judges them', async () => {
    expect(report.bounds).toMatchObject({ fp16: 0.01, int8: 0.02, int4: 0.2, mixed: 0.2 });
    for (const variant of ['fp16', 'int8', 'int4', 'mixed']) {
      const records = report.records.filter(({ conditions }) => conditions.variant === variant);
      expect(measuredValue(records, 'perplexity_ratio')).toBeLessThan(1.2);
      expect(measuredValue(records, 'perplexity_ratio')).toBeGreaterThan(0.95);
      expect(measuredValue(records, 'size_bytes')).toBeGreaterThan(1e5);
      expect(report.provenance.hashes).toHaveProperty([`variant/${variant}`]);
      expect(ended.stdout).toMatch(new RegExp(`stories/test .* ${variant} .* within \\d+%`));
      expect(report.findings).toContainEqual(
        expect.stringMatching(new RegExp(`^${variant} is .* on stories/test: within`)),
      );
    }
    expect(await readdir(join(out(), 'charts'))).toEqual(
      expect.arrayContaining(['quality-size.svg', 'quality-size.png', 'quality-bits.svg']),
    );
  });

  it('compares exported files with the model and times it in several runtimes', () => {
    const checks = report.records.filter(({ conditions }) => conditions['check'] !== undefined);
    expect(checks.length).toBeGreaterThanOrEqual(7);
    expect(report.failures).toBeUndefined();
    expect(report.findings).toContainEqual(
      expect.stringMatching(/^The ONNX export gives what the model gives: 7 comparisons/),
    );
    expect(ended.stdout).toMatch(/A pass over 128 tokens, batch 1, milliseconds/);
    for (const runtime of ['onnxruntime-node', 'onnxruntime-web']) {
      const timed = report.records.filter(
        ({ conditions, metric }) => conditions.runtime === runtime && metric === 'tokens_per_second',
      );
      expect(timed.map(({ conditions }) => conditions.variant).sort()).toEqual([
        'fp32',
        'fp32',
        'int4',
        'int4',
        'int8',
        'int8',
      ]);
    }
  });

  it('leaves a whole report behind', async () => {
    expect((await readdir(out())).sort()).toEqual(['charts', 'index.html', 'report.json', 'report.md']);
    expect(await readFile(join(out(), 'index.html'), 'utf8')).toContain('Validation of itera-lite-micro');
    expect(await readFile(join(out(), 'report.md'), 'utf8')).toMatch(/^# Validation of itera-lite-micro/m);
    expect(report.samples.map(({ prompt }) => prompt)).toContain('Once upon a time');
  });
});

describe('itera-lite run', () => {
  it('prints nothing but the records with --json, the same numbers every time', async () => {
    const given = [
      'run',
      '--no-exports',
      '--no-bench',
      '--model',
      'itera-lite-micro',
      '--dataset',
      text,
      '--out',
      join(dir, 'json'),
      '--seed',
      '9',
      '--json',
      '--variant',
      'none',
      '--drill',
      'none',
      '--no-server',
      '--no-energy',
    ];
    const { code, stdout } = await command(...given, '--threads', '1');
    expect(code).toBe(0);
    const { schemaVersion, provenance, records, ...rest } = parse(stdout);
    expect(rest).toEqual({});
    expect(schemaVersion).toBe(1);
    expect(provenance).toMatchObject({ seed: 9, threads: 1, hashes: { 'dataset/own.txt': expect.any(String) } });
    expect((await readReport(join(dir, 'json', 'report.json'))).records).toEqual(records);
    expect(parse((await command(...given, '--threads', '1', '--full-text')).stdout).records).toEqual(records);
  });

  it('scores by default the datasets that have the split', async () => {
    const { code, stdout } = await command(
      ...[
        'run',
        '--model',
        'itera-lite-micro',
        '--split',
        'valid',
        '--variant',
        'none',
        '--drill',
        'none',
        '--no-server',
        '--no-energy',
        '--out',
        join(dir, 'valid'),
        '--json',
      ],
    );
    expect(code).toBe(0);
    const datasets = new Set(parse(stdout).records.map(({ conditions }) => conditions.dataset));
    expect([...datasets]).toEqual([undefined, 'tinystories', 'wikitext-2']);
  }, 180_000);
});

describe('itera-lite evaluate', () => {
  it('compares variants on the same tokens', async () => {
    const given = ['evaluate', '--dataset', text, '--threads', '1', '--variant', 'fp16', '--json'];
    const { code, stdout } = await command(...given);
    expect(code).toBe(0);
    const { records, provenance } = parse(stdout);
    expect(provenance.hashes).toHaveProperty(['variant/fp16']);
    const ratio = records.find(({ metric }) => metric === 'perplexity_ratio');
    expect(ratio).toMatchObject({ status: 'measured', value: expect.closeTo(1, 2), conditions: { variant: 'fp16' } });
    const unknown = await command(...given.with(6, 'fp8'));
    expect(unknown).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('got "fp8"') });
  });

  it('prints records of a text file with --json', async () => {
    const { code, stdout, stderr } = await command('evaluate', '--dataset', text, '--threads', '1', '--json');
    expect(code).toBe(0);
    expect(stderr).not.toContain('Error');
    const { schemaVersion, provenance, records } = parse(stdout);
    expect(schemaVersion).toBe(1);
    expect(Object.keys(provenance.hashes)).toEqual(
      expect.arrayContaining(['model/model.safetensors', 'dataset/own.txt']),
    );
    expect(records.map(({ metric }) => metric)).toEqual([
      'bits_per_byte',
      'word_perplexity',
      'token_perplexity',
      'nats_per_token',
    ]);
    expect(records[0]).toMatchObject({ n: 3, conditions: { dataset: 'own.txt', contextLength: 512, stride: 256 } });
    expect(measuredValue(records, 'token_perplexity')).toBeCloseTo(
      Math.exp(measuredValue(records, 'nats_per_token')),
      6,
    );
  });

  it('gives each of several texts its own records, and a table without --json', async () => {
    const other = join(dir, 'other.txt');
    await writeFile(other, 'She ran to the big tree.');
    const { code, stdout } = await command('evaluate', '--dataset', text, '--dataset', other, '--dataset', text);
    expect(code).toBe(0);
    expect(stdout.match(/│ own\.txt/g)).toHaveLength(1);
    expect(stdout.match(/│ other\.txt/g)).toHaveLength(1);
    expect(stdout).toContain('Bits per byte');
  });

  it('keeps the numbers in the model folder with --save, replacing those of the same thing', async () => {
    const model = join(dir, 'model');
    await cp(bundled, model, { recursive: true });
    const before = await readFile(join(model, 'model.safetensors'));
    const line = ['evaluate', '--model', model, '--dataset', text, '--threads', '1', '--save', '--json'];
    const { code, stdout } = await command(...line);
    expect(code).toBe(0);
    await command(...line);
    const itera = JSON.parse(await readFile(join(model, 'itera.json'), 'utf8')) as {
      measurements: MeasurementRecord[];
    };
    const saved = itera.measurements.filter(({ conditions }) => conditions.dataset === 'own.txt');
    expect(saved).toEqual(parse(stdout).records.map(withoutSamples));
    expect(await readFile(join(model, 'README.md'), 'utf8')).toContain('own.txt');
    expect((await readFile(join(model, 'model.safetensors'))).equals(before)).toBe(true);
  });

  it('leaves all other files of the folder as they are with --save, also those that other software wrote', async () => {
    const model = join(dir, 'rewritten');
    await cp(bundled, model, { recursive: true });
    const others = ['model.safetensors', 'config.json', 'tokenizer.json', 'tokenizer_config.json'];
    for (const name of others.slice(1)) {
      const content: unknown = JSON.parse(await readFile(join(model, name), 'utf8'));
      await writeFile(join(model, name), JSON.stringify({ ...(content as object), of_other_software: true }));
    }
    const read = () => Promise.all(others.map((name) => readFile(join(model, name), 'utf8')));
    const before = await read();
    const { code } = await command(
      'evaluate',
      '--model',
      model,
      '--dataset',
      text,
      '--threads',
      '1',
      '--save',
      '--json',
    );
    expect(code).toBe(0);
    expect(await read()).toEqual(before);
  });

  it('measures a folder of other software under the name of the folder', async () => {
    const model = join(dir, 'foreign');
    await cp(bundled, model, { recursive: true });
    await rm(join(model, 'itera.json'));
    const { code, stdout } = await command('evaluate', '--model', `${model}/`, '--dataset', text, '--json');
    expect(code).toBe(0);
    expect(parse(stdout).records[0]).toMatchObject({ subject: 'foreign', conditions: { model: 'foreign' } });
  });
});

describe('itera-lite generate', () => {
  const greedy = ['generate', 'Once upon a time', '--temperature', '0', '--max-new-tokens', '12'];

  it('prints the text, and with --json the same with its tokens', async () => {
    const plain = await command(...greedy);
    const json = await command(...greedy, '--json');
    expect([plain.code, json.code, plain.stderr, json.stderr]).toEqual([0, 0, '', '']);
    const { prompt, text: written, tokens, finish } = JSON.parse(json.stdout);
    expect(plain.stdout).toBe(`${prompt}${written}\n`);
    expect(prompt).toBe('Once upon a time');
    expect(tokens).toHaveLength(finish.newTokens);
    for (const token of tokens) expect(token).toEqual({ id: expect.any(Number), logProb: expect.any(Number) });
    expect(json.stdout.trim().split('\n')).toHaveLength(1);
  });

  it('repeats a text by its seed, and ends before a stop text', async () => {
    const line = ['generate', '--seed', '4', '--max-new-tokens', '20', '--json'];
    const [first, second] = [await command(...line), await command(...line)];
    expect(first.stdout).toBe(second.stdout);
    const { text: written } = JSON.parse(first.stdout) as { text: string };
    const stop = written.slice(5, 8);
    const stopped = JSON.parse((await command(...line, '--stop', 'never met', '--stop', stop)).stdout);
    expect(stopped).toMatchObject({
      text: written.slice(0, written.indexOf(stop)),
      finish: { finishReason: 'stop', stop },
    });
  });
});

describe('itera-lite datasets', () => {
  it('lists what there is and where', async () => {
    const data = join(dir, 'data');
    await mkdir(join(data, 'wikitext-2'), { recursive: true });
    await writeFile(join(data, 'wikitext-2', 'valid.txt'), 'text');
    const json = await command('datasets', '--data-dir', data, '--json');
    expect([json.code, json.stderr]).toEqual([0, '']);
    const listings = JSON.parse(json.stdout) as {
      entry: { name: string };
      splits: { split: string; path?: string }[];
    }[];
    expect(listings.map(({ entry }) => entry.name)).toEqual(['stories', 'articles', 'tinystories', 'wikitext-2']);
    const found = listings.flatMap(({ splits }) => splits.flatMap(({ path }) => path ?? []));
    expect(found).toHaveLength(3);
    expect(found).toContain(join(data, 'wikitext-2', 'valid.txt'));
    const plain = await command('datasets', '--data-dir', data);
    expect([plain.code, plain.stderr]).toEqual([0, '']);
    for (const path of found) expect(plain.stdout).toContain(path);
    expect(plain.stdout.match(/not on this machine/g)).toHaveLength(5);
  });
});
