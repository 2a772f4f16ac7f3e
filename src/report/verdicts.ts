import { type GateVerdict, judgeVariants } from '../evaluation/gate.ts';
import { sortRecords } from './record-kinds.ts';
import type { Report } from './report.ts';

/** What the gate says of a report's variants; none where it states no bounds. A text that was not had fails no variant. */
export function reportVerdicts({ records: all, bounds }: Pick<Report, 'records' | 'bounds'>): readonly GateVerdict[] {
  if (!bounds) return [];
  const records = sortRecords(all).model;
  const had = new Set(records.flatMap(({ status, conditions }) => (status === 'notRun' ? [] : [conditions.dataset])));
  return judgeVariants(
    records.filter(({ conditions: { dataset } }) => had.has(dataset)),
    bounds,
  );
}
