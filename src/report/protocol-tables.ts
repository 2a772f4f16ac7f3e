import type { MeasurementRecord, Metric } from '../core/measurement.ts';
import { formatValue, metricTexts } from './number-text.ts';
import type { Report, ReportStage } from './report.ts';
import type { Cell, Table } from './table.ts';

const statusTexts: Readonly<Record<ReportStage['status'], string>> = {
  done: 'done',
  failed: 'failed',
  notRun: 'not run',
};

/** The parts of the job in their order, how each ended, and how long it took. */
export function stagesTable({ stages = [] }: Pick<Report, 'stages'>): Table {
  return {
    caption: 'Parts of the job',
    note: 'Why a part failed or was not run stands under "What failed and what was not run".',
    columns: [
      { title: 'Part', kind: 'label' },
      { title: 'Outcome', kind: 'text' },
      { title: 'Seconds', kind: 'number' },
    ],
    rows: stages.map(({ name, status, seconds, resumed }): Cell[] => [
      { text: name },
      {
        text: `${statusTexts[status]}${resumed ? ', kept from an earlier, interrupted run' : ''}`,
        mark: status === 'done' ? 'holds' : status === 'failed' ? 'doesNotHold' : 'notRun',
      },
      { text: seconds === undefined ? '–' : formatValue({ value: Number(seconds.toPrecision(3)) }) },
    ]),
  };
}

/** How each kind of number was made: the methods of the records, those that differ only in numbers once. */
export function methodsTable(records: readonly MeasurementRecord[]): Table {
  const groups = new Map<string, { readonly method: string; readonly metrics: Set<Metric>; count: number }>();
  for (const { metric, method } of records) {
    const key = method.replace(/\d[\d.,]*/g, '#');
    const group = groups.get(key) ?? { method, metrics: new Set(), count: 0 };
    groups.set(key, group);
    group.metrics.add(metric);
    group.count += 1;
  }
  return {
    caption: 'How each kind of number was made',
    note: 'Of protocols that differ only in their numbers the first is shown; every record has its own.',
    columns: [
      { title: 'Numbers', kind: 'label' },
      { title: 'Protocol', kind: 'text' },
      { title: 'Records', kind: 'number' },
    ],
    rows: [...groups.values()].map(({ method, metrics, count }) => [
      { text: [...metrics].map((metric) => metricTexts[metric].label).join(', ') },
      { text: method },
      { text: String(count) },
    ]),
  };
}
