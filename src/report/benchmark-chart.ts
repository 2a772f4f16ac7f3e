import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord, ValueRecord } from '../core/measurement.ts';
import { sideName } from './labels.ts';
import { formatValue } from './number-text.ts';
import { axisOf, groupRecords, type ReportChart, rowBars, rowDots, toDot } from './report-charts.ts';

/**
 * Latency of a pass over the shortest text by each side: its rounds as small circles, their median with its interval, and a
 * line to the 99th percentile of all passes.
 *
 * @param records - From `runBenchmark`.
 * @returns SVG text.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without any latency.
 */
export function benchmarkChart(records: readonly MeasurementRecord[]): string {
  const chart = latencyChart(records);
  if (chart === undefined) throw new IteraError('INVALID_ARGUMENT', 'Expected latencies to draw, got none.');
  return chart.svg;
}

/** The latencies, and how many tokens each side reads and writes in a second. */
export function speedCharts(records: readonly MeasurementRecord[]): readonly ReportChart[] {
  return [
    latencyChart(records),
    rateChart(records, 'prefill', 'Reading a prompt'),
    rateChart(records, 'decode', 'Generating'),
  ].filter((chart) => chart !== undefined);
}

function latencyChart(records: readonly MeasurementRecord[]): ReportChart | undefined {
  const passes = records.filter(
    (record): record is ValueRecord =>
      record.status === 'measured' &&
      record.metric === 'latency_ms' &&
      record.samples !== undefined &&
      record.conditions.runtime !== undefined,
  );
  const own = shortestOf(passes);
  if (own.length === 0) return undefined;
  const length = own[0]?.conditions.sequenceLength;
  const rows = groupRecords(own, sideName, undefined, (record) => {
    const p99 = percentileOf(records, record);
    return {
      ...toDot(record),
      ...{ samples: record.samples ?? [], label: `${formatValue(record)}${p99 ? `, p99 ${formatValue(p99)}` : ''}` },
      ...(p99 && { tail: p99.value }),
    };
  });
  const title = `Latency of a pass over ${length} tokens: rounds, their median, p99 (lower is better)`;
  return rowDots('latency', title, { ...axisOf('latency_ms', own, 10), name: 'Median latency' }, rows);
}

function percentileOf(records: readonly MeasurementRecord[], pass: ValueRecord): ValueRecord | undefined {
  const same = ({ conditions }: MeasurementRecord): boolean =>
    conditions['statistic'] === 'p99' && conditions.sequenceLength === pass.conditions.sequenceLength;
  return records.find(
    (record): record is ValueRecord =>
      record.status === 'measured' &&
      record.metric === 'latency_ms' &&
      same(record) &&
      sideName(record) === sideName(pass),
  );
}

function rateChart(records: readonly MeasurementRecord[], phase: string, what: string): ReportChart | undefined {
  const rates = records.filter(
    (record): record is ValueRecord =>
      record.status === 'measured' && record.metric === 'tokens_per_second' && record.conditions['phase'] === phase,
  );
  const own = shortestOf(rates);
  if (own.length < 2) return undefined;
  const title = `${what}, tokens a second (higher is better)`;
  return rowBars(`${phase}-speed`, title, axisOf('tokens_per_second', own), groupRecords(own, sideName));
}

function shortestOf(records: readonly ValueRecord[]): readonly ValueRecord[] {
  const shortest = Math.min(...records.map(({ conditions }) => Number(conditions.sequenceLength)));
  return records.filter(({ conditions }) => Number(conditions.sequenceLength) === shortest);
}
