import { type TSchema, Type } from 'typebox';
import { Errors } from 'typebox/value';
import { IteraError } from '../core/errors.ts';
import { type MeasurementRecord, metrics, type RecordSet, type ValueRecord } from '../core/measurement.ts';
import type { Report } from './report.ts';

const text = (description: string) => Type.String({ minLength: 1, description });
const count = (description: string) => Type.Integer({ minimum: 0, description });
const plain = () => Type.Union([Type.String(), Type.Number(), Type.Boolean()]);
const word = (description: string) => Type.Optional(Type.String({ description }));

const recordBase = {
  id: text('Unique within the report: subject, metric and conditions, joined by "/".'),
  subject: text("What was measured, e.g. a model's name."),
  metric: Type.Enum([...metrics], { description: 'What was measured; docs/metrics.md defines each name.' }),
  unit: text('Unit of the value and its interval; "1" for ratios and shares.'),
  method: text('How the number was made, in words: the protocol, and what its interval comes from.'),
  conditions: Type.Object(
    {
      model: word('Name of the model.'),
      variant: word('Form of the model: "fp32", or a compressed variant.'),
      dataset: word('Name of the text.'),
      split: word('Part of a named dataset: "train", "valid" or "test".'),
      runtime: word('What ran the model, e.g. "onnxruntime-node".'),
      threads: Type.Optional(count('Threads of the runtime.')),
      batch: Type.Optional(count('Texts that were read at once.')),
      sequenceLength: Type.Optional(count('Tokens of a pass.')),
    },
    { additionalProperties: plain(), description: 'Under what the number holds. Only what applies is given.' },
  ),
};

const valueRecordSchema = Type.Object(
  {
    ...recordBase,
    status: Type.Enum(['measured', 'estimated'], {
      description: 'Measured on the machine of the provenance, or estimated as the method says.',
    }),
    value: Type.Number({ description: 'The number, in the unit, in full precision. It lies within its interval.' }),
    interval: Type.Optional(
      Type.Tuple([Type.Number({ description: 'Lower end.' }), Type.Number({ description: 'Upper end.' })], {
        description: 'Confidence interval in the unit, or, without a confidence, bounds. The lower end comes first.',
      }),
    ),
    confidence: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description: 'Coverage of the interval, e.g. 0.95.' }),
    ),
    n: count('How many independent samples the value rests on: documents, rounds, requests.'),
    samples: Type.Optional(
      Type.Array(Type.Number(), {
        description:
          'The raw samples, where they are few enough to keep: of bits per byte, the bits of each document over the bytes ' +
          'of a document on average, whose mean is the value.',
      }),
    ),
  },
  { description: 'A number that was measured, or estimated by a stated method.' },
);

const notRunRecordSchema = Type.Object(
  { ...recordBase, status: Type.Literal('notRun'), reason: text('Why it could not be made.') },
  { description: 'A measurement that could not be made.' },
);

const provenanceSchema = Type.Object(
  {
    createdAt: Type.String({
      pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}',
      description: 'When the numbers were made (ISO 8601).',
    }),
    iteraLite: text('Version of Itera-Lite.'),
    node: text('Version of Node.js.'),
    onnxruntime: word('Version of ONNX Runtime.'),
    platform: text('Operating system, its release and the architecture.'),
    cpu: Type.String({ description: 'Model of the processor.' }),
    cpuCount: count('Logical cores.'),
    memoryBytes: Type.Number({ minimum: 0, description: 'Memory of the machine.' }),
    commit: word('Commit of Itera-Lite, where it ran from a checkout.'),
    threads: Type.Optional(count('Threads of the runtime, where the conditions do not say otherwise.')),
    seed: Type.Optional(Type.Integer({ description: 'Seed of samples, intervals and generated text.' })),
    hashes: Type.Record(Type.String(), Type.String({ pattern: '^[0-9a-f]{64}$' }), {
      description:
        'sha256 of every file that the numbers depend on: "model/<file>", "variant/<name>", "dataset/<name>/<split>".',
    }),
  },
  { description: 'Where, when and with what the numbers were made.' },
);

