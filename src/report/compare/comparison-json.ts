import type { MeasurementRecord, ValueRecord } from '../../core/measurement.ts';
import { type Change, type Comparison, countVerdicts } from './compare-records.ts';

/** A comparison as plain data, without raw samples. */
export function comparisonJson(comparison: Comparison): object {
  const { before, after, options, changes, onlyBefore, onlyAfter, notes } = comparison;
  return {
    ...{ schemaVersion: 1, kind: 'comparison', before, after, options },
    ...{ counts: countVerdicts(comparison), notes, changes: changes.map(changeJson) },
    onlyBefore: onlyBefore.map(({ id }) => id),
    onlyAfter: onlyAfter.map(({ id }) => id),
  };
}

function changeJson({ before, after, verdict, reason, relative, test, adjustedPValue, differing }: Change): object {
  return {
    id: after.id,
    ...(before.id !== after.id && { beforeId: before.id, differing }),
    ...{ metric: after.metric, unit: after.unit, verdict, reason },
    ...{ before: valueJson(before), after: valueJson(after) },
    ...(relative !== undefined && { relative }),
    ...(test && { test: { ...test, adjustedPValue } }),
  };
}

function valueJson(record: MeasurementRecord): object {
  if (record.status === 'notRun') return { status: record.status, reason: record.reason };
  const { status, value, interval, confidence, n }: ValueRecord = record;
  return { status, value, ...(interval && { interval }), ...(confidence !== undefined && { confidence }), n };
}
