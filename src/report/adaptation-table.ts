import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import { formatRecord, metricTexts } from './number-text.ts';
import { groupRecords, type ReportChart, rowDots } from './report-charts.ts';
import type { Table } from './table.ts';

/**
 * What learning from feedback changed: a row for each number.
 *
 * @param records - Of adaptations, see `adaptationRecords`.
 */
export function adaptationTable(records: readonly MeasurementRecord[]): Table {
  return {
    caption: 'Adaptation to feedback',
    columns: [
      { title: 'Scenario', kind: 'label' },
      { title: 'Number', kind: 'label' },
      { title: 'Text', kind: 'label' },
      { title: 'Value', kind: 'number' },
    ],
    rows: records.map((record) => [
      { text: String(record.conditions['scenario']) },
      { text: metricTexts[record.metric].label },
      { text: textOf(record) },
      { text: formatRecord(record), record },
    ]),
    note: 'A ratio of 1 is no change; below 1 the adapted model is better. What is not named as a text is held-out feedback.',
  };
}

/** What was asked for, and what it must not cost, as ratios of after to before: a chart of each. */
export function adaptationCharts(records: readonly MeasurementRecord[]): readonly ReportChart[] {
  const values = records.filter((record): record is ValueRecord => record.status !== 'notRun');
  const learned = values.filter(({ metric }) => feedbackTexts[metric] !== undefined);
  const kept = values.filter(({ metric }) => metric === 'bits_per_byte_ratio');
  const scenarioOf = ({ conditions }: ValueRecord): string => String(conditions['scenario']);
  const axis = { name: 'After by before; 1 is no change' };
  const isWide = learned.some(({ value }) => value > 0 && value < 0.1) && learned.every(isPositive);
  return [
    ...(learned.length === 0
      ? []
      : [
          rowDots(
            'adaptation',
            'Held-out feedback, after learning by before (lower is better)',
            { ...axis, scale: isWide ? 'log' : 'linear' },
            groupRecords(learned, (record) => `${scenarioOf(record)}: ${feedbackTexts[record.metric]}`),
            1,
          ),
        ]),
    ...(kept.length === 0
      ? []
      : [
          rowDots(
            'forgetting',
            'Forgetting: bits per byte of other texts, after learning by before (lower is better)',
            axis,
            groupRecords(kept, textOf, scenarioOf),
            1,
          ),
        ]),
  ];
}

/** What each ratio on held-out feedback is of. */
const feedbackTexts: Partial<Record<Metric, string>> = {
  wanted_nats_ratio: 'loss on wanted text',
  unwanted_probability_ratio: 'probability of unwanted text',
};

const isPositive = ({ value, interval = [value, value] }: ValueRecord): boolean => Math.min(value, interval[0]) > 0;

const textOf = ({ conditions: { dataset, split } }: MeasurementRecord): string =>
  dataset === undefined ? '–' : [dataset, split].filter((part) => part !== undefined).join(', ');
