import type { MeasurementRecord, Metric } from '../core/measurement.ts';
import { formatRecord } from './number-text.ts';
import type { Cell, Table } from './table.ts';

/**
 * How a server answers under load: a row for each number of clients.
 *
 * @param records - Of a load, see `checkServer`.
 */
export function serverTable(records: readonly MeasurementRecord[]): Table {
  const loads = [...new Set(records.map(({ conditions }) => conditions['concurrency'] as number))];
  const cell = (clients: number, metric: Metric, statistic?: string): Cell => {
    const found = records.find(
      (record) =>
        record.metric === metric &&
        record.conditions['concurrency'] === clients &&
        record.conditions['statistic'] === statistic,
    );
    return found ? { text: formatRecord(found), record: found } : { text: '–' };
  };
  return {
    caption: 'Requests over HTTP',
    columns: [
      { title: 'Clients', kind: 'number' },
      { title: 'Median (ms)', kind: 'number', better: 'lower' },
      { title: 'p95 (ms)', kind: 'number', better: 'lower' },
      { title: 'p99 (ms)', kind: 'number', better: 'lower' },
      { title: 'Tokens/s', kind: 'number', better: 'higher' },
      { title: 'Failed requests', kind: 'number', better: 'lower' },
    ],
    rows: loads.map((clients) => [
      { text: String(clients) },
      cell(clients, 'latency_ms', 'median'),
      cell(clients, 'latency_ms', 'p95'),
      cell(clients, 'latency_ms', 'p99'),
      cell(clients, 'tokens_per_second'),
      cell(clients, 'failed_requests'),
    ]),
    note: `What was asked: ${[...new Set(records.map(({ method }) => method))].join('; ')}.`,
  };
}
