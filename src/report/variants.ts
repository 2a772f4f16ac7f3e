import { type ScatterPoint, scatterChart } from '../chart/scatter-chart.ts';
import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import type { GateVerdict } from '../evaluation/gate.ts';
import { formatRecord, formatValue, metricTexts } from './number-text.ts';
import type { ReportChart } from './report-charts.ts';
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
 * Quality against size on disk, a chart for each model and text, with a point for each variant that has both.
 *
 * @param metric - `perplexity_ratio`, in which FP32 stands at 1, or `bits_per_byte`.
 * @returns Charts of at least two points; texts with fewer are left out.
 */
export function variantCharts(
  records: readonly MeasurementRecord[],
  metric: 'perplexity_ratio' | 'bits_per_byte' = 'perplexity_ratio',
): ReportChart[] {
  const groups = variantGroups(records);
  const several = new Set(groups.map(({ subject }) => subject)).size > 1;
  return groups.flatMap((group, index) => {
    const points = group.variants.flatMap((variant) => {
      const size = findRecord(records, 'size_bytes', variant, { subject: group.subject });
      const quality = findRecord(records, metric, variant, group);
      const isReference = metric === 'perplexity_ratio' && variant === baseline;
      if (!isValue(size) || !(isReference || isValue(quality))) return [];
      const { value: y, interval } = isValue(quality) ? quality : { value: 1 };
      const bar = interval && { interval };
      return [{ name: variant, x: size.value / 1000, y, ...bar, label: formatValue({ value: y, ...bar }) }];
    });
    if (points.length < 2) return [];
    const about = [...(several ? [group.subject] : []), textName(group)].join(', ');
    const name = `size-${metric.replaceAll('_', '-')}-${index + 1}`;
    const title = `${metricTexts[metric].label} against size: ${about} (lower and further left is better)`;
    const chart = scatterChart({
      id: name,
      title,
      xAxis: { name: 'size on disk', unit: 'kB' },
      yAxis: { name: metricTexts[metric].label, scale: spansDecade(points) ? 'log' : 'linear' },
      points,
    });
    return [{ name, title, svg: chart }];
  });
}

/** Models and texts on which a variant was compared or its quality was measured, and the variants, in their order. */
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
  return [...groups.values()];
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
  return isValue(size) && isValue(whole) ? formatValue({ value: size.value / whole.value }) : '–';
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
