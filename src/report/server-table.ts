import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import { formatRecord } from './number-text.ts';
import { axisOf, groupRecords, type ReportChart, rowBars } from './report-charts.ts';
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

/** Latency and throughput by the number of clients. */
export function serverCharts(records: readonly MeasurementRecord[]): readonly ReportChart[] {
  const values = records.filter((record): record is ValueRecord => record.status !== 'notRun');
  const clients = ({ conditions }: ValueRecord): string =>
    `${conditions['concurrency']} client${conditions['concurrency'] === 1 ? '' : 's'}`;
  const latencies = values.filter(
    ({ metric, conditions }) => metric === 'latency_ms' && conditions['statistic'] !== undefined,
  );
  const rates = values.filter(({ metric }) => metric === 'tokens_per_second');
  return [
    ...(latencies.length === 0
      ? []
      : [
          rowBars(
            'server-latency',
            'Time of a request (lower is better)',
            axisOf('latency_ms', latencies),
            groupRecords(latencies, clients, ({ conditions }) => String(conditions['statistic'])),
          ),
        ]),
    ...(rates.length === 0
      ? []
      : [
          rowBars(
            'server-throughput',
            'Tokens a second by all clients together (higher is better)',
            axisOf('tokens_per_second', rates),
            groupRecords(rates, clients),
          ),
        ]),
  ];
}
