import type { MeasurementRecord } from '../core/measurement.ts';
import { formatRecord, metricTexts } from './number-text.ts';
import type { Table } from './table.ts';

/**
 * How exported files compare with the float64 reference: a row for each comparison.
 *
 * @param records - Of a verification, see `verifyExport`.
 */
export function exportTable(records: readonly MeasurementRecord[]): Table {
  return {
    caption: 'Exported files against the reference',
    columns: [
      { title: 'Runtime', kind: 'label' },
      { title: 'What', kind: 'label' },
      { title: 'Batch', kind: 'number' },
      { title: 'Tokens', kind: 'number' },
      { title: 'Number', kind: 'label' },
      { title: 'Value', kind: 'number' },
    ],
    rows: records.map((record) => {
      const { runtime, batch, sequenceLength } = record.conditions;
      return [
        { text: String(runtime) },
        { text: String(record.conditions['check'] ?? record.conditions['format']) },
        { text: batch === undefined ? '–' : String(batch) },
        { text: sequenceLength === undefined ? '–' : String(sequenceLength) },
        { text: record.metric === 'top1_agreement' ? 'Same greedy tokens' : metricTexts[record.metric].label },
        { text: formatRecord(record), record },
      ];
    }),
  };
}
