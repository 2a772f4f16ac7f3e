import { barChart } from '../chart/bar-chart.ts';
import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord, ValueRecord } from '../core/measurement.ts';

/**
 * Latency of a pass over the shortest text by each side, as bars with intervals.
 *
 * @param records - From `runBenchmark`.
 * @returns SVG text.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without any latency.
 */
export function benchmarkChart(records: readonly MeasurementRecord[]): string {
  const passes = records.filter(
    (record): record is ValueRecord =>
      record.status === 'measured' &&
      record.metric === 'latency_ms' &&
      record.samples !== undefined &&
      record.conditions.runtime !== undefined,
  );
  const shortest = Math.min(...passes.map(({ conditions }) => Number(conditions.sequenceLength)));
  const own = passes.filter(({ conditions }) => conditions.sequenceLength === shortest);
  if (own.length === 0) throw new IteraError('INVALID_ARGUMENT', 'Expected latencies to draw, got none.');
  const [{ subject }] = own as [ValueRecord];
  return barChart({
    title: `${subject}: a pass over ${shortest} tokens`,
    axis: { name: 'Median latency', unit: 'ms' },
    categories: own.map(({ conditions: { runtime, variant, threads, form, frozen } }) =>
      [
        runtime,
        variant,
        form,
        frozen === true ? 'frozen' : undefined,
        Number(threads) > 1 ? `${threads} threads` : undefined,
      ]
        .filter((part) => part !== undefined)
        .join(' '),
    ),
    series: [{ name: 'latency', bars: own.map(({ value, interval }) => ({ value, ...(interval && { interval }) })) }],
  });
}
