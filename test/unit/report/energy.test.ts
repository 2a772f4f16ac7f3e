import { describe, expect, it } from 'vitest';
import { type Conditions, type MeasurementRecord, type Metric, recordId } from '../../../src/core/measurement.ts';
import { energyCharts } from '../../../src/report/energy-chart.ts';
import { energyFindings } from '../../../src/report/energy-findings.ts';
import { energyTables } from '../../../src/report/energy-table.ts';
import { renderMarkdown } from '../../../src/report/markdown.ts';
import { exampleReport as report } from './example-report.ts';

const units: Partial<Record<Metric, string>> = {
  energy_j_per_token: 'J/token',
  projected_energy_j_per_token: 'J/token',
};

function record(
  metric: Metric,
  conditions: Conditions,
  value: number,
  interval: readonly [number, number],
  status: 'measured' | 'estimated' = 'measured',
): MeasurementRecord {
  const all = { model: 'toy', threads: 1, batch: 1, ...conditions };
  return {
    ...{ id: recordId('toy', metric, all), subject: 'toy', metric, conditions: all, unit: units[metric] ?? '1' },
    ...{ method: 'x', status, value, interval, n: 8 },
  };
}

const decode = (variant: string) => ({ phase: 'decode', variant, meter: 'rapl' });
const measured = [
  record('energy_j_per_token', decode('fp32'), 0.01, [0.0099, 0.0101]),
  record('energy_j_per_token', decode('int4'), 0.007, [0.0069, 0.0071]),
  record('energy_ratio', decode('int4'), 0.7, [0.69, 0.71]),
];
const estimate = (variant: string) => ({ phase: 'prefill', variant, meter: 'estimate' });
const estimated = [
  record('energy_j_per_token', estimate('fp32'), 0.004, [0.001, 0.016], 'estimated'),
  record('energy_ratio', estimate('int4'), 1.02, [0.97, 1.07], 'estimated'),
];
const { threads: _, batch: __, ...elsewhere } = { threads: 1, batch: 1, variant: 'int4', platform: 'laptop' };
const projected = record('projected_energy_j_per_token', elsewhere, 1e-5, [1e-6, 1e-4], 'estimated');

describe('energyTables', () => {
  it('gives measured numbers, estimates and projections a table each', () => {
    const tables = energyTables([...measured, ...estimated, projected]);
    expect(tables.map(({ caption }) => caption)).toEqual([
      'Energy, measured (rapl)',
      'Energy, estimated from CPU time',
      'Projection to other hardware, mJ per generated token: computed, never measured',
    ]);
    for (const { rows, columns } of tables) for (const row of rows) expect(row).toHaveLength(columns.length);
    const statuses = tables.map(({ rows }) => new Set(rows.flat().flatMap((cell) => cell.record?.status ?? [])));
    expect(statuses).toEqual([new Set(['measured']), new Set(['estimated']), new Set(['estimated'])]);
  });

  it('shows thousandths of joules with their interval, and the ratio in the row of its variant', () => {
    const [table] = energyTables(measured);
    expect(table?.rows.map((row) => row.map(({ text }) => text))).toEqual([
      ['generating', 'fp32', '10.000 [9.900, 10.100]', '–'],
      ['generating', 'int4', '7.00 [6.90, 7.10]', '0.700 [0.690, 0.710]'],
    ]);
  });

  it('keeps digits at both ends of wide bounds', () => {
    const [table] = energyTables(estimated);
    expect(table?.rows[0]?.[2]?.text).toBe('4 [1, 16]');
  });

  it('leaves out what was not run', () => {
    const { value: _value, interval: _interval, ...others } = { value: 0, interval: 0, ...measured[0] };
    const absent = { ...others, status: 'notRun', reason: 'no meter' } as unknown as MeasurementRecord;
    expect(energyTables([absent])).toEqual([]);
  });
});

describe('energyFindings', () => {
  it('says what INT4 saves', () => {
    expect(energyFindings(measured)).toEqual([
      'Energy, generating: INT4 draws 0.700 [0.690, 0.710] times the energy of FP32: it saves 30%.',
    ]);
  });

  it('says that no saving can be told, and that no meter has checked it', () => {
    const [sentence] = energyFindings(estimated);
    expect(sentence).toMatch(
      /^Energy, reading a prompt: INT4 takes 1\.020 \[0\.970, 1\.070\] times the CPU time of FP32/,
    );
    expect(sentence).toMatch(/no meter has checked it\), no saving can be told from none\.$/);
  });

  it('says that it saves nothing', () => {
    const more = record('energy_ratio', decode('int4'), 1.25, [1.2, 1.3]);
    expect(energyFindings([more])[0]).toMatch(/it saves nothing: it needs 25% more\.$/);
  });
});

describe('energyCharts', () => {
  it('draws energy and ratio, and says of estimates that they are some', () => {
    const charts = energyCharts(measured);
    expect(charts.map(({ name }) => name)).toEqual(['energy-per-token', 'energy-ratio']);
    const [chart] = energyCharts([
      ...estimated,
      record('energy_j_per_token', estimate('int4'), 0.004, [0.001, 0.01], 'estimated'),
    ]);
    expect(chart?.title).toContain('estimated');
  });

  it('draws nothing without values', () => {
    expect(energyCharts([])).toEqual([]);
  });
});

describe('the report', () => {
  it('shows each table', () => {
    const text = renderMarkdown({ ...report, records: [...report.records, ...measured, projected] });
    expect(text).toContain('**Energy, measured (rapl)**');
    expect(text).toContain('**Projection to other hardware');
    expect(text).toContain('charts/energy-ratio.png');
  });
});
