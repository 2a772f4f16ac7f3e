import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { measureHttpLoad } from '../../../src/benchmark/http-load.ts';
import { quantile } from '../../../src/core/statistics.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(onRequest: RequestListener): Promise<string> {
  const server = createServer(onRequest).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function readBody(request: IncomingMessage): Promise<{ readonly n: number }> {
  let text = '';
  for await (const block of request) text += block;
  return JSON.parse(text);
}

const noErrors = { statuses: {}, non2xx: 0, timeouts: 0, connection: 0 };
const infer = (index: number) => ({ path: '/infer', body: { n: index } });

describe('measureHttpLoad', () => {
  it('sends each request once, in its own form, and sums up tokens and latencies of those that count', async () => {
    const got: { readonly n: number; readonly head: string; readonly key: string | undefined }[] = [];
    const url = await listen(async (request, response) => {
      const { n } = await readBody(request);
      const head = `${request.method} ${request.url} ${request.headers['content-type']}`;
      got.push({ n, head, key: request.headers.authorization });
      await sleep(n === 20 ? 80 : 5);
      response.end(JSON.stringify({ tokens: { output: n } }));
    });
    const heard: number[] = [];
    const load = await measureHttpLoad({
      ...{
        url,
        request: infer,
        requests: 20,
        warmupRequests: 3,
        concurrency: 2,
        headers: { authorization: 'Bearer a' },
      },
      onAnswer: ({ latencyMs }) => heard.push(latencyMs),
    });
    expect(got.map(({ n }) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: 23 }, (_, n) => n));
    expect(new Set(got.map(({ head }) => head))).toEqual(new Set(['POST /infer application/json']));
    expect(got[0]?.key).toBe('Bearer a');
    expect(load).toMatchObject({ requests: 20, errors: noErrors });
    // 0, 1 and 2 warm up, though two at a time may change places.
    expect(Math.abs(load.outputTokens - (22 * 23) / 2 + 3)).toBeLessThanOrEqual(2);
    const { latenciesMs, latencyMs } = load;
    expect(latenciesMs).toEqual(heard);
    expect(latenciesMs).toHaveLength(20);
    expect(latenciesMs.every((ms) => ms >= 4)).toBe(true);
    expect(latenciesMs.some((ms) => !Number.isInteger(ms))).toBe(true);
    expect(latencyMs).toMatchObject({ p50: quantile(latenciesMs, 0.5), p99: quantile(latenciesMs, 0.99) });
    expect(latencyMs?.max).toBeGreaterThanOrEqual(79);
    expect(load.tokensPerSecond * load.seconds).toBeCloseTo(load.outputTokens, 6);
    expect(load.requestsPerSecond * load.seconds).toBeCloseTo(20, 6);
  });

  it('counts tokens of completions, whole or as events, and none where an answer tells none', async () => {
    const answers = [
      '{"choices":[],"usage":{"completion_tokens":7}}',
      'data: {"choices":[{"text":"a"}],"usage":null}\n\ndata: {"choices":[],"usage":{"completion_tokens":5}}\n\ndata: [DONE]\n\n',
      'data: {"choices":[{"text":"a"}]}\n\ndata: [DONE]\n\n',
      'no JSON',
      '',
    ];
    const url = await listen((request, response) => response.end(answers[Number(request.url?.slice(1))]));
    const load = await measureHttpLoad({ url, request: (index) => ({ path: `/${index}` }), requests: 5 });
    expect(load).toMatchObject({ requests: 5, outputTokens: 12, errors: noErrors });
  });

  it('tells errors by their kind, and leaves them out of the latencies', async () => {
    const url = await listen(async (request, response) => {
      const { n } = await readBody(request);
      if (n === 1 || n === 5) response.statusCode = 503;
      if (n === 2) response.statusCode = 400;
      // In the middle and as the last of its connection.
      if (n === 3 || n === 9) return request.socket.end();
      if (n === 4) return undefined;
      return response.end('{"tokens":{"output":1}}');
    });
    const load = await measureHttpLoad({ url, request: infer, requests: 10, timeoutS: 1 });
    expect(load).toMatchObject({
      ...{ requests: 10, outputTokens: 4 },
      errors: { statuses: { 400: 1, 503: 2 }, non2xx: 3, timeouts: 1, connection: 2 },
    });
    expect(load.latenciesMs).toHaveLength(4);
    // What came after a lost request is not blamed for it.
    expect(load.latencyMs?.max).toBeLessThan(500);
  });

  it('says of a server that is not there that each request failed', async () => {
    const url = await listen(() => undefined);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    const load = await measureHttpLoad({ url, request: infer, requests: 3 });
    expect(load).toMatchObject({ requests: 3, errors: { connection: 3 }, requestsPerSecond: 0 });
    expect(load.latencyMs).toBeUndefined();
  });

  it('ends after its time, without those that still go on', async () => {
    const url = await listen(async (request, response) => {
      const { n } = await readBody(request);
      if (n < 10) response.end('{}');
    });
    const began = performance.now();
    const load = await measureHttpLoad({ url, request: infer, durationS: 0.3, concurrency: 4 });
    expect(performance.now() - began).toBeLessThan(2000);
    expect(load).toMatchObject({ requests: 10, errors: noErrors });
  });

  it('stops when it is aborted', async () => {
    const controller = new AbortController();
    const url = await listen((_request, response) => response.end('{}'));
    const onAnswer = (): void => controller.abort();
    const load = measureHttpLoad({ url, request: infer, durationS: 60, onAnswer, signal: controller.signal });
    await expect(load).rejects.toMatchObject({ code: 'ABORTED' });
    const again = measureHttpLoad({ url, request: infer, requests: 1, signal: controller.signal });
    await expect(again).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it.each([
    { requests: 0 },
    { requests: 1.5 },
    {},
    { requests: 1, durationS: 1 },
    { durationS: Number.NaN },
    { requests: 1, concurrency: 0 },
    { requests: 1, warmupRequests: -1 },
    { requests: 1, timeoutS: 0 },
  ])('refuses %j', async (numbers) => {
    const load = measureHttpLoad({ url: 'http://127.0.0.1:1', request: infer, ...numbers });
    await expect(load).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
