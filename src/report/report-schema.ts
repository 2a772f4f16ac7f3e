import { type TSchema, Type } from 'typebox';
import { Errors } from 'typebox/value';
import { IteraError } from '../core/errors.ts';
import { type MeasurementRecord, metrics, type RecordSet } from '../core/measurement.ts';
import type { Report } from './report.ts';

const text = () => Type.String({ minLength: 1 });
const count = () => Type.Integer({ minimum: 0 });
const plain = () => Type.Union([Type.String(), Type.Number(), Type.Boolean()]);

const recordBase = {
  id: text(),
  subject: text(),
  metric: Type.Enum([...metrics]),
  unit: text(),
  method: text(),
  conditions: Type.Object(
    {
      model: Type.Optional(Type.String()),
      variant: Type.Optional(Type.String()),
      dataset: Type.Optional(Type.String()),
      split: Type.Optional(Type.String()),
      runtime: Type.Optional(Type.String()),
      threads: Type.Optional(count()),
      batch: Type.Optional(count()),
      sequenceLength: Type.Optional(count()),
    },
    { additionalProperties: plain() },
  ),
};

const valueRecordSchema = Type.Object({
  ...recordBase,
  status: Type.Enum(['measured', 'estimated']),
  value: Type.Number(),
  interval: Type.Optional(Type.Tuple([Type.Number(), Type.Number()])),
  confidence: Type.Optional(Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1 })),
  n: count(),
  samples: Type.Optional(Type.Array(Type.Number())),
});

const notRunRecordSchema = Type.Object({ ...recordBase, status: Type.Literal('notRun'), reason: text() });

const provenanceSchema = Type.Object({
  createdAt: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}' }),
  iteraLite: text(),
  node: text(),
  onnxruntime: Type.Optional(Type.String()),
  platform: text(),
  cpu: Type.String(),
  cpuCount: count(),
  memoryBytes: Type.Number({ minimum: 0 }),
  commit: Type.Optional(Type.String()),
  threads: Type.Optional(count()),
  seed: Type.Optional(Type.Integer()),
  hashes: Type.Record(Type.String(), Type.String({ pattern: '^[0-9a-f]{64}$' })),
});

/** The JSON Schema of `report.json`. Further properties are allowed, so that later versions remain readable. */
export const reportSchema = Type.Object({
  schemaVersion: Type.Literal(1),
  kind: Type.Literal('validation'),
  title: text(),
  provenance: provenanceSchema,
  model: Type.Object({
    name: text(),
    description: Type.String(),
    parameters: Type.Optional(count()),
    activeParameters: Type.Optional(count()),
    parametersWithoutEmbedding: Type.Optional(count()),
    facts: Type.Optional(Type.Record(Type.String(), plain())),
  }),
  records: Type.Array(Type.Union([valueRecordSchema, notRunRecordSchema])),
  samples: Type.Array(
    Type.Object({
      model: text(),
      variant: Type.Optional(Type.String()),
      prompt: Type.String(),
      text: Type.String(),
      seed: Type.Integer(),
      temperature: Type.Number({ minimum: 0 }),
      topP: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
      topK: Type.Optional(count()),
    }),
  ),
  curves: Type.Optional(
    Type.Array(
      Type.Object({
        name: text(),
        unit: text(),
        points: Type.Array(Type.Object({ step: Type.Number(), value: Type.Number() })),
      }),
    ),
  ),
  protocol: Type.Array(Type.Object({ name: text(), text: text() })),
  bounds: Type.Optional(Type.Record(Type.String(), Type.Number({ minimum: 0 }))),
  findings: Type.Optional(Type.Array(text())),
  failures: Type.Optional(Type.Array(text())),
});

/** All but the records, whose own schemas name a fault better than their union does. */
const shellSchema = Type.Object({ ...reportSchema.properties, records: Type.Array(Type.Unknown()) });

