import type { MeasurementRecord, ValueRecord } from '../core/measurement.ts';
import { formatValue, metricTexts } from './number-text.ts';
import type { Table } from './table.ts';

/** One number of two benchmarks. */
export interface ComparedNumber {
  readonly id: string;
  readonly before: number;
  readonly after: number;
  /** after / before. */
  readonly ratio: number;
  /** Whether their intervals lie apart; absent where one has none. */
  readonly apart?: boolean;
}

/**
 * The numbers that two sets of records both hold, side by side. They are from different runs, perhaps on different machines
 * or days: a ratio says less than one from within a run.
 */
export function compareBenchmarks(
  before: readonly MeasurementRecord[],
  after: readonly MeasurementRecord[],
): { readonly rows: readonly ComparedNumber[]; readonly table: Table } {
  const measured = (records: readonly MeasurementRecord[]): ReadonlyMap<string, ValueRecord> =>
    new Map(
      records.flatMap((record) => (record.status === 'notRun' ? [] : [[withoutVersion(record), record] as const])),
    );
  const later = measured(after);
  const pairs = [...measured(before)].flatMap(([id, one]) => {
    const other = later.get(id);
    return other && one.conditions['statistic'] === undefined ? [{ id, one, other }] : [];
  });
  return {
    rows: pairs.map(({ id, one, other }) => ({
      ...{ id, before: one.value, after: other.value, ratio: other.value / one.value },
      ...(one.interval && other.interval && { apart: areApart(one.interval, other.interval) }),
    })),
    table: {
      caption: 'Two benchmarks',
      note: 'From two runs: only differences far beyond the intervals mean something.',
      columns: [
        { title: 'What', kind: 'label' },
        { title: 'Before', kind: 'number' },
        { title: 'After', kind: 'number' },
        { title: 'After / before', kind: 'number' },
        { title: 'Intervals', kind: 'label' },
      ],
      rows: pairs.map(({ id, one, other }) => [
        { text: `${metricTexts[one.metric].label} (${one.unit}): ${id}` },
        { text: formatValue(one) },
        { text: formatValue(other) },
        { text: (other.value / one.value).toFixed(3) },
        { text: one.interval && other.interval ? (areApart(one.interval, other.interval) ? 'apart' : 'overlap') : '–' },
      ]),
    },
  };
}

const areApart = (a: readonly [number, number], b: readonly [number, number]): boolean => a[1] < b[0] || b[1] < a[0];

/** An id by which numbers of different versions of a runtime still meet. */
const withoutVersion = ({ id }: MeasurementRecord): string => id.replace(/\/runtimeVersion=[^/]*/, '');
