import { describe, expect, it } from 'vitest';
import {
  type Conditions,
  type MeasurementRecord,
  type Metric,
  type RecordSet,
  recordId,
} from '../../../../src/core/measurement.ts';
import { compareRecords, countVerdicts } from '../../../../src/report/compare/compare-records.ts';
import { exampleReport, missing, value } from '../example-report.ts';

const hash = (digit: string): string => digit.repeat(64);

const set = (records: readonly MeasurementRecord[], more: Partial<RecordSet['provenance']> = {}): RecordSet => ({
  schemaVersion: 1,
  provenance: { ...exampleReport.provenance, ...more },
  records,
});

const stories = { dataset: 'stories', split: 'test', variant: 'fp32' };

/** Bits per byte with an interval of 2% on either side. */
const bits = (amount: number, conditions: Conditions = stories): MeasurementRecord =>
  value('bits_per_byte', 'bits/byte', amount, conditions, { interval: [amount * 0.98, amount * 1.02] });

const ofModel = (record: MeasurementRecord, model: string, more: Conditions = {}): MeasurementRecord => {
  const conditions = { ...record.conditions, model, ...more };
  return { ...record, subject: model, conditions, id: recordId(model, record.metric, conditions) };
};

const judged = (before: MeasurementRecord, after: MeasurementRecord, options = {}) => {
  const { changes } = compareRecords(set([before]), set([after]), options);
  return changes.map(({ verdict, reason }) => [verdict, reason]);
};

