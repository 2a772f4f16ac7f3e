import type { NumericAxis } from '../chart/axis.ts';
import { type ScatterPoint, scatterChart } from '../chart/scatter-chart.ts';
import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import type { GateVerdict } from '../evaluation/gate.ts';
import { formatRecord, formatValue, metricTexts } from './number-text.ts';
import { drawChart, type ReportChart } from './report-charts.ts';
import type { Cell, Column, Table } from './table.ts';

/** The variant that all others are compared with. */
const baseline = 'fp32';

/** All variants of one model on one text. */
interface VariantGroup {
  readonly subject: string;
  readonly dataset?: string;
  readonly split?: string;
  readonly variants: readonly string[];
}

/**
 * What each variant costs and saves: a row for each variant, text and model, with its size on disk, its share of FP32's,
 * its size in memory, bits per byte, perplexity relative to FP32, divergence, agreement, and what the gate says of it.
 *
 * @param records - Of any metrics; others are left out.
 * @param verdicts - From `judgeVariants`, on the same records.
 */
export function variantTable(records: readonly MeasurementRecord[], verdicts: readonly GateVerdict[]): Table {
  const groups = variantGroups(records);
  const subjects = new Set(groups.map(({ subject }) => subject));
  const label = (title: string): Column => ({ title, kind: 'label' });
  const number = (metric: Metric, title: string = metricTexts[metric].label): Column => {
    const { better } = metricTexts[metric];
    return { title, kind: 'number', ...(better && { better }) };
  };
  const [onlySubject] = subjects;
  return {
    caption: 'Compressed variants',
    ...(subjects.size === 1 && { note: `Model: ${onlySubject}` }),
    columns: [
      ...(subjects.size > 1 ? [label('Model')] : []),
      label('Dataset'),
      label('Variant'),
      number('size_bytes', 'Size (bytes)'),
      number('size_bytes', 'Share of FP32'),
      number('memory_bytes', 'Memory (bytes)'),
      number('bits_per_byte'),
      number('perplexity_ratio'),
      number('kl_divergence_nats', 'KL divergence from FP32 (nats/token)'),
      number('top1_agreement'),
      { title: 'Gate', kind: 'number' },
    ],
    rows: groups.flatMap((group) =>
      group.variants.map((variant) => [
        ...(subjects.size > 1 ? [{ text: group.subject }] : []),
        { text: textName(group) },
        { text: variant },
        recordCell(findRecord(records, 'size_bytes', variant, { subject: group.subject })),
        { text: sizeShare(records, variant, group.subject) },
        recordCell(findRecord(records, 'memory_bytes', variant, { subject: group.subject })),
        recordCell(findRecord(records, 'bits_per_byte', variant, group)),
        ...(variant === baseline
          ? Array.from({ length: 3 }, () => ({ text: '–' }))
          : (['perplexity_ratio', 'kl_divergence_nats', 'top1_agreement'] as const).map((metric) =>
              recordCell(findRecord(records, metric, variant, group)),
            )),
        { text: gateText(verdicts, variant, group) },
      ]),
    ),
  };
}

/**
 * What compression costs, each text in a colour of its own: the rise of perplexity against the size on disk, and the
 * divergence from FP32 against the bits that a parameter takes, for which the number of parameters must be known.
 *
 * @returns Charts of at least two points for each model.
 */
export function variantCharts(records: readonly MeasurementRecord[]): ReportChart[] {
  const groups = variantGroups(records);
  return [...new Set(groups.map(({ subject }) => subject))].flatMap((subject, index, subjects) => {
    const own = groups.filter((group) => group.subject === subject);
    const parameters = records.find((record) => record.metric === 'parameters' && record.subject === subject);
    const [suffix, about] = subjects.length === 1 ? ['', ''] : [`-${index + 1}`, `${subject}: `];
    const bits = parameters !== undefined && isValue(parameters) ? 8 / parameters.value : undefined;
    return [
      drawVariants(records, own, {
        ...{ name: `quality-size${suffix}`, metric: 'perplexity_ratio', perByte: 1 / 1000 },
        title: `${about}perplexity relative to FP32 against size (lower and further left is better)`,
        xAxis: { name: 'size on disk', unit: 'kB', scale: 'log' },
      }),
      ...(bits === undefined
        ? []
        : [
            drawVariants(records, own, {
              ...{ name: `quality-bits${suffix}`, metric: 'kl_divergence_nats', perByte: bits },
              title: `${about}divergence from FP32 against bits for each parameter (lower and further left is better)`,
              xAxis: { name: 'bits for each parameter', scale: 'log' },
            }),
          ]),
    ].filter((chart) => chart !== undefined);
  });
}

interface VariantChartPlan {
  readonly name: string;
  readonly title: string;
  readonly metric: 'perplexity_ratio' | 'kl_divergence_nats';
  readonly xAxis: NumericAxis;
  /** Units of the horizontal axis for a byte on disk. */
  readonly perByte: number;
}

