import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Server } from '../../../src/server/server.ts';
import type { ServerOptions } from '../../../src/server/server-options.ts';
import { createToyServer, get, post } from './toy-server.ts';

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});
async function start(options: Partial<ServerOptions> = {}): Promise<Server> {
  const server = await createToyServer(options);
  servers.push(server);
  return server;
}

const text = 'Once upon a time';
const gauges = async (server: Server) =>
  JSON.parse((await get(server, '/metrics', { accept: 'application/json' })).text);

/** Opens a stream over the network that ends only by its length. */
async function openStream(address: string, more: object = {}, signal?: AbortSignal) {
  const answer = await fetch(`${address}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: text, max_tokens: 1024, stream: true, ...more }),
    ...(signal && { signal }),
  });
  const reader = (answer.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream()).getReader();
  return { answer, reader };
}

describe('many requests at once', () => {
  it('get what they would get alone', async () => {
    const server = await start();
    const ask = (seed: number) => post(server, '/infer', { input_text: text, max_length: 24, seed });
    const seeds = Array.from({ length: 32 }, (_, seed) => seed);
    const together = await Promise.all(seeds.map(ask));
    let equal = 0;
    for (const seed of seeds) equal += Number((await ask(seed)).body.output_text === together[seed]?.body.output_text);
    // Rounding in a batch may decide a draw otherwise, rarely.
    expect(equal).toBeGreaterThanOrEqual(29);
  });

  it('are sent away with Retry-After when too many wait', async () => {
    const server = await start({ maxConcurrent: 1, maxQueue: 2 });
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => post(server, '/infer', { input_text: text, max_length: 16 })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 503, 503]);
    const refused = answers.find(({ status }) => status === 503);
    expect(refused?.body.error).toMatchObject({ code: 'queue_full', type: 'server_error' });
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(await gauges(server)).toMatchObject({ active_generations: 0, queue_length: 0, rejected_count: 2 });
  });

  it('of one client are limited by the minute, other routes than those for supervisors', async () => {
    const server = await start({ rateLimit: 3 });
    const answers = [];
    for (let at = 0; at < 5; at++) answers.push(await post(server, '/v1/score', { text: 'a' }));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429]);
    expect(answers[4]?.body.error).toMatchObject({ code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    expect(Number(answers[4]?.headers['retry-after'])).toBeGreaterThan(0);
    for (let at = 0; at < 5; at++) expect((await get(server, '/health')).status).toBe(200);
  });
});

describe('a deadline', () => {
  it('is 504 before the first byte', async () => {
    const server = await start({ deadlineMs: 30 });
    const answer = await post(server, '/infer', { input_text: text, max_length: 1024, temperature: 3, seed: 1 });
    expect([answer.status, answer.body.error.code]).toEqual([504, 'deadline_exceeded']);
    expect((await gauges(server)).active_generations).toBe(0);
  });

  it('is an event with the error within a stream', async () => {
    const server = await start({ deadlineMs: 150 });
    const payload = { prompt: [text, text, text, text], n: 8, max_tokens: 1024, temperature: 2, stream: true, seed: 1 };
    const { statusCode, body } = await server.app.inject({ method: 'POST', url: '/v1/completions', payload });
    expect(statusCode).toBe(200);
    const events = body.trim().split('\n\n');
    expect(events.length).toBeGreaterThan(2);
    expect(JSON.parse(events.at(-1)?.slice('data: '.length) as string).error.code).toBe('deadline_exceeded');
  });
});

describe('a client that goes away', () => {
  it.each([false, true])('frees its place within a moment (isolated: %s)', async (isolate) => {
    const server = await start({ isolate });
    const address = await server.listen();
    const controller = new AbortController();
    const { reader } = await openStream(address, { n: 4, temperature: 2 }, controller.signal);
    await reader.read();
    expect((await gauges(server)).active_generations).toBe(4);
    controller.abort();
    await reader.read().catch(() => undefined);
    const began = performance.now();
    while ((await gauges(server)).active_generations > 0 && performance.now() - began < 2000) await sleep(5);
    expect(await gauges(server)).toMatchObject({ active_generations: 0, queue_length: 0 });
    expect(performance.now() - began).toBeLessThan(1000);
    // Fetch has opened another connection ahead, which does not keep the server.
    const closing = performance.now();
    await server.close();
    expect(performance.now() - closing).toBeLessThan(3000);
  });
});

describe('a stop', () => {
  it('lets a stream end and takes no more connections', async () => {
    const server = await start();
    const address = await server.listen();
    const { reader } = await openStream(address, { max_tokens: 200, temperature: 2, seed: 3 });
    let read = (await reader.read()).value as string;
    const closing = server.close();
    await expect(fetch(`${address}/health`)).rejects.toThrow('fetch failed');
    for (let next = await reader.read(); !next.done; next = await reader.read()) read += next.value;
    expect(read.trim().endsWith('data: [DONE]')).toBe(true);
    const began = performance.now();
    await closing;
    // A connection that is kept alive does not keep the server.
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('cuts off what takes longer than the grace period, and says so', async () => {
    const server = await start({ graceMs: 50 });
    const { reader } = await openStream(await server.listen(), { prompt: Array(8).fill(text), n: 4, temperature: 2 });
    let read = (await reader.read()).value as string;
    const closing = server.close();
    for (let next = await reader.read(); !next.done; next = await reader.read()) read += next.value;
    await closing;
    expect(read.trim().split('\n').at(-1)).toMatch(/"code":"stopping"/);
  });
});
