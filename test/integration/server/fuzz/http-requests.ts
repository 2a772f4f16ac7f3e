import { METHODS } from 'node:http';
import fc from 'fast-check';
import { oddValues, type Schema, valuesOf } from './schema-values.ts';

/** One route and method of the OpenAPI document. */
export interface Operation {
  readonly path: string;
  readonly method: string;
  readonly body: Schema | undefined;
  /** Schemas of JSON answers by status; undefined for those of another kind. */
  readonly answers: Readonly<Record<string, Schema | undefined>>;
}

export interface FuzzRequest {
  readonly operation: Operation;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Buffer | undefined;
}

interface MediaTypes {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface DocumentedOperation {
  readonly requestBody?: MediaTypes;
  readonly responses: Readonly<Record<string, MediaTypes>>;
}

/** The operations of a document. */
export function readOperations(document: unknown): readonly Operation[] {
  const { paths } = document as { paths: Record<string, Record<string, DocumentedOperation>> };
  const schemaOf = (part: MediaTypes | undefined) => part?.content?.['application/json']?.schema;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { requestBody, responses }]) => ({
      ...{ path, method: method.toUpperCase(), body: schemaOf(requestBody) },
      answers: Object.fromEntries(Object.entries(responses).map(([status, part]) => [status, schemaOf(part)])),
    })),
  );
}

/** Places within the document's paths. */
const parametersOf = (ids: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('v1', 'v2', 'v3', 'config.json', ...ids) },
    fc.webSegment(),
    fc.constantFrom(
      '',
      '.',
      '..',
      '%2e%2e%2fconfig.json',
      '..%5c',
      '%00',
      '%',
      '%ff',
      '%ed%a0%80',
      '%F0%9F%98%80',
      '*',
      '{id}',
    ),
    fc.constantFrom(...[99, 100, 101, 200, 201, 5000].map((length) => 'v'.repeat(length))),
  );

const queries = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  fc.webQueryParameters().map((query) => `?${query}`),
  fc.constantFrom(
    '?',
    '??',
    '?limit=-1&limit=x',
    '?%',
    '?__proto__[a]=1',
    '?since=1e999',
    '?limit=0',
    `?${'a=1&'.repeat(2000)}`,
  ),
);

const methodsOf = (method: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 20, arbitrary: fc.constant(method) },
    // A tunnel is another thing than a request.
    fc.constantFrom(...METHODS.filter((name) => name !== 'CONNECT')),
  );

const jsonTypes = fc.oneof(
  { weight: 20, arbitrary: fc.constant('application/json') },
  fc.constantFrom(
    ...['application/json; charset=utf-8', 'application/json; charset=latin1', 'APPLICATION/JSON', 'text/plain'],
    ...[
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/xml',
      '',
      ';;;',
      'application/json, a/b',
    ],
  ),
);

/** One header or none that no client needs to send. */
const oddHeaders: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 12, arbitrary: fc.constant({}) },
  fc.constantFrom<Record<string, string>>(
    ...[{ accept: 'application/json' }, { accept: 'text/html' }, { accept: 'a'.repeat(5000) }, { accept: ';q=x' }],
    ...[{ origin: 'https://example.org' }, { origin: 'null' }, { 'content-encoding': 'gzip' }, { range: 'bytes=5-2' }],
    ...[{ 'x-request-id': 'a b' }, { 'x-request-id': 'x'.repeat(500) }, { 'x-request-id': 'mine' }, { expect: 'x' }],
    ...[{ 'if-none-match': '*' }, { 'if-none-match': '"a' }, { 'x-forwarded-for': '1.2.3.4' }, { cookie: '=;=' }],
    ...[{ 'content-length': '3' }, { 'content-length': '-1' }, { 'accept-encoding': 'gzip;q=2, x' }, { host: '' }],
  ),
);

/** The bytes of a body: of its value, or of something that is no longer JSON. */
function payloads(body: fc.Arbitrary<unknown>): fc.Arbitrary<Buffer> {
  const text = body.map((value) => JSON.stringify(value) ?? '');
  const cut = fc.tuple(text, fc.double({ min: 0, max: 1, noNaN: true }));
  return fc.oneof(
    { weight: 30, arbitrary: text.map((json) => Buffer.from(json)) },
    cut.map(([json, share]) => Buffer.from(json).subarray(0, Math.floor(share * Buffer.byteLength(json)))),
    cut.map(([json, share]) => {
      const bytes = Buffer.from(json);
      if (bytes.length > 0) bytes[Math.floor(share * (bytes.length - 1))] = 0xff;
      return bytes;
    }),
    text.map((json) => Buffer.from(`\ufeff${json}`)),
    text.map((json) => Buffer.from(`${json}${json}`)),
    text.map((json) => Buffer.from(json.replaceAll(/\d+/g, '1e400'))),
    text.map((json) => Buffer.from(json.replace('{', '{"__proto__":{"a":1},'))),
    text.map((json) => Buffer.from(json.replace('{', '{"seed":1,"seed":2,'))),
    text.map((json) => Buffer.from(json, 'utf16le')),
    fc.constantFrom('', 'null', '[', '{"a":', '"', '{}{}', 'NaN', "{'a':1}").map((json) => Buffer.from(json)),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(50_000, 100_000, 300_000).map((depth) => Buffer.from('['.repeat(depth))),
    fc.constant(Buffer.from(`{"input_text":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`)),
    fc.constantFrom(10_000, 300_000).map((length) => Buffer.from(JSON.stringify({ text: 'a'.repeat(length) }))),
  );
}

/**
 * Requests to all operations of a document: most as it allows, others wrong in one way or in several.
 *
 * @param ids - Of what is there, to be named in paths.
 * @param authorization - What is sent as that header, if anything.
 */
export function fuzzRequests(
  operations: readonly Operation[],
  ids: readonly string[] = [],
  authorization: fc.Arbitrary<string | undefined> = fc.constant(undefined),
): fc.Arbitrary<FuzzRequest> {
  return fc.constantFrom(...operations).chain((operation) => {
    const { path, body } = operation;
    const sends = payloads(body ? valuesOf(body) : oddValues);
    const none = fc.constant(undefined);
    // What takes no body seldom gets one, and the other way round.
    const [sent, absent] = body ? [20, 1] : [1, 20];
    const payload = fc.oneof({ weight: sent, arbitrary: sends }, { weight: absent, arbitrary: none });
    const url = fc
      .tuple(parametersOf(ids), queries)
      .map(([parameter, query]) => `${path.replace(/\{[^}]*\}/, () => parameter)}${query}`);
    return fc
      .record({
        method: methodsOf(operation.method),
        url,
        payload,
        odd: oddHeaders,
        type: jsonTypes,
        key: authorization,
      })
      .map(({ method, url: target, payload: bytes, odd, type, key }) => ({
        ...{ operation, method, url: target, payload: bytes },
        headers: {
          ...(bytes && type !== '' && { 'content-type': type }),
          ...(key !== undefined && { authorization: key }),
          ...odd,
        },
      }));
  });
}