describe('compareRecords', () => {
  it('finds no difference between a report and itself', () => {
    const comparison = compareRecords(exampleReport, exampleReport, { includeTiming: true });
    const counts = countVerdicts(comparison);
    expect(counts.unchanged).toBe(exampleReport.records.length - counts.notComparable);
    expect(counts.notComparable).toBe(exampleReport.records.filter(({ status }) => status === 'notRun').length);
    expect(comparison).toMatchObject({ onlyBefore: [], onlyAfter: [], notes: [] });
  });

  it.each<[Metric, string, number, number, string]>([
    ['bits_per_byte', 'bits/byte', 1.5, 1.8, 'regressed'],
    ['bits_per_byte', 'bits/byte', 1.8, 1.5, 'improved'],
    ['top1_agreement', '1', 0.9, 0.8, 'regressed'],
    ['top1_agreement', '1', 0.8, 0.9, 'improved'],
    ['bits_per_byte', 'bits/byte', 1.5, 1.503, 'unchanged'],
  ])('tells by the better direction of %s (%s) that %d to %d has %s', (metric, unit, was, is, verdict) => {
    const at = (amount: number) => value(metric, unit, amount, stories, { interval: [amount * 0.99, amount * 1.01] });
    expect(judged(at(was), at(is))[0]?.[0]).toBe(verdict);
  });

  it.each<[Metric, string, number, number, string]>([
    ['size_bytes', 'bytes', 1000, 1100, 'regressed'],
    ['size_bytes', 'bytes', 1100, 1000, 'improved'],
    ['size_bytes', 'bytes', 100_000, 100_001, 'unchanged'],
    ['parameters', 'parameters', 1000, 1100, 'changed'],
    ['parameters', 'parameters', 1000, 1000, 'unchanged'],
  ])('judges the exact %s (%s) without an interval: %d to %d has %s', (metric, unit, was, is, verdict) => {
    const at = (amount: number) => value(metric, unit, amount, { variant: 'fp32' });
    expect(judged(at(was), at(is))[0]?.[0]).toBe(verdict);
  });

  it('does not judge without an interval what chance moves, unless it is equal', () => {
    const at = (amount: number) => value('token_perplexity', '1', amount, stories);
    expect(judged(at(20), at(25))).toEqual([['notJudged', 'no interval before']]);
    expect(judged(at(20), at(20))).toEqual([['unchanged', 'equal']]);
  });

  it('does not take small changes for changes, however significant', () => {
    const at = (amount: number) =>
      value('bits_per_byte', 'bits/byte', amount, stories, { interval: [amount - 1e-9, amount + 1e-9] });
    expect(judged(at(1.5), at(1.5005))).toEqual([['unchanged', 'smaller than the 0.1% that count']]);
    expect(judged(at(1.5), at(1.5005), { leastChange: 0 })[0]?.[0]).toBe('regressed');
  });

  it('judges time only where that is asked for', () => {
    const at = (amount: number) =>
      value(
        'tokens_per_second',
        'tokens/s',
        amount,
        { threads: 1 },
        { interval: [amount * 0.99, amount * 1.01], n: 9 },
      );
    expect(judged(at(1000), at(500))).toEqual([['notInterleaved', 'measured at another time, not in turns']]);
    expect(judged(at(1000), at(500), { includeTiming: true })[0]?.[0]).toBe('regressed');
  });

  it.each<[string, MeasurementRecord, MeasurementRecord, RegExp]>([
    ['an estimate with a measurement', { ...bits(1), status: 'estimated' } as MeasurementRecord, bits(2), /^estimated/],
    ['other units', bits(1), { ...bits(2), unit: 'nats' }, /^in bits\/byte before, in nats after/],
    ['what was not run', missing('bits_per_byte', 'bits/byte', 'no text', stories), bits(1), /^not run before$/],
  ])('does not compare %s', (_name, before, after, reason) => {
    expect(judged(before, after)).toEqual([['notComparable', expect.stringMatching(reason)]]);
  });

  it('does not compare numbers of texts that differ', () => {
    const before = set([bits(1)], { hashes: { 'dataset/stories/test': hash('a') } });
    const after = set([bits(2)], { hashes: { 'dataset/stories/test': hash('b') } });
    const { changes, notes } = compareRecords(before, after);
    expect(changes).toMatchObject([{ verdict: 'notComparable', reason: 'the text is another' }]);
    expect(notes).toEqual(['Files that differ: dataset/stories/test.']);
  });

  it('does not compare numbers per token of tokenizers that differ', () => {
    const records = (amount: number) => [
      bits(amount),
      value('nats_per_token', 'nats/token', amount, stories, { interval: [amount * 0.99, amount * 1.01] }),
    ];
    const before = set(records(1), { hashes: { 'model/tokenizer.json': hash('a') } });
    const after = set(records(2), { hashes: { 'model/tokenizer.json': hash('b') } });
    expect(compareRecords(before, after).changes.map(({ verdict }) => verdict)).toEqual(['regressed', 'notComparable']);
  });

  it('compares the same documents in pairs, which shows what intervals do not', () => {
    const hashes = { 'dataset/stories/test': hash('a') };
    const samples = [1.2, 1.7, 1.1, 1.9, 1.6, 1.5, 1.5, 1.4, 1.3, 1.8];
    const with_ = (record: MeasurementRecord, factor: number): MeasurementRecord =>
      ({
        ...record,
        samples: samples.map((sample, index) => sample * factor + 0.001 * (index % 3)),
      }) as MeasurementRecord;
    const [was, is] = [with_(bits(1.5009), 1), with_(bits(1.5159), 1.01)];
    expect(compareRecords(set([was], { hashes }), set([is], { hashes })).changes).toMatchObject([
      { verdict: 'regressed', test: { kind: 'paired' } },
    ]);
    // Unless it is known that the text is the same.
    expect(compareRecords(set([was]), set([is])).changes).toMatchObject([{ verdict: 'unchanged' }]);
  });

  it('allows for the number of tests', () => {
    const texts = Array.from({ length: 40 }, (_, index) => ({ ...stories, dataset: `text ${index}` }));
    const before = texts.map((text) => bits(1.5, text));
    const shifted = bits(1.5 * 1.032, texts[0]);
    const alone = compareRecords(set(before.slice(0, 1)), set([shifted])).changes[0];
    expect(alone?.verdict).toBe('regressed');
    const among = compareRecords(set(before), set([shifted, ...before.slice(1)])).changes[0];
    expect(among?.test?.pValue).toBe(alone?.test?.pValue);
    expect(among).toMatchObject({ verdict: 'unchanged', relative: expect.closeTo(0.032, 9) });
  });

  it('matches another model by metric and conditions, and says so', () => {
    const before = [bits(1.5), bits(1.6, { ...stories, variant: 'int8' })].map((record) => ofModel(record, 'small'));
    const after = [bits(1.9), bits(2, { ...stories, variant: 'int8' })].map((record) =>
      ofModel(record, 'micro', { threads: 2 }),
    );
    const { changes, notes } = compareRecords(set(before), set(after));
    expect(changes.map(({ before: { id }, verdict }) => [id, verdict])).toEqual([
      [before[0]?.id, 'regressed'],
      [before[1]?.id, 'regressed'],
    ]);
    expect(notes).toEqual([
      'Matched although they differ: model small before and micro after (2 of 2 pairs).',
      'Matched although they differ: threads – before and 2 after (2 of 2 pairs).',
    ]);
  });

  it('does not match time on other numbers of threads, nor what is ambiguous', () => {
    const speed = (threads: number) => value('tokens_per_second', 'tokens/s', 100, { threads });
    expect(compareRecords(set([speed(1)]), set([speed(2)]))).toMatchObject({
      changes: [],
      onlyBefore: [speed(1)],
      onlyAfter: [speed(2)],
    });
    const two = [ofModel(bits(1), 'a'), ofModel(bits(1), 'b')];
    expect(compareRecords(set(two), set([ofModel(bits(1), 'c')])).changes).toEqual([]);
    expect(compareRecords(set(two), set([ofModel(bits(1), 'b')])).changes).toHaveLength(1);
  });

  it('says what differs in how both were made', () => {
    const { notes } = compareRecords(set([bits(1)]), set([bits(1)], { cpu: 'Other CPU', threads: 4, commit: 'abc' }));
    expect(notes).toEqual([
      'Commit: unknown before, abc after.',
      'Processor: Example CPU before, Other CPU after.',
      'Threads: 2 before, 4 after.',
    ]);
  });
});
