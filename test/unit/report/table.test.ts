import { describe, expect, it } from 'vitest';
import { formatRecord, formatValue } from '../../../src/report/number-text.ts';
import { metricTable, summaryTable, type Table } from '../../../src/report/table.ts';
import { terminalTable } from '../../../src/report/terminal-table.ts';
import { exampleReport, missing, value } from './example-report.ts';

const titles = (table: Table) => table.columns.map(({ title }) => title);
const texts = (table: Table) => table.rows.map((row) => row.map(({ text }) => text));

describe('formatValue', () => {
  it.each<[number, [number, number] | undefined, string]>([
    [0.9713, [0.9601, 0.9829], '0.971 [0.960, 0.983]'],
    [2215.34, [2190.2, 2240.8], '2,215 [2,190, 2,241]'],
    [1, [0.99999, 1.00002], '1.000000 [0.999990, 1.000020]'],
    [1.5, [1.5, 1.5], '1.500 [1.500, 1.500]'],
    [293_656, undefined, '293,656'],
    [24.5193, undefined, '24.52'],
    [0.00213, undefined, '0.002130'],
    [9.99996, undefined, '10.00'],
    [0, undefined, '0'],
    [-0.0000004, [-1, 1], '0.0 [-1.0, 1.0]'],
    [1.23456e-9, undefined, '1.235e-9'],
    [1.5e21, undefined, '1.5e+21'],
  ])('writes %d with interval %j as %s', (amount, interval, text) => {
    expect(formatValue(interval === undefined ? { value: amount } : { value: amount, interval })).toBe(text);
  });

  it('marks what was estimated and says why something was not run', () => {
    expect(formatRecord(value('energy_j_per_token', 'J/token', 2, {}, { status: 'estimated' }))).toBe('2 (estimated)');
    expect(formatRecord(missing('energy_j_per_token', 'J/token', 'no meter', {}))).toBe('not run: no meter');
  });
});

describe('summaryTable', () => {
  const test = { dataset: 'stories', split: 'test' };

  it('has a row for each dataset and split and a column for each metric', () => {
    const table = summaryTable([
      value('bits_per_byte', 'bits/byte', 0.9713, test, { interval: [0.9601, 0.9829] }),
      value('token_perplexity', '1', 24.5193, test),
      value('bits_per_byte', 'bits/byte', 1.5, { ...test, split: 'valid' }),
      value('load_ms', 'ms', 3, test),
    ]);
    expect(titles(table)).toEqual([
      'Dataset',
      'Split',
      'Bits per byte',
      'Word perplexity',
      'Token perplexity',
      'Nats per token',
    ]);
    expect(texts(table)).toEqual([
      ['stories', 'test', '0.971 [0.960, 0.983]', '–', '24.52', '–'],
      ['stories', 'valid', '1.500', '–', '–', '–'],
    ]);
    expect(table.rows[0]?.[2]?.record?.id).toBe('micro/bits_per_byte/dataset=stories/split=test');
    expect(table.note).toBe('Model: micro');
  });

  it('adds columns for further conditions only where they differ, and keeps datasets together', () => {
    const table = summaryTable(
      ['fp32', 'int8'].flatMap((variant) =>
        ['articles', 'stories'].map((dataset) =>
          value('bits_per_byte', 'bits/byte', 1, { dataset, split: 'test', variant, threads: 2 }),
        ),
      ),
    );
    expect(titles(table).slice(0, 4)).toEqual(['Dataset', 'Split', 'Variant', 'Bits per byte']);
    expect(texts(table).map((row) => row.slice(0, 3).join(' '))).toEqual([
      'articles test fp32',
      'articles test int8',
      'stories test fp32',
      'stories test int8',
    ]);
    expect(table.note).toBe('Model: micro · Threads: 2');
  });

  it('says once across the row why nothing of it was run', () => {
    const table = summaryTable([
      missing('bits_per_byte', 'bits/byte', 'no data', test),
      missing('word_perplexity', '1', 'no data', test),
    ]);
    expect(texts(table)).toEqual([['stories', 'test', 'not run: no data']]);
    expect(table.rows[0]?.[2]?.span).toBe(4);
  });

  it('keeps different reasons apart', () => {
    const table = summaryTable([
      missing('bits_per_byte', 'bits/byte', 'no data', test),
      missing('word_perplexity', '1', 'no words', test),
    ]);
    expect(texts(table)).toEqual([['stories', 'test', 'not run: no data', 'not run: no words', '–', '–']]);
  });

  it('is empty without records of its metrics', () => {
    expect(summaryTable([value('load_ms', 'ms', 3, {})]).rows).toEqual([]);
  });
});

describe('metricTable', () => {
  it('loses no record, not even one measured twice', () => {
    const again = { ...value('load_ms', 'ms', 4, {}), id: 'again' };
    const records = [value('load_ms', 'ms', 3, {}), again, value('latency_ms', 'ms', 1, {})];
    const table = metricTable('Speed', records, { metrics: ['latency_ms', 'load_ms'] });
    expect(texts(table)).toEqual([
      ['1', '3'],
      ['–', '4'],
    ]);
  });

  it('names models and subjects where they differ', () => {
    const records = ['one', 'two'].map((model) => value('load_ms', 'ms', 3, { model }));
    const table = metricTable('Speed', records, { metrics: ['load_ms'] });
    expect(titles(table)).toEqual(['Model', 'Loading (ms)']);
    expect(table.note).toBe('Subject: micro');
  });

  it('puts every value of the example into exactly one cell', () => {
    const metrics = [...new Set(exampleReport.records.map(({ metric }) => metric))];
    const cells = metricTable('All', exampleReport.records, { metrics }).rows.flat();
    const ids = cells.flatMap(({ record }) => (record === undefined || record.status === 'notRun' ? [] : [record.id]));
    const expected = exampleReport.records.filter(({ status }) => status !== 'notRun').map(({ id }) => id);
    expect(ids.sort()).toEqual(expected.sort());
  });
});

describe('terminalTable', () => {
  const table = summaryTable([
    value('bits_per_byte', 'bits/byte', 0.5, { dataset: 'a\u001b[2J\nb', split: 'test' }),
    missing('bits_per_byte', 'bits/byte', 'no data', { dataset: 'c', split: 'test' }),
  ]);

  it('shows all fields in lines of one width', () => {
    const lines = terminalTable(table, { color: false }).split('\n').slice(1, -1);
    expect(new Set(lines.map((line) => [...line].length)).size).toBe(1);
    expect(lines.join('\n')).toContain('0.5000');
    expect(lines.join('\n')).toContain('not run: no data');
  });

  it('lets no text steer the terminal', () => {
    expect(terminalTable(table, { color: false })).not.toContain('\u001b');
    expect(terminalTable(table, { color: false })).toContain('a[2J b');
  });

  it('uses colour when asked to, and by default only on a terminal', () => {
    expect(terminalTable(table, { color: true })).toContain('\u001b[1m');
    const { isTTY } = process.stdout;
    try {
      process.stdout.isTTY = false;
      expect(terminalTable(table)).not.toContain('\u001b');
    } finally {
      process.stdout.isTTY = isTTY;
    }
  });
});