/**
 * Reads a report from the text of a `report.json`.
 *
 * @throws {@link IteraError} `RECORD_INVALID` if the text is not JSON, or as {@link checkReport}.
 */
export function parseReport(json: string): Report {
  return checkReport(parseJson(json));
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new IteraError(
      'RECORD_INVALID',
      `Expected a report as JSON, got text that is not JSON: ${(error as Error).message}`,
      {},
      { cause: error },
    );
  }
}

/**
 * Makes sure that a value is a report: the right properties, finite numbers, intervals in order, unique record ids.
 *
 * @returns The same value.
 * @throws {@link IteraError} `RECORD_INVALID`; `data.path` is the JSON Pointer (RFC 6901) of the first fault.
 */
export function checkReport(value: unknown): Report {
  refuseFault(shellSchema, value, '');
  const report = value as Report;
  checkRecords(report.records);
  return report;
}

/** What `--json` prints and `bench` keeps: records with their provenance, and nothing that is needed besides. */
const recordSetSchema = Type.Object({
  schemaVersion: Type.Literal(1),
  provenance: provenanceSchema,
  records: Type.Array(Type.Unknown()),
});

/**
 * Reads a set of records from the text of a file that `--json` or `bench` wrote.
 *
 * @throws {@link IteraError} `RECORD_INVALID` as {@link checkReport}, and if the text is not JSON.
 */
export function parseRecordSet(json: string): RecordSet {
  const value = parseJson(json);
  refuseFault(recordSetSchema, value, '');
  const set = value as RecordSet;
  checkRecords(set.records);
  return set;
}

function checkRecords(records: readonly MeasurementRecord[]): void {
  const known = new Map<string, number>();
  records.forEach((record, index) => {
    const path = `/records/${index}`;
    const status: unknown = (record as { status?: unknown } | null)?.status;
    if (typeof status === 'string' && !['measured', 'estimated', 'notRun'].includes(status)) {
      throw fault(`${path}/status`, 'must be "measured", "estimated" or "notRun"', status);
    }
    refuseFault(status === 'notRun' ? notRunRecordSchema : valueRecordSchema, record, path);
    if (record.status !== 'notRun' && record.interval !== undefined && record.interval[0] > record.interval[1]) {
      throw fault(`${path}/interval`, 'must be [low, high]', record.interval);
    }
    const other = known.get(record.id);
    if (other !== undefined) throw fault(`${path}/id`, `must be unique, but record ${other} has the same`, record.id);
    known.set(record.id, index);
  });
}

function refuseFault(schema: TSchema, value: unknown, path: string): void {
  const errors = Errors(schema, value);
  const first = errors[0];
  if (first === undefined) return;
  const missing = first.keyword === 'required' ? `/${first.params.requiredProperties[0]}` : '';
  const pointer = first.instancePath + missing;
  // A value that fits no member of a union has one error for each member; only the union's own says all.
  const union = errors.some(({ keyword, instancePath }) => keyword === 'anyOf' && instancePath === first.instancePath);
  const expected =
    missing !== ''
      ? 'is missing'
      : union
        ? 'must be a string, a number, true or false'
        : first.keyword === 'enum' && first.params.allowedValues.length < 5
          ? `must be ${first.params.allowedValues.map((allowed) => JSON.stringify(allowed)).join(' or ')}`
          : first.message;
  throw fault(path + pointer, expected, missing === '' ? valueAt(value, pointer) : undefined);
}

function fault(path: string, expected: string, found: unknown): IteraError {
  const shown = found === undefined ? '' : `, got ${(JSON.stringify(found) ?? String(found)).slice(0, 80)}`;
  return new IteraError(
    'RECORD_INVALID',
    `The report is invalid: ${path === '' ? 'the whole' : path} ${expected}${shown}. Correct it, or make the report anew.`,
    { path },
  );
}

function valueAt(value: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((inner, step) => (inner as Record<string, unknown> | undefined)?.[step], value);
}
