import { describe, expect, it } from 'vitest';
import type { MeasurementRecord } from '../../../src/core/measurement.ts';
import { defaultBounds } from '../../../src/evaluation/degradation-bounds.ts';
import { judgeVariants } from '../../../src/evaluation/gate.ts';
import { terminalTable } from '../../../src/report/terminal-table.ts';
import { variantCharts, variantTable } from '../../../src/report/variants.ts';
import { missing, value } from './example-report.ts';

const stories = { dataset: 'stories', split: 'test' };

function measured(variant: string, bytes: number, ratio?: number): MeasurementRecord[] {
  const conditions = { ...stories, variant };
  return [
    value('size_bytes', 'bytes', bytes, { variant }, { n: 1 }),
    value('memory_bytes', 'bytes', 2 * bytes, { variant, threads: 1 }, { n: 1 }),
    value('bits_per_byte', 'bits/byte', 1.2 + ((ratio ?? 1) - 1), conditions, { interval: [1.1, 1.3] }),
    ...(ratio === undefined
      ? []
      : [
          value('perplexity_ratio', '1', ratio, conditions, { interval: [ratio - 0.002, ratio + 0.002] }),
          value('kl_divergence_nats', 'nats/token', ratio - 1, conditions, { interval: [0, 0.1] }),
          value('kl_divergence_nats', 'nats/token', 0.5, { ...conditions, statistic: '99th percentile' }),
          value('top1_agreement', '1', 0.9, conditions, { interval: [0.89, 0.91] }),
        ]),
  ];
}

const records = [
  ...measured('fp32', 1_000_000),
  ...measured('int8', 280_000, 1.001),
  ...measured('int4', 170_000, 1.31),
];
const verdicts = judgeVariants(records, defaultBounds);

describe('variantTable', () => {
  it('has a row for each variant and text, with the share of FP32 and what the gate says', () => {
    const { columns, rows, note } = variantTable(records, verdicts);
    expect(note).toBe('Model: micro');
    expect(columns.map(({ title }) => title)).toEqual([
      'Dataset',
      'Variant',
      'Size (bytes)',
      'Share of FP32',
      'Memory (bytes)',
      'Bits per byte',
      'Perplexity relative to FP32',
      'KL divergence from FP32 (nats/token)',
      'Same first choice as FP32',
      'Gate',
    ]);
    expect(rows.map((row) => row.map(({ text }) => text))).toEqual([
      ['stories/test', 'fp32', '1,000,000', '1', '2,000,000', '1.20 [1.10, 1.30]', '–', '–', '–', '–'],
      [
        'stories/test',
        'int8',
        '280,000',
        '0.2800',
        '560,000',
        '1.20 [1.10, 1.30]',
        '1.0010 [0.9990, 1.0030]',
        '0.001 [0.000, 0.100]',
        '0.900 [0.890, 0.910]',
        'within 2%',
      ],
      [
        'stories/test',
        'int4',
        '170,000',
        '0.1700',
        '340,000',
        '1.51 [1.10, 1.30]',
        '1.3100 [1.3080, 1.3120]',
        '0.310 [0.000, 0.100]',
        '0.900 [0.890, 0.910]',
        'not within 20%',
      ],
    ]);
    expect(rows[1]?.[6]?.record?.metric).toBe('perplexity_ratio');
  });

  it('says what was not run and what cannot be judged, and leaves no cell empty', () => {
    const conditions = { ...stories, variant: 'mixed' };
    const more = [...records, missing('perplexity_ratio', '1', 'it is damaged', conditions)];
    const { rows, columns } = variantTable(more, judgeVariants(more, defaultBounds));
    const texts = rows.at(-1)?.map(({ text }) => text);
    expect(texts).toEqual([
      'stories/test',
      'mixed',
      '–',
      '–',
      '–',
      '–',
      'not run: it is damaged',
      '–',
      '–',
      'cannot be judged',
    ]);
    for (const row of rows) expect(row).toHaveLength(columns.length);
    expect(terminalTable(variantTable(more, []), { color: false })).toContain('mixed');
  });

  it('tells models apart where there are several', () => {
    const other = records.map((record) => ({ ...record, subject: 'tiny' }));
    const both = [...records, ...other];
    const { rows, columns, note } = variantTable(both, judgeVariants(both, defaultBounds));
    expect(columns[0]?.title).toBe('Model');
    expect(rows.map(([model]) => model?.text)).toEqual(['micro', 'micro', 'micro', 'tiny', 'tiny', 'tiny']);
    expect(note).toBeUndefined();
  });
});

describe('variantCharts', () => {
  it('draws every variant that has a size and a ratio, FP32 at 1', () => {
    const [chart, ...more] = variantCharts(records);
    expect(more).toEqual([]);
    expect(chart?.name).toBe('quality-size');
    expect(chart?.svg).toContain(
      'fp32, stories/test: 1 at 1,000; int8, stories/test: 1.0010 [0.9990, 1.0030] at 280; ' +
        'int4, stories/test: 1.3100 [1.3080, 1.3120] at 170.</desc>',
    );
    expect(chart?.records.map((record) => record?.metric)).toEqual([
      'size_bytes',
      'perplexity_ratio',
      'perplexity_ratio',
    ]);
  });

  it('draws the divergence against the bits of a parameter where parameters are counted', () => {
    const count = value('parameters', 'parameters', 250_000, { variant: 'fp32' });
    const [, chart] = variantCharts([...records, count]);
    expect(chart?.name).toBe('quality-bits');
    expect(chart?.svg).toContain('int8, stories/test: 0.001 [0.000, 0.100] at 8.96; int4');
  });

  it('draws all texts in one chart, none for a single variant, and a ruined variant on a logarithmic axis', () => {
    const articles = records.map((record) =>
      record.conditions.dataset ? { ...record, conditions: { ...record.conditions, dataset: 'articles' } } : record,
    );
    const [chart, ...more] = variantCharts([...records, ...articles]);
    expect(more).toEqual([]);
    expect(chart?.svg).toContain('int8, articles/test: 1.0010');
    expect(variantCharts(measured('fp32', 5))).toEqual([]);
    expect(variantCharts([])).toEqual([]);
    expect(chart?.svg).not.toContain('Perplexity relative to FP32 (log scale)');
    expect(variantCharts([...records, ...measured('mixed', 9, 500)])[0]?.svg).toContain('FP32 (log scale)');
  });
});
