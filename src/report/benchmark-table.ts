import type { MeasurementRecord, Metric, ValueRecord } from '../core/measurement.ts';
import { median, medianInterval } from '../core/statistics.ts';
import { formatRecord, formatValue } from './number-text.ts';
import type { Cell, Table } from './table.ts';

/** The side that all others are compared with: the first that has a latency, ONNX Runtime in FP32 on one thread as a rule. */
function baselineOf(latencies: readonly ValueRecord[]): ValueRecord | undefined {
  return latencies.find(({ samples }) => samples !== undefined);
}

/** `ONNX Runtime`, `int8`, 1 thread and the like: what tells one side from the others. */
function describeSide({ conditions }: MeasurementRecord): readonly string[] {
  const { runtime, variant, threads, form, frozen } = conditions;
  const forms = form === undefined ? '' : `, ${form}${frozen === true ? ', frozen' : ''}`;
  return [`${runtime}${forms}`, String(variant), String(threads)];
}

const sideKey = (record: MeasurementRecord): string => describeSide(record).join('|');

/**
 * How fast a model runs in several runtimes: a row for each side, a table for each length of text.
 *
 * @param records - From `runBenchmark`.
 */
export function benchmarkTables(records: readonly MeasurementRecord[]): readonly Table[] {
  const passes = records.filter(
    ({ metric, conditions }) =>
      metric === 'latency_ms' && conditions['statistic'] === undefined && conditions['stage'] === undefined,
  );
  const lengths = new Set(
    passes.map(({ conditions }) => conditions.sequenceLength).filter((length) => length !== undefined),
  );
  return [...lengths].map((length) => passesTable(records, passes, length as number)).concat(sidesTable(records));
}

function passesTable(
  records: readonly MeasurementRecord[],
  passes: readonly MeasurementRecord[],
  length: number,
): Table {
  const own = passes.filter(({ conditions }) => conditions.sequenceLength === length);
  const measured = own.filter((record): record is ValueRecord => record.status === 'measured');
  const baseline = baselineOf(measured);
  const find = (side: MeasurementRecord, statistic: string): Cell => {
    const found = records.find(
      (record) =>
        record.metric === 'latency_ms' &&
        record.conditions['statistic'] === statistic &&
        record.conditions.sequenceLength === length &&
        sideKey(record) === sideKey(side),
    );
    return found ? { text: formatRecord(found), record: found } : { text: '–' };
  };
  const findPrefill = (side: MeasurementRecord): Cell => {
    const found = records.find(
      (record) =>
        record.metric === 'tokens_per_second' &&
        record.conditions['phase'] === 'prefill' &&
        record.conditions.sequenceLength === length &&
        sideKey(record) === sideKey(side),
    );
    return found ? { text: formatRecord(found), record: found } : { text: '–' };
  };
  const floors = records.filter(
    ({ conditions }) => conditions['stage'] === 'arithmetic floor' && conditions.sequenceLength === length,
  );
  return {
    caption: `A pass over ${length} tokens, batch 1, milliseconds`,
    note: floors.map((floor) => describeFloor(floor, measured)).join(' '),
    columns: [
      { title: 'Runtime', kind: 'label' },
      { title: 'Variant', kind: 'label' },
      { title: 'Threads', kind: 'number' },
      { title: 'Median', kind: 'number', better: 'lower' },
      { title: 'Mean', kind: 'number', better: 'lower' },
      { title: 'Std. dev.', kind: 'number' },
      { title: 'p90', kind: 'number', better: 'lower' },
      { title: 'p99', kind: 'number', better: 'lower' },
      { title: 'Times as fast as the first', kind: 'number', better: 'higher' },
      { title: 'As a prompt (tokens/s)', kind: 'number', better: 'higher' },
    ],
    rows: measured.map((record) => [
      ...describeSide(record).map((text): Cell => ({ text })),
      { text: formatValue(record), record },
      find(record, 'mean'),
      find(record, 'standard deviation'),
      find(record, 'p90'),
      find(record, 'p99'),
      { text: baseline === undefined || baseline === record ? '–' : speedUp(baseline, record) },
      findPrefill(record),
    ]),
  };
}

/** The median of the rounds' ratios and its interval: both sides had the same rounds. */
function speedUp({ samples: before = [] }: ValueRecord, { samples: after = [] }: ValueRecord): string {
  if (before.length === 0 || before.length !== after.length) return '–';
  const ratios = before.map((value, round) => value / (after[round] as number));
  return formatValue({ value: median(ratios), interval: medianInterval(ratios).interval });
}

function describeFloor(floor: MeasurementRecord, passes: readonly ValueRecord[]): string {
  if (floor.status === 'notRun') return '';
  const { threads } = floor.conditions;
  const fp32 = passes.find(
    ({ conditions }) =>
      conditions.runtime === 'onnxruntime-node' && conditions.variant === 'fp32' && conditions.threads === threads,
  );
  const multiple = fp32 ? `; FP32 takes ${(fp32.value / floor.value).toFixed(2)} times that` : '';
  return `The arithmetic alone would take ${floor.value.toFixed(2)} ms on ${threads} thread(s) (estimated: ${floor.method})${multiple}.`;
}

/** Loading, generating and memory: a row for each side. */
function sidesTable(records: readonly MeasurementRecord[]): Table {
  const sides = new Map<string, MeasurementRecord>();
  for (const record of records) {
    if (record.metric === 'load_ms' || record.status === 'notRun') sides.set(sideKey(record), record);
  }
  const cell = (side: MeasurementRecord, metric: Metric): Cell => {
    const found = records.find(
      (record) =>
        record.metric === metric && record.conditions['phase'] !== 'prefill' && sideKey(record) === sideKey(side),
    );
    return found ? { text: formatRecord(found), record: found } : { text: '–' };
  };
  const apart = records.filter(
    ({ conditions }) => conditions['stage'] === 'tokenize' || conditions['stage'] === 'sample',
  );
  return {
    caption: 'Loading, generating and memory',
    note: apart.map((record) => `${record.method}: ${formatRecord(record)} ms.`).join(' '),
    columns: [
      { title: 'Runtime', kind: 'label' },
      { title: 'Variant', kind: 'label' },
      { title: 'Threads', kind: 'number' },
      { title: 'Loading (ms)', kind: 'number', better: 'lower' },
      { title: 'First token (ms)', kind: 'number', better: 'lower' },
      { title: 'Decoding (tokens/s)', kind: 'number', better: 'higher' },
      { title: 'Peak memory (bytes)', kind: 'number', better: 'lower' },
    ],
    rows: [...sides.values()].map((side) => [
      ...describeSide(side).map((text): Cell => ({ text })),
      ...(side.status === 'notRun'
        ? [{ text: `not run: ${side.reason}`, span: 4 }]
        : (['load_ms', 'time_to_first_token_ms', 'tokens_per_second', 'memory_bytes'] as const).map((metric) =>
            cell(side, metric),
          )),
    ]),
  };
}
