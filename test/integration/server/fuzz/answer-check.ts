import type { LightMyRequestResponse } from 'fastify';
import { Check } from 'typebox/schema';
import { expect } from 'vitest';
import { errorSchema } from '../../../../src/server/schemas.ts';
import type { FuzzRequest } from './http-requests.ts';

/** What may be refused without being documented for a route: it is refused before it reaches one. */
const general = [400, 401, 403, 404, 405, 408, 413, 414, 415, 429, 431];
/** Codes of answers of 5xx that say what is so, rather than that the server failed. */
const excused = ['no_store', 'queue_full', 'deadline_exceeded', 'stopping'];

/** Whether an answer is one that the document promises, and tells errors in our form. */
export function checkAnswer(
  { operation, method }: FuzzRequest,
  { statusCode, headers, body }: LightMyRequestResponse,
): void {
  expect(headers['x-request-id']).toMatch(/^[\w.:-]{1,128}$/);
  if (method === 'HEAD' || method === 'OPTIONS') {
    // Without a body that could say why.
    expect(statusCode < 500 || statusCode === 503).toBe(true);
    return;
  }
  const isDocumented = method === operation.method && String(statusCode) in operation.answers;
  if (statusCode < 400) {
    expect(isDocumented, `status ${statusCode} is not documented`).toBe(true);
    const schema = operation.answers[statusCode];
    if (schema && headers['content-type']?.toString().startsWith('application/json')) {
      expect(
        Check(schema as Parameters<typeof Check>[0], JSON.parse(body)),
        `another form: ${body.slice(0, 500)}`,
      ).toBe(true);
    }
    return;
  }
  const answer: unknown = JSON.parse(body);
  expect(Check(errorSchema, answer), `no error in our form: ${body.slice(0, 500)}`).toBe(true);
  const { error } = answer as { error: { code: string; message: string } };
  // Neither a path nor a stack, nor what was sent, all of it.
  expect(error.message).not.toMatch(/node_modules|\n\s+at |\/src\//);
  expect(error.message.length).toBeLessThan(1500);
  if (statusCode >= 500) {
    expect(isDocumented, `status ${statusCode} is not documented: ${error.message}`).toBe(true);
    expect(excused).toContain(error.code);
  } else expect(isDocumented || general.includes(statusCode), `status ${statusCode} is not documented`).toBe(true);
}
