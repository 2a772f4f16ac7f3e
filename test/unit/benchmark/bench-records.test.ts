import { describe, expect, it } from 'vitest';
import { absentRecord, latencyRecords, timingRecord } from '../../../src/benchmark/bench-records.ts';
import { benchmarkChart } from '../../../src/report/benchmark-chart.ts';
import { compareBenchmarks } from '../../../src/report/benchmark-comparison.ts';
import { benchmarkTables } from '../../../src/report/benchmark-table.ts';
import { parseRecordSet } from '../../../src/report/report-schema.ts';

const side = (runtime: string, threads = 1) => ({ model: 'toy', runtime, variant: 'fp32', threads });
const at = (runtime: string) => ({ ...side(runtime), batch: 1, sequenceLength: 128 });
const slow = Array.from({ length: 10 }, (_, round) => [10 + round, 11 + round, 12 + round]);
const fast = slow.map((round) => round.map((value) => value / 2));
const records = [
  timingRecord('load_ms', side('first'), [3, 1, 2], 'loading'),
  ...latencyRecords(at('first'), slow, 'passes'),
  ...latencyRecords(at('second'), fast, 'passes'),
  absentRecord(side('third'), 'it is not installed.'),
];

describe('latencyRecords', () => {
  it('gives the median of rounds with its interval and samples, and statistics of all passes', () => {
    const [median, ...statistics] = latencyRecords(at('first'), slow, 'passes');
    expect(median).toMatchObject({ metric: 'latency_ms', unit: 'ms', value: 15.5, n: 10, interval: [12, 19] });
    expect(median?.confidence).toBeCloseTo(0.979, 3);
    expect(median?.samples).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    expect(statistics.map(({ conditions, value }) => [conditions['statistic'], value])).toEqual([
      ['mean', 15.5],
      ['standard deviation', expect.closeTo(3.037, 3)],
      ['median', 15.5],
      ['p90', expect.closeTo(19.1, 5)],
      ['p99', expect.closeTo(20.71, 5)],
    ]);
  });

  it('makes records that a file of them may hold', () => {
    const provenance = {
      createdAt: '2026-01-01T00:00',
      iteraLite: '1',
      node: '1',
      platform: 'x',
      cpu: 'x',
      cpuCount: 1,
      memoryBytes: 1,
      hashes: {},
    };
    const json = JSON.stringify({ schemaVersion: 1, provenance, records });
    expect(parseRecordSet(json).records).toHaveLength(records.length);
    expect(() => parseRecordSet(json.replace('"schemaVersion":1', '"schemaVersion":2'))).toThrow(/schemaVersion/);
    expect(() => parseRecordSet('[]')).toThrow(expect.objectContaining({ code: 'RECORD_INVALID' }));
  });
});

describe('benchmarkTables', () => {
  it('compares every side with the first, round by round', () => {
    const [passes, sides] = benchmarkTables(records);
    const texts = passes?.rows.map((row) => row.map(({ text }) => text));
    expect(texts?.map((row) => [row[0], row.at(-2)])).toEqual([
      ['first', '–'],
      ['second', '2 [2, 2]'],
    ]);
    expect(sides?.rows.map((row) => row.map(({ text }) => text)[3])).toEqual([
      '2.0 [1.0, 3.0]',
      'not run: it is not installed.',
    ]);
  });
});

describe('benchmarkChart', () => {
  it('draws one bar for each side that was measured', () => {
    const svg = benchmarkChart(records);
    expect(svg).toContain('first fp32');
    expect(svg).toContain('second fp32');
    expect(svg).not.toContain('third');
  });

  it('refuses records without a latency', () => {
    expect(() => benchmarkChart([])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('compareBenchmarks', () => {
  it('puts side by side what both hold, whatever the version of the runtime', () => {
    const before = latencyRecords({ ...at('first'), runtimeVersion: '1.0' }, slow, 'passes');
    const after = latencyRecords({ ...at('first'), runtimeVersion: '2.0' }, fast, 'passes');
    const { rows, table } = compareBenchmarks([...before, ...latencyRecords(at('second'), fast, 'x')], after);
    expect(rows).toEqual([
      { id: expect.not.stringContaining('1.0'), before: 15.5, after: 7.75, ratio: 0.5, apart: true },
    ]);
    expect(table.rows).toHaveLength(1);
    expect(compareBenchmarks(before, before).rows).toEqual([expect.objectContaining({ ratio: 1, apart: false })]);
  });
});
