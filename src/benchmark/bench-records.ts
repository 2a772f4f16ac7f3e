import {
  type Conditions,
  type MeasurementRecord,
  type Metric,
  recordId,
  type ValueRecord,
} from '../core/measurement.ts';
import { mean, median, medianInterval, quantile, standardDeviation } from '../core/statistics.ts';

const units: Partial<Record<Metric, string>> = {
  latency_ms: 'ms',
  load_ms: 'ms',
  time_to_first_token_ms: 'ms',
  tokens_per_second: 'tokens/s',
  memory_bytes: 'bytes',
};

/** A number of a benchmark that was measured once, or the median of several with its interval. */
export function timingRecord(
  metric: Metric,
  conditions: Conditions,
  samples: readonly number[],
  method: string,
): ValueRecord {
  const subject = String(conditions.model ?? 'machine');
  const { interval, confidence } = medianInterval(samples);
  return {
    ...{ id: recordId(subject, metric, conditions), subject, metric, conditions, method, n: samples.length },
    ...{ unit: units[metric] ?? '1', status: 'measured', value: median(samples) },
    ...(samples.length > 1 && { interval, confidence }),
    ...(samples.length <= 100 && { samples }),
  };
}

/**
 * The latency of passes: the median of the rounds' medians with its interval and samples, and of all passes the mean, the
 * standard deviation, the median, the 90th and the 99th percentile.
 *
 * @param rounds - Milliseconds of each pass of each round.
 */
export function latencyRecords(
  conditions: Conditions,
  rounds: readonly (readonly number[])[],
  method: string,
): readonly ValueRecord[] {
  const all = rounds.flat();
  const statistics = {
    mean: mean(all),
    'standard deviation': all.length > 1 ? standardDeviation(all) : 0,
    median: median(all),
    p90: quantile(all, 0.9),
    p99: quantile(all, 0.99),
  };
  const subject = String(conditions.model);
  return [
    timingRecord('latency_ms', conditions, rounds.map(median), method),
    ...Object.entries(statistics).map(([statistic, value]): ValueRecord => {
      const own = { ...conditions, statistic };
      return {
        ...{ id: recordId(subject, 'latency_ms', own), subject, metric: 'latency_ms', conditions: own, method },
        ...{ unit: 'ms', status: 'measured', value, n: all.length },
      };
    }),
  ];
}

/** What could not be measured, and why. */
export function absentRecord(conditions: Conditions, reason: string): MeasurementRecord {
  const subject = String(conditions.model);
  return {
    ...{ id: recordId(subject, 'latency_ms', conditions), subject, metric: 'latency_ms', conditions },
    ...{ unit: 'ms', status: 'notRun', reason, method: 'a forward pass' },
  };
}
