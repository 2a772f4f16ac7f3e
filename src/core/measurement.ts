/** Names of everything the project measures; `docs/metrics.md` defines each. */
export const metrics = [
  'bits_per_byte',
  'word_perplexity',
  'token_perplexity',
  'nats_per_token',
  'perplexity_ratio',
  'kl_divergence_nats',
  'top1_agreement',
  'size_bytes',
  'parameters',
  'active_parameters',
  'latency_ms',
  'tokens_per_second',
  'time_to_first_token_ms',
  'load_ms',
  'memory_bytes',
  'energy_j_per_token',
  'tokens_per_joule',
  'energy_j_per_inference',
  'energy_j_per_step',
  'power_w',
  'energy_delay_js',
  'energy_ratio',
  'projected_energy_j_per_token',
  'carbon_g_per_million_tokens',
  'max_abs_difference',
  'wanted_nats_ratio',
  'unwanted_probability_ratio',
  'bits_per_byte_ratio',
  'latency_ratio',
  'failed_requests',
] as const;

/** A name of {@link metrics}. */
export type Metric = (typeof metrics)[number];

/** Under what a number holds. Only what applies is given. */
export interface Conditions {
  readonly model?: string;
  /** Form of the weights. */
  readonly variant?: string;
  readonly dataset?: string;
  /** Of a named dataset. */
  readonly split?: string;
  readonly runtime?: string;
  readonly threads?: number;
  /** Rows computed at once. */
  readonly batch?: number;
  /** Tokens of a row. */
  readonly sequenceLength?: number;
  readonly [name: string]: string | number | boolean | undefined;
}

interface RecordBase {
  /** Unique within a report: subject, metric and conditions joined by `/`. */
  readonly id: string;
  /** What was measured, e.g. a model's name. */
  readonly subject: string;
  /** docs/metrics.md says what each means. */
  readonly metric: Metric;
  /** Of `value` and `interval`. */
  readonly unit: string;
  /** How, in words. */
  readonly method: string;
  readonly conditions: Conditions;
}

/** A number that was measured, or estimated by a stated method. */
export interface ValueRecord extends RecordBase {
  readonly status: 'measured' | 'estimated';
  /** In `unit`. */
  readonly value: number;
  /** Lower and upper end of the confidence interval, in `unit`. */
  readonly interval?: readonly [number, number];
  /** Coverage of `interval`, e.g. 0.95. */
  readonly confidence?: number;
  /** How many independent samples `value` rests on (documents, repeats). */
  readonly n: number;
  /** The raw samples, where they are few enough to keep. */
  readonly samples?: readonly number[];
}

/** A measurement that could not be made, and why. */
export interface NotRunRecord extends RecordBase {
  readonly status: 'notRun';
  /** Why, and how it can be had. */
  readonly reason: string;
}

/** A record without its raw samples, for files that many records share. */
export function withoutSamples(record: MeasurementRecord): MeasurementRecord {
  if (record.status === 'notRun') return record;
  const { samples: _, ...kept } = record;
  return kept;
}

/** The one form of every number this project states. */
export type MeasurementRecord = ValueRecord | NotRunRecord;

/** Where, when and with what a set of records was made. */
export interface Provenance {
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** This package's version. */
  readonly iteraLite: string;
  /** Node's version. */
  readonly node: string;
  /** ONNX Runtime's version, where it was used. */
  readonly onnxruntime?: string;
  /** Operating system, its release, and processor. */
  readonly platform: string;
  readonly cpu: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  /** Of the repository, where the program ran from one. */
  readonly commit?: string;
  readonly threads?: number;
  readonly seed?: number;
  /** sha256 of every file that the numbers depend on, by a readable name. */
  readonly hashes: Readonly<Record<string, string>>;
}

/** What `--json` prints and reports read. */
export interface RecordSet {
  readonly schemaVersion: 1;
  readonly provenance: Provenance;
  readonly records: readonly MeasurementRecord[];
}

/** Builds a record's `id` from its parts, so that equal measurements get equal ids. */
export function recordId(subject: string, metric: Metric, conditions: Conditions): string {
  const parts = Object.entries(conditions)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);
  return [subject, metric, ...parts].join('/');
}
