import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import { formatEnergy, phaseText } from './energy-table.ts';
import { groupRecords, type ReportChart, rowDots } from './report-charts.ts';

/**
 * Energy of a token by variant, and of each variant relative to FP32, as points with intervals. Of several numbers of threads
 * or batches the first is drawn.
 *
 * @param records - From `measureEnergy`.
 * @returns One chart of each that has something to compare.
 */
export function energyCharts(records: readonly MeasurementRecord[]): readonly ReportChart[] {
  const tokens = drawable(records, 'energy_j_per_token');
  const ratios = drawable(records, 'energy_ratio');
  const isEstimate = tokens.some(({ status }) => status === 'estimated');
  const method = isEstimate ? ' estimated: bounds, not 95% intervals;' : '';
  const isPositive = tokens.every(({ value, interval = [value, value] }) => interval[0] > 0);
  return [
    ...(tokens.length < 2
      ? []
      : [
          drawDots('energy-per-token', `Energy of a token (${`${method} lower is better`.trim()})`, tokens, 1000, {
            ...{ name: 'Energy', unit: 'mJ/token', scale: isPositive ? 'log' : 'linear' },
          }),
        ]),
    ...(ratios.length === 0
      ? []
      : [
          drawDots(
            'energy-ratio',
            `Energy relative to FP32 (${isEstimate ? 'estimated from CPU time; ' : ''}lower is better)`,
            ratios,
            1,
            { name: 'Energy relative to FP32', scale: 'linear' },
            1,
          ),
        ]),
  ];
}

function drawable(records: readonly MeasurementRecord[], metric: Metric): readonly ValueRecord[] {
  const own = records.filter(
    (record): record is ValueRecord =>
      record.metric === metric && record.status !== 'notRun' && record.conditions.variant !== undefined,
  );
  const [first] = own;
  const isAlike = ({ conditions }: ValueRecord): boolean =>
    conditions.threads === first?.conditions.threads && conditions.batch === first?.conditions.batch;
  return own.filter(isAlike);
}

function drawDots(
  name: string,
  title: string,
  records: readonly ValueRecord[],
  factor: number,
  axis: { readonly name: string; readonly unit?: string; readonly scale: 'log' | 'linear' },
  reference?: number,
): ReportChart {
  const rows = groupRecords(
    records,
    ({ conditions }) => String(conditions.variant),
    phaseText,
    (record) => ({
      value: record.value * factor,
      label: formatEnergy(record),
      ...(record.interval && { interval: [record.interval[0] * factor, record.interval[1] * factor] as const }),
    }),
  );
  return rowDots(name, title, axis, rows, reference);
}
