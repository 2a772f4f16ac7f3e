import type { MeasurementRecord, Metric } from '../core/measurement.ts';
import { formatRecord, metricTexts, shownUnit } from './number-text.ts';

/** A field of a table: a label, or what a record says. */
export interface Cell {
  readonly text: string;
  /** The record behind the text; absent for labels and for fields without a measurement. */
  readonly record?: MeasurementRecord;
  /** How many columns the cell covers, if more than one. */
  readonly span?: number;
  /** What a verdict comes to, to be set apart by colour too. */
  readonly mark?: 'holds' | 'doesNotHold' | 'notRun';
}

export interface Column {
  readonly title: string;
  /** Which direction is an improvement, if either is. */
  readonly better?: 'lower' | 'higher';
  /** `text` is not a label of the row, but words or a number among words. */
  readonly kind: 'label' | 'number' | 'text';
}

/** A table for any output; the label columns come first, and the cells of a row cover all columns. */
export interface Table {
  readonly caption: string;
  /** What holds for all rows. */
  readonly note?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Label columns in reading order; others follow by name. */
const labelOrder = ['dataset', 'split', 'model', 'subject', 'variant', 'runtime', 'threads', 'batch', 'sequenceLength'];

const qualityMetrics: readonly Metric[] = ['bits_per_byte', 'word_perplexity', 'token_perplexity', 'nats_per_token'];

/**
 * Subject and conditions as labels. The subject counts as the model unless the conditions name another; then it is
 * the label `subject`.
 */
export function labelsOf({ subject, conditions }: MeasurementRecord): ReadonlyMap<string, string> {
  const labels = new Map([['model', subject]]);
  for (const [name, value] of Object.entries(conditions)) {
    if (value === undefined) continue;
    if (name === 'model' && value !== subject) labels.set('subject', subject);
    labels.set(name, String(value));
  }
  return labels;
}

/**
 * The labels that differ between records, and so must be told to tell the records apart, in reading order. What was not
 * run has no runtime, threads and so on; that alone makes no difference.
 */
export function varyingLabels(records: readonly MeasurementRecord[]): string[] {
  const names = new Set(records.flatMap((record) => [...labelsOf(record).keys()]));
  const varies = (name: string): boolean => {
    const told = records.filter((record) => record.status !== 'notRun' || labelsOf(record).has(name));
    return new Set(told.map((record) => labelsOf(record).get(name))).size > 1;
  };
  return [...names].filter(varies).sort(byLabelOrder);
}

/**
 * Language-model quality: one row for each dataset and split (and model, variant and so on, where they differ), with
 * bits per byte, word perplexity, token perplexity and nats per token and their intervals.
 *
 * @param records - Of any metrics; others are left out.
 */
export function summaryTable(records: readonly MeasurementRecord[]): Table {
  return metricTable('Quality of the language model', records, {
    metrics: qualityMetrics,
    labels: ['dataset', 'split'],
    keepColumns: true,
  });
}

/**
 * A row for each set of conditions and a column for each metric that occurs. Labels that are the same for all rows
 * stand in the note instead of a column.
 *
 * @param options - `metrics` in the order of their columns; `labels` that are columns in any case; `keepColumns`
 *   also keeps metrics without records.
 */
export function metricTable(
  caption: string,
  records: readonly MeasurementRecord[],
  options: { readonly metrics: readonly Metric[]; readonly labels?: readonly string[]; readonly keepColumns?: boolean },
): Table {
  const { metrics, labels = [], keepColumns = false } = options;
  const used = records.filter(({ metric }) => metrics.includes(metric));
  const shown = metrics.filter((metric) => keepColumns || used.some((record) => record.metric === metric));
  const labelNames = [...new Set([...labels, ...varyingLabels(used)])].sort(byLabelOrder);
  const rows = sortGroups(groupByConditions(used), labelNames).map((group) => [
    ...labelNames.map((name) => ({ text: labelsOf(group[0] as MeasurementRecord).get(name) ?? '–' })),
    ...valueCells(group, shown),
  ]);
  const note = commonLabels(used, labelNames);
  return {
    caption,
    ...(note === '' ? {} : { note }),
    columns: [
      ...labelNames.map((name): Column => ({ title: labelTitle(name), kind: 'label' })),
      ...shown.map((metric) => metricColumn(metric, used)),
    ],
    rows,
  };
}

/** Records of equal labels, each metric at most once: a second record of the same metric starts a row of its own. */
function groupByConditions(records: readonly MeasurementRecord[]): MeasurementRecord[][] {
  const groups = new Map<string, MeasurementRecord[][]>();
  for (const record of records) {
    const key = JSON.stringify([...labelsOf(record)].sort(([a], [b]) => (a < b ? -1 : 1)));
    const rows = groups.get(key) ?? [];
    const free = rows.find((row) => row.every(({ metric }) => metric !== record.metric));
    if (free === undefined) rows.push([record]);
    else free.push(record);
    groups.set(key, rows);
  }
  return [...groups.values()].flat();
}

/** Brings rows of equal labels together; within a label, values keep the order in which they first occur. */
function sortGroups(groups: readonly MeasurementRecord[][], labelNames: readonly string[]): MeasurementRecord[][] {
  const labels = new Map(groups.map((group) => [group, labelsOf(group[0] as MeasurementRecord)]));
  const ranks = labelNames.map((name) => {
    const values = [...new Set([...labels.values()].map((label) => label.get(name)))];
    return (group: MeasurementRecord[]) => values.indexOf(labels.get(group)?.get(name));
  });
  return [...groups].sort((a, b) => ranks.reduce((order, rank) => order || rank(a) - rank(b), 0));
}

/** One cell for each metric, or a single one across all of them if nothing was run, for the same reason. */
function valueCells(group: readonly MeasurementRecord[], metrics: readonly Metric[]): Cell[] {
  const reasons = new Set(group.map((record) => (record.status === 'notRun' ? record.reason : undefined)));
  const [first] = group;
  if (first?.status === 'notRun' && reasons.size === 1 && metrics.length > 1) {
    return [{ text: formatRecord(first), record: first, span: metrics.length }];
  }
  return metrics.map((metric) => {
    const record = group.find((member) => member.metric === metric);
    return record === undefined ? { text: '–' } : { text: formatRecord(record), record };
  });
}

function commonLabels(records: readonly MeasurementRecord[], shown: readonly string[]): string {
  const first = records[0];
  if (first === undefined) return '';
  return [...labelsOf(first)]
    .filter(([name]) => !shown.includes(name))
    .sort(([a], [b]) => byLabelOrder(a, b))
    .map(([name, value]) => `${labelTitle(name)}: ${value}`)
    .join(' · ');
}

function metricColumn(metric: Metric, records: readonly MeasurementRecord[]): Column {
  const { label, better } = metricTexts[metric];
  const units = new Set(records.filter((record) => record.metric === metric).map(({ unit }) => unit));
  const shown = [...units].map((unit) => shownUnit(metric, unit)).filter((unit) => unit !== undefined);
  const title = shown.length === 0 ? label : `${label} (${shown.join(', ')})`;
  return { title, kind: 'number', ...(better === undefined ? {} : { better }) };
}

/** `sequenceLength` as `Sequence length`. */
export function labelTitle(name: string): string {
  const words = name.replace(/([a-z])([A-Z])/g, (_, end: string, start: string) => `${end} ${start.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function byLabelOrder(a: string, b: string): number {
  const rank = (name: string) => (labelOrder.includes(name) ? labelOrder.indexOf(name) : labelOrder.length);
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0);
}
