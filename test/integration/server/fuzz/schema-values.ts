import fc from 'fast-check';

/** As much of JSON Schema as the server's document uses, or may come to use. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/** Texts that have broken programs before. */
const oddTexts = [
  ...['', ' ', '\0', '\ud800', 'a\udfff', '\u{1f600}', '\u202e', '\ufeff', 'e\u0301'.repeat(50), '\r\n', '__proto__'],
  ...[
    'constructor',
    '../../etc/passwd',
    '%00',
    '<script>',
    "' OR 1=1 --",
    '{{7*7}}',
    'NaN',
    '1e999',
    'null',
    'undefined',
  ],
];
const oddNumbers = [-0, -1, 0.1, 1e-320, 1e308, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e21, 4294967295.5];

/** Anything that JSON can say. */
export const oddValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom<unknown>(...oddTexts, ...oddNumbers, null, true, false),
  fc.constantFrom<unknown>([], {}, [[]], [null], { toString: 1 }, { length: 1e9 }),
  fc.integer({ min: 1, max: 4 }).map((power) => 'x'.repeat(10 ** power)),
  fc.integer({ min: 1, max: 3 }).map((power) => JSON.parse(`${'['.repeat(10 ** power)}${']'.repeat(10 ** power)}`)),
);

const names = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', '', 'extra', 'Prompt', 'prompt '),
  fc.string(),
);

/** Values that follow a schema, and now and then one that does not: at any depth, of another type, just beyond a limit. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 24, arbitrary: fitting(schema) },
    { weight: 1, arbitrary: beyond(schema) },
    { weight: 1, arbitrary: oddValues },
  );
}

function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if ('const' in schema) return fc.constant(schema.const);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map(valuesOf));
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => fitting({ ...schema, type })));
  switch (schema.type) {
    case 'object':
      return objects(schema);
    case 'array':
      return arrays(schema);
    case 'integer':
      return integers(schema);
    case 'number':
      return numbers(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'string':
      return strings(schema);
    default:
      return oddValues;
  }
}

/** Just what a limit forbids. */
function beyond({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, ...schema }: Schema): fc.Arbitrary<unknown> {
  const { minLength, maxLength, maxItems, properties, required } = schema;
  const found: unknown[] = [];
  if (minimum !== undefined) found.push(minimum - 1, minimum - 0.5);
  if (maximum !== undefined) found.push(maximum + 1, maximum + 0.5);
  for (const limit of [exclusiveMinimum, exclusiveMaximum]) if (limit !== undefined) found.push(limit);
  if (minLength) found.push('a'.repeat(minLength - 1));
  if (maxLength !== undefined) found.push('a'.repeat(maxLength + 1), '\u{1f600}'.repeat(maxLength + 1));
  if (maxItems !== undefined) found.push(Array.from({ length: maxItems + 1 }, () => 'a'));
  if (properties && required?.length) return objects({ ...schema, required: [] });
  return found.length === 0 ? oddValues : fc.constantFrom(...found);
}

function objects({ properties = {}, required = [], additionalProperties = true }: Schema): fc.Arbitrary<unknown> {
  const parts = Object.entries(properties).map(([name, part]) => [name, valuesOf(part)] as const);
  const known = fc.record(Object.fromEntries(parts), { requiredKeys: [...required] });
  const more = typeof additionalProperties === 'object' ? valuesOf(additionalProperties) : oddValues;
  const extra = fc.dictionary(names, more, { maxKeys: 2 });
  return fc.oneof(
    { weight: additionalProperties === false ? 20 : 5, arbitrary: known },
    { weight: 1, arbitrary: fc.tuple(known, extra).map(([own, others]) => ({ ...others, ...own })) },
  );
}

const arrays = ({ items = {}, minItems = 0, maxItems = 4 }: Schema): fc.Arbitrary<unknown> =>
  fc.array(valuesOf(items), { minLength: minItems, maxLength: Math.min(maxItems, minItems + 3) });

function integers({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): fc.Arbitrary<unknown> {
  const min = Math.ceil(minimum ?? (exclusiveMinimum === undefined ? -10 : exclusiveMinimum + 1));
  const most = Math.floor(maximum ?? (exclusiveMaximum === undefined ? min + 12 : exclusiveMaximum - 1));
  // Small ones mostly, since many are counts of what is to be computed.
  const small = fc.integer({ min, max: Math.min(most, min + 12) });
  return fc.oneof({ weight: 8, arbitrary: small }, { weight: 1, arbitrary: fc.constantFrom(min, most) });
}

function numbers({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): fc.Arbitrary<unknown> {
  const [min, max] = [minimum ?? exclusiveMinimum ?? -10, maximum ?? exclusiveMaximum ?? 10];
  const inside = fc.double({
    ...{ min, max, noNaN: true, noDefaultInfinity: true },
    ...{ minExcluded: exclusiveMinimum !== undefined, maxExcluded: exclusiveMaximum !== undefined },
  });
  return minimum === undefined || maximum === undefined ? inside : fc.oneof(inside, fc.constantFrom(min, max));
}

function strings({ minLength = 0, maxLength = 60, pattern, format }: Schema): fc.Arbitrary<unknown> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u'));
  if (format === 'uuid') return fc.uuid();
  if (format === 'date-time') return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
  if (format === 'uri') return fc.webUrl();
  const fits = (text: string): boolean => [...text].length >= minLength && [...text].length <= maxLength;
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('Once upon a time', 'The dog', 'a').filter(fits) },
    {
      weight: 4,
      arbitrary: fc
        .string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, minLength + 60) })
        .filter(fits),
    },
    { weight: 1, arbitrary: fc.constant('a'.repeat(Math.min(maxLength, 1000))) },
  );
}
