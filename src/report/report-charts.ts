import { barChart } from '../chart/bar-chart.ts';
import { type Dot, dotChart } from '../chart/dot-chart.ts';
import { lineChart } from '../chart/line-chart.ts';
import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import { formatValue, metricTexts, shownUnit } from './number-text.ts';
import type { Curve } from './report.ts';
import { labelsOf, labelTitle, varyingLabels } from './table.ts';

/** A chart and the name of its file in `charts/`, without its ending. */
export interface ReportChart {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
  /** The same for a telephone. */
  readonly narrow: string;
  /** The record behind each mark, where there is one. */
  readonly records: readonly (MeasurementRecord | undefined)[];
}

/** The width of a chart on a telephone, in pixels. */
const narrowWidth = 360;

/** What a chart's function takes from {@link drawChart}. */
export interface ChartHead {
  readonly id: string;
  readonly title: string;
  readonly width?: number;
}

/**
 * A chart in both widths, drawn when it is first asked for.
 *
 * @param records - Behind the marks, in their order.
 */
export function drawChart(
  name: string,
  title: string,
  draw: (head: ChartHead) => string,
  records: readonly (MeasurementRecord | undefined)[] = [],
): ReportChart {
  // Drawing takes most of the time of a report, and Markdown, for one, only names its charts.
  const wide = once(() => draw({ id: name, title }));
  const narrow = once(() => draw({ id: `${name}-narrow`, title, width: narrowWidth }));
  return {
    ...{ name, title, records },
    get svg() {
      return wide();
    },
    get narrow() {
      return narrow();
    },
  };
}

function once(draw: () => string): () => string {
  let drawn: string | undefined;
  return () => {
    drawn ??= draw();
    return drawn;
  };
}

/** `Latency (lower is better)`. */
function withDirection(title: string, better: 'lower' | 'higher' | undefined): string {
  return better === undefined ? title : `${title} (${better} is better)`;
}

/** Beyond this ratio of the greatest to the least value, short bars would vanish on a linear axis. */
const linearRange = 100;

/** The axis on which values of one metric can be told apart. */
export function axisOf(metric: Metric, values: readonly ValueRecord[], widest = linearRange) {
  const unit = shownUnit(metric, values[0]?.unit ?? '1');
  const all = values.flatMap(({ value, interval = [value, value] }) => [value, ...interval]);
  const isWide = Math.min(...all) > 0 && Math.max(...all) > widest * Math.min(...all);
  return {
    name: metricTexts[metric].label,
    ...(unit !== undefined && { unit }),
    scale: isWide ? ('log' as const) : ('linear' as const),
  };
}

/** Records in rows: groups, series, and the records in the order in which charts number their marks. */
export interface RecordRows {
  readonly categories: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly (Dot | undefined)[] }[];
  readonly records: readonly ValueRecord[];
}

/** Puts each record into the row of its category and series; of several in one row the first is taken. */
export function groupRecords(
  values: readonly ValueRecord[],
  categoryOf: (record: ValueRecord) => string,
  seriesOf: (record: ValueRecord) => string = () => '',
  toRow: (record: ValueRecord) => Dot = toDot,
): RecordRows {
  const categories = [...new Set(values.map(categoryOf))];
  const groups = [...new Set(values.map(seriesOf))].map((name) => ({
    name,
    records: categories.map((category) =>
      values.find((record) => categoryOf(record) === category && seriesOf(record) === name),
    ),
  }));
  return {
    categories,
    series: groups.map(({ name, records }) => ({ name, values: records.map((record) => record && toRow(record)) })),
    records: groups.flatMap(({ records }) => records.filter((record) => record !== undefined)),
  };
}

export function toDot(record: ValueRecord): Dot {
  const { value, interval } = record;
  return { value, label: formatValue(record), ...(interval && { interval }) };
}