function drawVariants(
  records: readonly MeasurementRecord[],
  groups: readonly VariantGroup[],
  { name, title, metric, xAxis, perByte }: VariantChartPlan,
): ReportChart | undefined {
  const drawn = groups.flatMap((group) =>
    group.variants.flatMap((variant) => {
      const size = findRecord(records, 'size_bytes', variant, { subject: group.subject });
      const quality = findRecord(records, metric, variant, group);
      // FP32 is what the others are relative to; a divergence of 0 has no place on a logarithmic axis.
      const isReference = metric === 'perplexity_ratio' && variant === baseline && !isValue(quality);
      if (!isValue(size) || !(isReference || isValue(quality))) return [];
      const { value: y, interval } = isValue(quality) ? quality : { value: 1 };
      const bar = interval && { interval };
      const at = { name: variant, series: textName(group), x: size.value * perByte, y };
      return [
        {
          record: isValue(quality) ? quality : size,
          point: { ...at, ...bar, label: formatValue({ value: y, ...bar }) },
        },
      ];
    }),
  );
  const points = drawn.map(({ point }) => point);
  if (points.length < 2) return undefined;
  const yAxis = {
    name: metric === 'perplexity_ratio' ? metricTexts[metric].label : 'KL divergence',
    ...(metric === 'kl_divergence_nats' && { unit: 'nats/token' }),
    scale: spansDecade(points) ? ('log' as const) : ('linear' as const),
  };
  const heading = title.charAt(0).toUpperCase() + title.slice(1);
  return drawChart(
    name,
    heading,
    (head) => scatterChart({ ...head, xAxis, yAxis, points }),
    drawn.map(({ record }) => record),
  );
}

/** Models and texts on which quality was measured, and the variants, in their order. */
function variantGroups(records: readonly MeasurementRecord[]): VariantGroup[] {
  const groups = new Map<string, VariantGroup & { variants: string[] }>();
  for (const { subject, metric, conditions } of records) {
    const { dataset, split, variant } = conditions;
    if (variant === undefined || (metric !== 'bits_per_byte' && metric !== 'perplexity_ratio')) continue;
    const key = JSON.stringify([subject, dataset, split]);
    const group = groups.get(key) ?? {
      subject,
      ...(dataset !== undefined && { dataset }),
      ...(split !== undefined && { split }),
      variants: [],
    };
    groups.set(key, group);
    if (!group.variants.includes(variant)) group.variants.push(variant);
  }
  return [...groups.values()].filter(({ subject, dataset, split }) =>
    records.some(
      (record) =>
        isValue(record) &&
        (record.metric === 'bits_per_byte' || record.metric === 'perplexity_ratio') &&
        record.subject === subject &&
        record.conditions.dataset === dataset &&
        record.conditions.split === split,
    ),
  );
}

/** The record of a metric itself, not of another statistic of it. */
function findRecord(
  records: readonly MeasurementRecord[],
  metric: Metric,
  variant: string,
  { subject, dataset, split }: Omit<VariantGroup, 'variants'>,
): MeasurementRecord | undefined {
  return records.find(
    (record) =>
      record.metric === metric &&
      record.subject === subject &&
      record.conditions.variant === variant &&
      record.conditions.dataset === dataset &&
      record.conditions.split === split &&
      record.conditions['statistic'] === undefined,
  );
}

function sizeShare(records: readonly MeasurementRecord[], variant: string, subject: string): string {
  const size = findRecord(records, 'size_bytes', variant, { subject });
  const whole = findRecord(records, 'size_bytes', baseline, { subject });
  return isValue(size) && isValue(whole) && whole.value > 0 ? formatValue({ value: size.value / whole.value }) : '–';
}

function gateText(verdicts: readonly GateVerdict[], variant: string, group: VariantGroup): string {
  const found = verdicts.filter(
    (verdict) =>
      verdict.subject === group.subject &&
      verdict.variant === variant &&
      verdict.dataset === group.dataset &&
      verdict.split === group.split,
  );
  // Several ratios of one variant on one text are shown by the worst verdict.
  const verdict = found.find(({ passed }) => !passed) ?? found[0];
  if (verdict === undefined) return '–';
  if (verdict.finding === 'unjudged' || verdict.bound === undefined) return 'cannot be judged';
  const bound = `${Number((verdict.bound * 100).toPrecision(12))}%`;
  return verdict.passed ? `within ${bound}` : `not within ${bound}`;
}

/** Whether a variant is so bad that the differences between the good ones would vanish on a linear axis. */
function spansDecade(points: readonly ScatterPoint[]): boolean {
  const all = points.flatMap(({ y, interval = [y, y] }) => [y, ...interval]);
  return Math.min(...all) > 0 && Math.max(...all) > 10 * Math.min(...all);
}

const isValue = (record: MeasurementRecord | undefined): record is ValueRecord =>
  record !== undefined && record.status !== 'notRun';

const recordCell = (record: MeasurementRecord | undefined): Cell =>
  record === undefined ? { text: '–' } : { text: formatRecord(record), record };

const textName = ({ dataset = '–', split }: Pick<VariantGroup, 'dataset' | 'split'>): string =>
  split === undefined ? dataset : `${dataset}/${split}`;
