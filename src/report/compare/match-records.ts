import type { MeasurementRecord, Metric } from '../../core/measurement.ts';

/** Two records of the same thing, from two runs. */
export interface RecordPair {
  readonly before: MeasurementRecord;
  readonly after: MeasurementRecord;
  /** What differs besides the value: `model`, `threads`, `runtimeVersion`; both values of each. */
  readonly differing: Readonly<Record<string, readonly [before: string, after: string]>>;
}

export interface MatchedRecords {
  readonly pairs: readonly RecordPair[];
  readonly onlyBefore: readonly MeasurementRecord[];
  readonly onlyAfter: readonly MeasurementRecord[];
}

/** Metrics whose value depends on the machine and the moment, and not on the model and the text alone. */
const momentaryMetrics: ReadonlySet<Metric> = new Set<Metric>([
  ...([
    'latency_ms',
    'tokens_per_second',
    'time_to_first_token_ms',
    'load_ms',
    'memory_bytes',
    'latency_ratio',
  ] as const),
  ...(['energy_j_per_token', 'tokens_per_joule', 'energy_j_per_inference', 'energy_j_per_step', 'power_w'] as const),
  ...(['energy_delay_js', 'energy_ratio', 'carbon_g_per_million_tokens', 'failed_requests'] as const),
]);

/** Whether a record's value depends on the machine and the moment. */
export const isMomentary = ({ metric }: Pick<MeasurementRecord, 'metric'>): boolean => momentaryMetrics.has(metric);

/**
 * Finds the records of two runs that are about the same thing: those of equal id, and of the rest those of equal metric and
 * conditions but for the model, the version of the runtime and, where it changes only the time, the number of threads. What
 * these leave ambiguous, such as several models in one of both, is not matched.
 *
 * @returns The pairs in the order of `after`, and what only one run has.
 */
export function matchRecords(
  before: readonly MeasurementRecord[],
  after: readonly MeasurementRecord[],
): MatchedRecords {
  const partners = new Map<MeasurementRecord, MeasurementRecord>();
  for (const keyOf of [({ id }: MeasurementRecord) => id, looseKey]) {
    const taken = new Set(partners.values());
    const [left, right] = [
      groupBy(
        before.filter((record) => !taken.has(record)),
        keyOf,
      ),
      groupBy(
        after.filter((record) => !partners.has(record)),
        keyOf,
      ),
    ];
    for (const [key, [own, ...others]] of right) {
      const [partner, ...rivals] = left.get(key) ?? [];
      if (own && partner && others.length === 0 && rivals.length === 0) partners.set(own, partner);
    }
  }
  const taken = new Set(partners.values());
  return {
    pairs: after.flatMap((record) => {
      const partner = partners.get(record);
      return partner ? [{ before: partner, after: record, differing: findDifferences(partner, record) }] : [];
    }),
    onlyBefore: before.filter((record) => !taken.has(record)),
    onlyAfter: after.filter((record) => !partners.has(record)),
  };
}

function looseKey(record: MeasurementRecord): string {
  const ignored = ['model', 'runtimeVersion', ...(isMomentary(record) ? [] : ['threads'])];
  const kept = Object.entries(record.conditions)
    .filter(([name, value]) => value !== undefined && !ignored.includes(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([record.metric, kept]);
}

function groupBy(
  records: readonly MeasurementRecord[],
  keyOf: (record: MeasurementRecord) => string,
): ReadonlyMap<string, readonly MeasurementRecord[]> {
  const groups = new Map<string, MeasurementRecord[]>();
  for (const record of records) {
    const group = groups.get(keyOf(record));
    if (group) group.push(record);
    else groups.set(keyOf(record), [record]);
  }
  return groups;
}

function findDifferences(before: MeasurementRecord, after: MeasurementRecord): RecordPair['differing'] {
  const labels = ({ subject, conditions }: MeasurementRecord): Record<string, unknown> => ({
    model: subject,
    ...conditions,
  });
  const [was, is] = [labels(before), labels(after)];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((name) => was[name] !== is[name]);
  return Object.fromEntries(names.map((name) => [name, [String(was[name] ?? '–'), String(is[name] ?? '–')] as const]));
}
