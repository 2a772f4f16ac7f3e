import { barChart } from '../chart/bar-chart.ts';
import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import { phaseText } from './energy-table.ts';
import type { ReportChart } from './report-charts.ts';

/**
 * Energy of a token by variant, and of each variant relative to FP32, as bars with intervals. Of several numbers of threads
 * or batches the first is drawn.
 *
 * @param records - From `measureEnergy`.
 * @returns One chart of each that has something to compare.
 */
export function energyCharts(records: readonly MeasurementRecord[]): readonly ReportChart[] {
  const tokens = drawable(records, 'energy_j_per_token');
  const ratios = drawable(records, 'energy_ratio');
  const isEstimate = tokens.some(({ status }) => status === 'estimated');
  const method = isEstimate ? ' (estimated: bounds, not 95% intervals)' : '';
  return [
    ...(tokens.length < 2
      ? []
      : [
          drawBars('energy-per-token', `Energy of a token${method}`, tokens, {
            ...{ name: 'Energy', unit: 'mJ/token', factor: 1000 },
            scale: tokens.every(({ interval }) => (interval?.[0] ?? 0) > 0) ? ('log' as const) : ('linear' as const),
          }),
        ]),
    ...(ratios.length === 0
      ? []
      : [
          drawBars('energy-ratio', `Energy relative to FP32${isEstimate ? ' (estimated from CPU time)' : ''}`, ratios, {
            ...{ name: 'Energy relative to FP32', factor: 1 },
            scale: 'linear' as const,
          }),
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

function drawBars(
  name: string,
  title: string,
  records: readonly ValueRecord[],
  axis: { readonly name: string; readonly unit?: string; readonly factor: number; readonly scale: 'log' | 'linear' },
): ReportChart {
  const { factor, ...drawn } = axis;
  const categories = [...new Set(records.map(({ conditions }) => String(conditions.variant)))];
  const phases = [...new Set(records.map(phaseText))];
  const svg = barChart({
    id: name,
    title,
    axis: drawn,
    categories,
    series: phases.map((phase) => ({
      name: phase,
      bars: categories.map((variant) => {
        const record = records.find((one) => phaseText(one) === phase && String(one.conditions.variant) === variant);
        if (!record) return undefined;
        const { value, interval } = record;
        return {
          value: value * factor,
          label: String(Number((value * factor).toPrecision(3))),
          ...(interval && { interval: [interval[0] * factor, interval[1] * factor] as const }),
        };
      }),
    })),
  });
  return { name, title, svg };
}
