import { describe, expect, it } from 'vitest';
import type { MeasurementRecord } from '../../../src/core/measurement.ts';
import { objectivesTable, reportObjectives } from '../../../src/report/objectives.ts';
import { exampleReport, missing, value, wholeReport } from './example-report.ts';

const judge = (records: readonly MeasurementRecord[], bounds?: Readonly<Record<string, number>>) =>
  reportObjectives({ ...exampleReport, records, ...(bounds && { bounds }) }).map(({ name, verdict }) => [
    name,
    verdict,
  ]);

const stories = { dataset: 'stories', split: 'test' };
const ratio = (variant: string, high: number) =>
  value('perplexity_ratio', '1', high - 0.005, { ...stories, variant }, { interval: [high - 0.01, high] });

describe('reportObjectives', () => {
  it('judges a whole report, with the record that decides behind each verdict', () => {
    const objectives = reportObjectives(wholeReport);
    expect(objectives.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['Quality measured on articles, test', 'holds'],
      ['Quality measured on stories, test', 'holds'],
      ['Quality measured on wikitext-2, test', 'notRun'],
      ['Quality kept by int8', 'holds'],
      ['Quality kept by int4', 'doesNotHold'],
      ['Quality kept by every variant', 'holds'],
      ['Export equal to the model in onnxruntime 1.2.3', 'holds'],
      ['Export equal to the model in PyTorch', 'notRun'],
      ['Timed in onnxruntime-node', 'holds'],
      ['Timed in torchscript', 'notRun'],
      ['Learns from feedback (phrase)', 'holds'],
      ['Forgets little of stories, test (phrase)', 'doesNotHold'],
      ['Server answers without failure', 'doesNotHold'],
      ['Energy stated with its method', 'holds'],
    ]);
    for (const { record } of objectives) expect(wholeReport.records).toContain(record);
  });

  it('asks the unfavourable end of an interval', () => {
    expect(judge([ratio('int8', 1.019)], { int8: 0.02 })[0]).toEqual(['Quality kept by int8', 'holds']);
    expect(judge([ratio('int8', 1.021)], { int8: 0.02 })[0]).toEqual(['Quality kept by int8', 'doesNotHold']);
    const learned = (interval: [number, number]) =>
      judge([value('wanted_nats_ratio', '1', 0.98, { scenario: 'style' }, { interval })])[0]?.[1];
    expect([learned([0.95, 0.99]), learned([0.95, 1.01])]).toEqual(['holds', 'doesNotHold']);
  });

  it('allows no variant more than 20%, whatever its bound', () => {
    const verdicts = judge([ratio('int8', 1.01), ratio('int4', 1.3)], { int8: 0.02, int4: 0.5 });
    expect(verdicts).toEqual([
      ['Quality kept by int8', 'holds'],
      ['Quality kept by int4', 'holds'],
      ['Quality kept by every variant', 'doesNotHold'],
    ]);
  });

  it('says of what could not be judged that it was not', () => {
    const unjudged = missing('perplexity_ratio', '1', 'it is damaged', { ...stories, variant: 'int8' });
    const beside = value('bits_per_byte', 'bits/byte', 1, { ...stories, variant: 'fp32' }, { interval: [0.9, 1.1] });
    const [, int8] = reportObjectives({ ...exampleReport, records: [beside, unjudged], bounds: { int8: 0.02 } });
    expect(int8).toMatchObject({ name: 'Quality kept by int8', verdict: 'notRun' });
    expect(int8?.result).toContain('it is damaged');
  });

  it('refuses an export that differs, in whatever way', () => {
    const check = { runtime: 'R', check: 'c' };
    const verdict = (record: MeasurementRecord) => judge([record])[0]?.[1];
    expect(verdict(value('max_abs_difference', '1', 0.002, check))).toBe('doesNotHold');
    expect(verdict(value('perplexity_ratio', '1', 0.9998, check))).toBe('doesNotHold');
    expect(verdict(value('top1_agreement', '1', 0.97, check))).toBe('doesNotHold');
    expect(verdict(value('top1_agreement', '1', 1, check))).toBe('holds');
  });

  it('has none without records', () => {
    expect(judge([])).toEqual([]);
    expect(objectivesTable([]).rows).toEqual([]);
  });
});
