import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer, get } from './toy-server.ts';

/** As much of JSON Schema as the document uses. */
interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
}

let server: Server;
beforeAll(async () => {
  server = await createToyServer({ maxNewTokens: 8, deadlineMs: 10_000 });
});
afterAll(() => server.close());

const odd = fc.oneof(fc.jsonValue(), fc.constantFrom('', '\0', '\ud800', '\u{1f600}', -0, 1e308, [], {}));

/** Values that follow a schema, and now and then one that does not. */
function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: fitting(schema) }, { weight: 1, arbitrary: odd });
}

function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(valuesOf));
  const { minimum: min = -10, maximum: max = 12 } = schema;
  switch (schema.type) {
    case 'object': {
      const parts = Object.entries(schema.properties ?? {}).map(([name, part]) => [name, valuesOf(part)] as const);
      return fc.record(Object.fromEntries(parts), { requiredKeys: [...(schema.required ?? [])] });
    }
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), { maxLength: 4 });
    case 'integer':
      return fc.integer({ min, max: Math.min(max, 2 ** 31) });
    case 'number':
      return fc.double({ min, max, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constant('Once upon a time'));
  }
}

it('answers whatever its own document allows, and what it does not, without a fault of its own', async () => {
  const { paths } = JSON.parse((await get(server, '/openapi.json')).text);
  const routes = Object.entries(paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const requests = fc.constantFrom(...routes).chain(({ path, method, operation }) => {
    const schema = operation.requestBody?.content['application/json']?.schema;
    return fc.record({
      method: fc.constant(method.toUpperCase() as 'GET' | 'POST'),
      url: fc.webSegment().map((id) => path.replace('{id}', id || 'v1')),
      documented: fc.constant(new Set(Object.keys(operation.responses))),
      body: schema ? valuesOf(schema) : fc.constant(undefined),
    });
  });
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, url, documented, body }) => {
      const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const answer = await server.app.inject({ method, url, headers, ...payload });
      statuses.add(answer.statusCode);
      if (answer.statusCode >= 500) expect([answer.statusCode, answer.json().error.code]).toEqual([503, 'no_store']);
      if (answer.statusCode === 503) expect(documented).toContain('503');
    }),
    { numRuns: 300, seed: 7 },
  );
  for (const status of [200, 400, 503]) expect(statuses).toContain(status);
}, 60_000);

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}
