import { barChart } from '../chart/bar-chart.ts';
import type { MeasurementRecord, ValueRecord } from '../core/measurement.ts';
import { formatRecord, metricTexts } from './number-text.ts';
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

/** What was asked for, and what it must not cost, as ratios of after to before. */
export function adaptationChart(records: readonly MeasurementRecord[]): string | undefined {
  const drawn = records.filter(
    (record): record is ValueRecord =>
      record.status !== 'notRun' && ['wanted_nats_ratio', 'bits_per_byte_ratio'].includes(record.metric),
  );
  if (drawn.length === 0) return undefined;
  return barChart({
    id: 'adaptation',
    title: 'After adaptation by before',
    axis: { name: 'Ratio; 1 is no change' },
    categories: drawn.map(({ metric, conditions, ...record }) =>
      metric === 'wanted_nats_ratio'
        ? `${conditions['scenario']}: wanted text`
        : textOf({ ...record, metric, conditions }),
    ),
    series: [
      {
        name: 'after by before',
        bars: drawn.map((record) => ({
          value: record.value,
          label: formatRecord(record),
          ...(record.interval && { interval: record.interval }),
        })),
      },
    ],
  });
}

const textOf = ({ conditions: { dataset, split } }: MeasurementRecord): string =>
  dataset === undefined ? '–' : [dataset, split].filter((part) => part !== undefined).join(', ');
