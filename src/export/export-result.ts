import { type Conditions, type MeasurementRecord, recordId } from '../core/measurement.ts';
import type { VerificationCheck } from './verification.ts';

/** A file that was written, and what comparing it with the model came to. */
export interface ExportResult {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly records: readonly MeasurementRecord[];
  /** Sentences about what does not hold; none if all does. */
  readonly failures: readonly string[];
}

/** A comparison as a record. */
export function toRecord(check: VerificationCheck, name: string, runtime: string): MeasurementRecord {
  const { metric, value, batch, length } = check;
  const conditions: Conditions = { model: name, runtime, check: check.name, batch, sequenceLength: length };
  return {
    ...{ id: recordId(name, metric, conditions), subject: name, metric, conditions, value, n: batch * length },
    ...{ unit: '1', status: 'measured' },
    method: 'compared with the float64 reference in TypeScript',
  };
}

/** A comparison that failed, for people. */
export function describeFailure(
  { name, metric, value, bound, batch, length }: VerificationCheck,
  path: string,
): string {
  const where = `${name} (batch ${batch}, ${length} tokens)`;
  if (metric === 'max_abs_difference')
    return `${path}: logits of ${where} differ from the reference by ${value}, allowed is ${bound}.`;
  if (metric === 'perplexity_ratio')
    return `${path}: the perplexity of ${where} is ${value} times that of the reference, allowed is ${bound} from 1.`;
  return `${path}: only ${Math.round(100 * value)}% of the tokens of ${where} are those of the reference.`;
}