/** The JSON Schema of `report.json`. Further properties are allowed, so that later versions remain readable. */
export const reportSchema = Type.Object({
  schemaVersion: Type.Literal(1, { description: 'Version of this schema.' }),
  kind: Type.Literal('validation'),
  title: text('Heading of the report.'),
  provenance: provenanceSchema,
  model: Type.Object(
    {
      name: text('Name of the model.'),
      description: Type.String({ description: 'What kind of model it is, in words.' }),
      parameters: Type.Optional(count('All trained numbers; a tied embedding counts once.')),
      activeParameters: Type.Optional(count('Trained numbers that one token uses: of the experts, those it visits.')),
      parametersWithoutEmbedding: Type.Optional(count('Trained numbers but for the embedding.')),
      facts: Type.Optional(
        Type.Record(Type.String(), plain(), { description: 'Further facts by a readable name, e.g. "Layers".' }),
      ),
    },
    { description: 'The model that the report is about.' },
  ),
  records: Type.Array(Type.Union([valueRecordSchema, notRunRecordSchema]), {
    description: 'Every number of the report, each id once, and what could not be measured.',
  }),
  samples: Type.Array(
    Type.Object({
      model: text('Name of the model that wrote it.'),
      variant: word('Form of the model, or which side of a comparison it is.'),
      prompt: Type.String({ description: 'What the model was given.' }),
      text: Type.String({ description: 'What the model wrote after the prompt.' }),
      seed: Type.Integer({ description: 'Seed of the draws.' }),
      temperature: Type.Number({ minimum: 0, description: '0 stands for always taking the most likely token.' }),
      topP: Type.Optional(
        Type.Number({ minimum: 0, maximum: 1, description: 'Share of probability that draws were limited to.' }),
      ),
      topK: Type.Optional(count('Tokens that draws were limited to.')),
    }),
    { description: 'Texts that the models wrote, with all that is needed to make them again.' },
  ),
  curves: Type.Optional(
    Type.Array(
      Type.Object({
        name: text('Name of the curve.'),
        unit: text('Unit of its values.'),
        points: Type.Array(Type.Object({ step: Type.Number(), value: Type.Number() })),
      }),
      { description: 'Values followed over the steps of training.' },
    ),
  ),
  protocol: Type.Array(Type.Object({ name: text('What it is about.'), text: text('How it was done.') }), {
    description: 'How the numbers were made, in words.',
  }),
  stages: Type.Optional(
    Type.Array(
      Type.Object({
        id: text('Unique within the report, e.g. "quality/stories".'),
        name: text('What it does, in words.'),
        status: Type.Enum(['done', 'failed', 'notRun'], { description: 'How it ended.' }),
        reason: word('Why it failed or was not run, and what to do about it.'),
        seconds: Type.Optional(Type.Number({ minimum: 0, description: 'How long it took.' })),
        resumed: Type.Optional(
          Type.Boolean({ description: 'Whether its numbers come from an earlier, interrupted run of the same job.' }),
        ),
      }),
      { description: 'The parts of the job in their order.' },
    ),
  ),
  bounds: Type.Optional(
    Type.Record(Type.String(), Type.Number({ minimum: 0 }), {
      description: 'The rise of perplexity that the gate allows each variant, 0.02 for 2%.',
    }),
  ),
  findings: Type.Optional(
    Type.Array(text('A sentence.'), { description: 'What holds, as far as the numbers alone do not say it.' }),
  ),
  failures: Type.Optional(Type.Array(text('A sentence.'), { description: 'What should hold and does not.' })),
});

/** {@link reportSchema} as a document of its own, which `schemas/report.schema.json` holds. */
export function reportSchemaDocument(): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: 'urn:itera-lite:report:1',
    title: 'Report of Itera-Lite',
    description:
      'The report.json that "itera-lite run" writes. Besides what a schema can say, record ids are unique, the lower end of ' +
      'an interval is not above the upper one, and a value lies within its interval.',
    ...reportSchema,
  };
}

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
 * Makes sure that a value is a report: the right properties, finite numbers, intervals in order that hold their values,
 * unique record ids.
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
    if (record.status !== 'notRun') refuseContradiction(record, path);
    const other = known.get(record.id);
    if (other !== undefined) throw fault(`${path}/id`, `must be unique, but record ${other} has the same`, record.id);
    known.set(record.id, index);
  });
}

/** So much of the larger number may be rounding, in a mean over documents that are all alike. */
const rounding = 1e-9;

function refuseContradiction({ value, interval }: ValueRecord, path: string): void {
  if (interval === undefined) return;
  const [low, high] = interval;
  if (low > high) throw fault(`${path}/interval`, 'must be [low, high]', interval);
  const slack = rounding * Math.max(Math.abs(low), Math.abs(high));
  if (value < low - slack || value > high + slack) {
    throw fault(`${path}/value`, `must lie within its interval [${interval.join(', ')}]`, value);
  }
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
