import { describe, expect, it } from 'vitest';
import { absentRecord, latencyRecords } from '../../../src/benchmark/bench-records.ts';
import type { MeasurementRecord } from '../../../src/core/measurement.ts';
import { exportTable } from '../../../src/report/export-table.ts';
import { sortRecords } from '../../../src/report/record-kinds.ts';

const check: MeasurementRecord = {
  ...{
    id: 'a',
    subject: 'toy',
    metric: 'perplexity_ratio',
    unit: '1',
    method: 'x',
    status: 'measured',
    value: 1,
    n: 9,
  },
  conditions: { model: 'toy', runtime: 'R', check: 'a real text', batch: 1, sequenceLength: 9 },
};
const absentExport: MeasurementRecord = {
  ...{ id: 'b', subject: 'toy', metric: 'max_abs_difference', unit: '1', method: 'x', status: 'notRun' },
  ...{ reason: 'no PyTorch', conditions: { model: 'toy', format: 'torchscript', runtime: 'PyTorch' } },
};
const quality: MeasurementRecord = {
  ...{
    id: 'c',
    subject: 'toy',
    metric: 'perplexity_ratio',
    unit: '1',
    method: 'x',
    status: 'measured',
    value: 1,
    n: 9,
  },
  conditions: { model: 'toy', variant: 'int8', dataset: 'd', runtime: 'onnxruntime-node' },
};
const timed = latencyRecords({ model: 'toy', runtime: 'r', runtimeVersion: '1' }, [[1], [2]], 'x');
const absent = absentRecord({ model: 'toy', runtime: 'torchscript' }, 'no PyTorch');

describe('sortRecords', () => {
  it('tells exports and speed from the quality of the model', () => {
    const served: MeasurementRecord = {
      ...{ ...quality, metric: 'tokens_per_second' },
      conditions: { model: 'toy', variant: 'fp32', concurrency: 8 },
    };
    const drawn: MeasurementRecord = {
      ...{ ...quality, metric: 'energy_j_per_token' },
      conditions: { model: 'toy', variant: 'fp32', meter: 'rapl' },
    };
    const projected: MeasurementRecord = {
      ...{ ...quality, metric: 'projected_energy_j_per_token' },
      conditions: { model: 'toy', variant: 'fp32', platform: 'laptop' },
    };
    const kinds = sortRecords([check, absentExport, quality, ...timed, absent, served, drawn, projected]);
    expect(kinds).toEqual({
      adaptation: [],
      energy: [drawn, projected],
      server: [served],
      model: [quality],
      exports: [check, absentExport],
      speed: [...timed, absent],
    });
  });
});

describe('exportTable', () => {
  it('has a row for each comparison, also for one that was not made', () => {
    const rows = exportTable([check, absentExport]).rows.map((row) => row.map(({ text }) => text));
    expect(rows).toEqual([
      ['R', 'a real text', '1', '9', 'Perplexity relative to FP32', '1'],
      ['PyTorch', 'torchscript', '–', '–', 'Greatest difference of logits', 'not run: no PyTorch'],
    ]);
  });
});
