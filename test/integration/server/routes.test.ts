import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Server } from '../../../src/server/server.ts';
import { createToyServer, get, post } from './toy-server.ts';

let server: Server;
beforeAll(async () => {
  server = await createToyServer();
});
afterAll(() => server.close());

const prompt = 'Once upon a time';

describe('POST /infer', () => {
  it('continues a text and says by what, how long it took and what energy that may have been', async () => {
    const { status, body } = await post(server, '/infer', { input_text: prompt, max_length: 8, seed: 1 });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ inference_id: null, model: 'itera-lite-micro', model_version: 'itera-lite-micro', model_variant: 'fp32' },
      ...{ tokens: { prompt: 5, output: 8 }, finish_reason: 'length', energy: { status: 'estimated' } },
    });
    expect(body.output_text.length).toBeGreaterThan(8);
    expect(body.time_to_first_token_ms).toBeGreaterThan(0);
    expect(body.total_ms).toBeGreaterThan(body.time_to_first_token_ms);
    const { joules, interval, cpu_seconds: cpuS, method } = body.energy;
    expect(cpuS).toBeGreaterThan(0);
    expect(joules).toBeGreaterThan(interval[0]);
    expect(joules).toBeLessThan(interval[1]);
    expect(interval[0]).toBeGreaterThan(0);
    expect(method).toMatch(/^estimated, not measured: .* shared evenly/);
    const stopped = await post(server, '/infer', { input_text: prompt, temperature: 0, stop: 'little' });
    expect(stopped.body).toMatchObject({ output_text: ', there was a ', finish_reason: 'stop' });
    const again = await post(server, '/infer', { input_text: prompt, max_length: 8, seed: 1 });
    expect(again.body.output_text).toBe(body.output_text);
  });

  it.each<[what: string, body: object, status: number, param: string | null]>([
    ['no text', {}, 400, 'input_text'],
    ['a text that is none', { input_text: 5 }, 400, 'input_text'],
    ['half a surrogate pair', { input_text: 'a\ud800b' }, 400, null],
    ['a NUL character', { input_text: 'a\0b' }, 400, null],
    ['too many tokens asked for', { input_text: 'a', max_length: 1025 }, 400, 'max_length'],
    ['a temperature below 0', { input_text: 'a', temperature: -1 }, 400, 'temperature'],
    ['top_k 0', { input_text: 'a', top_k: 0 }, 400, 'top_k'],
    ['an unknown parameter', { input_text: 'a', beams: 2 }, 400, 'beams'],
    ['an unknown variant', { input_text: 'a', model_variant: 'int2' }, 400, 'model_variant'],
    ['a variant that is not there', { input_text: 'a', model_variant: 'fp16' }, 404, 'model_variant'],
    ['a prompt that is too long', { input_text: 'word '.repeat(3000) }, 400, 'input_text'],
    ['a body that is too large', { input_text: 'x'.repeat(300_000) }, 413, null],
  ])('refuses %s', async (_what, body, status, param) => {
    const answer = await post(server, '/infer', body);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ type: 'invalid_request_error', param });
    expect(Object.keys(answer.body.error).sort()).toEqual(['code', 'message', 'param', 'type']);
  });

  it.each<[what: string, type: string, payload: string | Buffer, status: number]>([
    ['malformed JSON', 'application/json', '{"input_text": ', 400],
    ['JSON nested very deep', 'application/json', `{"input_text":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 400],
    ['a poisoned prototype', 'application/json', '{"input_text":"a","__proto__":{"x":1}}', 400],
    ['another content type', 'text/xml', '<a/>', 415],
    ['plain text', 'text/plain', 'Once upon a time', 415],
    ['bytes that are no UTF-8', 'application/json', Buffer.from('{"input_text":"a\xff"}', 'latin1'), 400],
  ])('refuses %s', async (_what, type, payload, status) => {
    const url = '/infer';
    const answer = await server.app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } });
    expect(answer.statusCode).toBe(status);
    expect(answer.json().error.message).not.toMatch(/\n|\/work\/|at \w+ \(/);
  });
});

describe('POST /v1/suggest and /v1/score', () => {
  it('suggest whole words', async () => {
    const { body } = await post(server, '/v1/suggest', { prompt: 'Once upon a ti', count: 2 });
    expect(body.suggestions).toHaveLength(2);
    expect(body.suggestions[0].text).toBe('me');
    expect(body.suggestions[0].probability).toBeGreaterThan(0.9);
  });

  it('score every token of a text', async () => {
    const { body } = await post(server, '/v1/score', { text: 'Once upon a time' });
    expect(body.tokens.join('')).toBe('Once upon a time');
    const total = body.token_logprobs.reduce((sum: number, value: number) => sum + value, 0);
    expect(body.total_logprob).toBeCloseTo(total, 9);
    expect(body.bits_per_byte).toBeCloseTo(-total / Math.LN2 / 16, 9);
  });

  it('refuse what they cannot do', async () => {
    expect((await post(server, '/v1/score', { text: '' })).status).toBe(400);
    expect((await post(server, '/v1/suggest', { prompt: 'a', count: 0 })).status).toBe(400);
  });
});

describe('without a store', () => {
  it.each<['GET' | 'POST', string, object?]>([
    ['POST', '/feedback', { prompt: 'a', output: 'b', user_rating: 1 }],
    ['POST', '/adapt', {}],
    ['GET', '/v1/adaptations'],
    ['GET', '/v1/feedback'],
    ['GET', '/v1/versions'],
    ['POST', '/v1/versions/v1/promote', {}],
    ['POST', '/v1/rollback', {}],
  ])('%s %s answers 503 and says why', async (method, url, body) => {
    const answer = await server.app.inject({ method, url, ...(body && { payload: body }) });
    expect(answer.statusCode).toBe(503);
    expect(answer.json().error).toMatchObject({ code: 'no_store', message: expect.stringContaining('--store') });
  });
});

describe('operation', () => {
  it('is alive and ready', async () => {
    expect(JSON.parse((await get(server, '/health')).text)).toEqual({ status: 'ok' });
    const ready = await get(server, '/ready');
    expect(ready.status).toBe(200);
    expect(JSON.parse(ready.text)).toMatchObject({ status: 'ready', store: 'none', version: 'itera-lite-micro' });
  });

  it('counts in the format of Prometheus, and as JSON with the fields of the original', async () => {
    const { headers, text } = await get(server, '/metrics');
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(text).toMatch(/^itera_requests_total\{route="\/infer",method="POST",status="200"\} [1-9]/m);
    for (const name of ['itera_request_seconds', 'itera_time_to_first_token_seconds', 'itera_queue_seconds']) {
      expect(text).toMatch(new RegExp(`^# TYPE ${name} histogram$`, 'm'));
    }
    for (const name of ['itera_queue_length', 'itera_active_generations', 'itera_resident_memory_bytes']) {
      expect(text).toMatch(new RegExp(`^${name} \\d`, 'm'));
    }
    const json = JSON.parse((await get(server, '/metrics', { accept: 'application/json' })).text);
    expect(json.request_count).toBeGreaterThan(5);
    expect(json.error_rate).toBeGreaterThan(0);
    for (const name of ['average_latency_ms', 'memory_mb', 'uptime_s']) expect(json[name]).toBeGreaterThan(0);
    expect(json.active_generations).toBe(0);
    const { count, p50, p95, p99 } = json.latency_ms;
    expect(count).toBeGreaterThan(1);
    expect([p50, p95, p99]).toEqual([p50, p95, p99].toSorted((a, b) => a - b));
    expect(json.time_to_first_token_ms.p50).toBeGreaterThan(0);
    expect(json.queue_ms.p50).toBeLessThan(p50);
  });

  it('keeps a sane request id and replaces another', async () => {
    expect((await get(server, '/health', { 'x-request-id': 'abc-1' })).headers['x-request-id']).toBe('abc-1');
    const made = (await get(server, '/health', { 'x-request-id': 'a b<script>' })).headers['x-request-id'];
    expect(made).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers an unknown route in the shape of errors', async () => {
    const { status, text } = await get(server, '/nope?secret=1');
    expect(status).toBe(404);
    expect(JSON.parse(text).error).toMatchObject({ code: 'not_found', type: 'invalid_request_error' });
    expect(text).not.toContain('secret');
  });

  it('says which methods a path takes', async () => {
    const answer = await get(server, '/infer');
    expect(answer.status).toBe(405);
    expect(answer.headers['allow']).toBe('POST');
    expect(JSON.parse(answer.text).error).toMatchObject({ code: 'method_not_allowed' });
    expect((await post(server, '/v1/adaptations/x', {})).status).toBe(405);
    expect((await post(server, '/v1/adaptations/x/y', {})).status).toBe(404);
  });

  it('says what is wrong with a parameter in one sentence', async () => {
    const { body } = await post(server, '/v1/completions', { prompt: 'a', n: 99 });
    expect(body.error).toMatchObject({ param: 'n', message: 'Parameter n must be <= 8.' });
  });

  it('describes all its routes in OpenAPI 3.1, and shows them under a policy that lets its own scripts run', async () => {
    const document = JSON.parse((await get(server, '/openapi.json')).text);
    expect(document.openapi).toBe('3.1.0');
    const routes = ['/infer', '/feedback', '/adapt', '/v1/adaptations', '/v1/adaptations/{id}', '/v1/versions'];
    const more = ['/v1/versions/{id}/promote', '/v1/rollback', '/v1/completions', '/v1/models', '/v1/suggest'];
    const rest = ['/v1/score', '/v1/feedback', '/v1/model-files/{path}', '/health', '/ready', '/metrics'];
    expect(Object.keys(document.paths).sort()).toEqual([...routes, ...more, ...rest].sort());
    const page = await get(server, '/docs/');
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    const scripts = [...page.text.matchAll(/src="\.\/(static\/[\w.-]+)"/g)].map(([, path]) => path);
    expect(scripts.length).toBeGreaterThan(1);
    for (const path of scripts) expect((await get(server, `/docs/${path}`)).status).toBe(200);
  });

  it('sets security headers and lets no other origin in', async () => {
    const { headers } = await get(server, '/health', { origin: 'https://example.org' });
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});
