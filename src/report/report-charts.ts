import { barChart } from '../chart/bar-chart.ts';
import { lineChart } from '../chart/line-chart.ts';
import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import { formatValue, metricTexts, shownUnit } from './number-text.ts';
import type { Curve } from './report.ts';
import { labelsOf, labelTitle, varyingLabels } from './table.ts';

/** A chart and the name of its file in `charts/`, without `.svg`. */
export interface ReportChart {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

/** Beyond this ratio of the greatest to the least value, short bars would vanish on a linear axis. */
const linearRange = 100;

/**
 * Bars of one metric: a group for each dataset and split, a bar for each model, variant and so on.
 *
 * @returns undefined with fewer than two values, as there is nothing to compare.
 */
export function metricChart(metric: Metric, records: readonly MeasurementRecord[]): ReportChart | undefined {
  const values = records.filter(
    (record): record is ValueRecord => record.metric === metric && record.status !== 'notRun',
  );
  const [first] = values;
  if (first === undefined || values.length < 2) return undefined;
  const { label, better } = metricTexts[metric];
  const unit = shownUnit(metric, first.unit);
  const title = better === undefined ? label : `${label} (${better} is better)`;
  const magnitudes = values.map(({ value }) => value);
  const logarithmic = Math.min(...magnitudes) > 0 && Math.max(...magnitudes) > linearRange * Math.min(...magnitudes);
  const positiveIntervals = values.every(({ interval }) => interval === undefined || interval[0] > 0);
  return {
    name: metric.replaceAll('_', '-'),
    title,
    svg: barChart({
      id: metric,
      title,
      axis: {
        name: label,
        ...(unit === undefined ? {} : { unit }),
        scale: logarithmic && positiveIntervals ? 'log' : 'linear',
      },
      ...groupBars(values),
    }),
  };
}

/** One chart for each unit among the curves. Curves without points are left out. */
export function curveCharts(curves: readonly Curve[]): ReportChart[] {
  const drawable = curves.filter(({ points }) => points.length > 0);
  const units = [...new Set(drawable.map(({ unit }) => unit))];
  return units.map((unit, index) => {
    const title = units.length === 1 ? 'Training' : `Training, ${unit}`;
    return {
      name: `training-${index + 1}`,
      title,
      svg: lineChart({
        id: `training-${index + 1}`,
        title,
        xAxis: { name: 'step' },
        yAxis: { name: unit },
        series: drawable
          .filter((curve) => curve.unit === unit)
          .map(({ name, points }) => ({ name, points: points.map(({ step, value }) => ({ x: step, y: value })) })),
      }),
    };
  });
}

function groupBars(values: readonly ValueRecord[]) {
  const varying = varyingLabels(values);
  const grouped = values.some(({ conditions }) => conditions.dataset !== undefined);
  const groupNames = grouped ? ['dataset', 'split'] : varying;
  const seriesNames = grouped ? varying.filter((name) => !groupNames.includes(name)) : [];
  const name = (record: ValueRecord, names: readonly string[]) =>
    names.map((label) => nameValue(label, labelsOf(record).get(label))).join(', ');
  const categories = [...new Set(values.map((record) => name(record, groupNames)))];
  const series = [...new Set(values.map((record) => name(record, seriesNames)))];
  return {
    categories,
    series: series.map((seriesName) => ({
      name: seriesName,
      bars: categories.map((category) => {
        const record = values.find(
          (value) => name(value, groupNames) === category && name(value, seriesNames) === seriesName,
        );
        if (record === undefined) return undefined;
        const { value, interval } = record;
        return { value, label: formatValue(record), ...(interval === undefined ? {} : { interval }) };
      }),
    })),
  };
}

/** A bare number says nothing without its label, as `threads 2` does. */
function nameValue(label: string, value = '–'): string {
  return /^[-\d.]+$|^(true|false)$/.test(value) ? `${labelTitle(label).toLowerCase()} ${value}` : value;
}