/** Bars of rows. */
export function rowBars(
  name: string,
  title: string,
  axis: Parameters<typeof barChart>[0]['axis'],
  { categories, series, records }: RecordRows,
): ReportChart {
  const bars = series.map((one) => ({ name: one.name, bars: one.values }));
  return drawChart(name, title, (head) => barChart({ ...head, axis, categories, series: bars }), records);
}

/** Points of rows. */
export function rowDots(
  name: string,
  title: string,
  axis: Parameters<typeof dotChart>[0]['axis'],
  { categories, series, records }: RecordRows,
  reference?: number,
): ReportChart {
  const line = reference === undefined ? {} : { reference };
  return drawChart(name, title, (head) => dotChart({ ...head, axis, categories, series, ...line }), records);
}

/** Metrics that are ratios to something: drawn as points around 1, which is no change. */
const ratios: readonly Metric[] = ['perplexity_ratio', 'energy_ratio', 'wanted_nats_ratio', 'bits_per_byte_ratio'];

/**
 * Rows of one metric: a group for each dataset and split, a row for each model, variant and so on. Sizes and rates are bars;
 * perplexities, whose axis may be logarithmic, and ratios, which have no natural start, are points.
 *
 * @returns undefined with fewer than two values, as there is nothing to compare.
 */
export function metricChart(metric: Metric, records: readonly MeasurementRecord[]): ReportChart | undefined {
  const values = records.filter(
    (record): record is ValueRecord => record.metric === metric && record.status !== 'notRun',
  );
  if (values.length < 2) return undefined;
  const { label, better } = metricTexts[metric];
  const isRatio = ratios.includes(metric);
  const name = metric.replaceAll('_', '-');
  const title = withDirection(label, better);
  const rows = groupByText(values);
  return isRatio || metric === 'word_perplexity'
    ? rowDots(name, title, axisOf(metric, values, 10), rows, isRatio ? 1 : undefined)
    : rowBars(name, title, axisOf(metric, values), rows);
}

/** One chart for each unit among the curves. Curves without points are left out. */
export function curveCharts(curves: readonly Curve[]): ReportChart[] {
  const drawable = curves.filter(({ points }) => points.length > 0);
  const units = [...new Set(drawable.map(({ unit }) => unit))];
  return units.map((unit, index) => {
    const name = `training-${index + 1}`;
    const title = units.length === 1 ? 'Training (lower is better)' : `Training, ${unit}`;
    const series = drawable
      .filter((curve) => curve.unit === unit)
      .map((curve) => ({ name: curve.name, points: curve.points.map(({ step, value }) => ({ x: step, y: value })) }));
    const axes = { xAxis: { name: 'step' }, yAxis: { name: unit } };
    return drawChart(name, title, (head) => lineChart({ ...head, ...axes, series }));
  });
}

function groupByText(values: readonly ValueRecord[]): RecordRows {
  const varying = varyingLabels(values);
  const grouped = values.some(({ conditions }) => conditions.dataset !== undefined);
  const groupNames = grouped ? ['dataset', 'split'] : varying;
  const groupOf = (record: ValueRecord): string => groupNames.map((label) => labelsOf(record).get(label)).join();
  // What differs only between groups, such as how much of a text was read, tells no rows of a group apart.
  const variesWithin = (name: string): boolean =>
    values.some((a) =>
      values.some((b) => groupOf(a) === groupOf(b) && labelsOf(a).get(name) !== labelsOf(b).get(name)),
    );
  const seriesNames = grouped ? varying.filter((name) => !groupNames.includes(name) && variesWithin(name)) : [];
  const name = (record: ValueRecord, names: readonly string[]) =>
    names.map((label) => nameValue(label, labelsOf(record).get(label))).join(', ');
  return groupRecords(
    values,
    (record) => name(record, groupNames),
    (record) => name(record, seriesNames),
  );
}

/** A bare number says nothing without its label, as `threads 2` does. */
function nameValue(label: string, value = '–'): string {
  return /^[-\d.]+$|^(true|false)$/.test(value) ? `${labelTitle(label).toLowerCase()} ${value}` : value;
}
