import { type HttpLoadResult, type LoadRequest, measureHttpLoad } from '../benchmark/http-load.ts';
import { throwIfAborted } from '../core/errors.ts';
import { type MeasurementRecord, type Metric, recordId, type ValueRecord } from '../core/measurement.ts';
import { medianInterval } from '../core/statistics.ts';
import { createServer } from '../server/server.ts';
import type { Say, Stage, StageResult } from './stage.ts';
import type { StageContext } from './stage-context.ts';

const newTokens = 32;

const prompt = 'Once upon a time';

/** One request of every route that uses the model. */
const smoke: readonly LoadRequest[] = [
  { path: '/health' },
  { path: '/ready' },
  { path: '/metrics' },
  { path: '/v1/models' },
  { path: '/infer', body: { input_text: prompt, max_length: 8 } },
  { path: '/v1/completions', body: { prompt, max_tokens: 8, stream: true } },
  { path: '/v1/suggest', body: { prompt } },
  { path: '/v1/score', body: { text: prompt } },
];

/** A stage that serves the model and asks it; see {@link checkServer}. */
export function serverStage(context: StageContext, leftOutBy?: string): Stage {
  const { clients, secondsEach } = context.size.server;
  return {
    ...{ id: 'server', name: 'asking the server', expectedS: 5 + clients.length * (secondsEach + 2), leftOutBy },
    run: (say) => checkServer(context, say),
  };
}

/**
 * Serves a model on a free port of this machine, asks every route that uses it once, and loads it for a few seconds.
 *
 * @throws {@link IteraError} what `createServer` and `listen` throw, `ABORTED`.
 */
async function checkServer(
  { folder, name, version, seed, size, signal }: StageContext,
  say: Say,
): Promise<StageResult> {
  const { clients, secondsEach } = size.server;
  const server = await createServer({
    folder,
    name,
    version,
    port: 0,
    rateLimit: 0,
    logLevel: 'silent',
    graceMs: 1000,
  });
  try {
    const url = await server.listen();
    const failures: string[] = [];
    for (const { path, body } of smoke) {
      throwIfAborted(signal);
      say(path);
      const failure = await ask(url, path, body, signal);
      if (failure !== undefined) failures.push(`The server answered ${path} with ${failure}.`);
    }
    const records: MeasurementRecord[] = [];
    for (const [index, concurrency] of clients.entries()) {
      say(`${concurrency} client${concurrency === 1 ? '' : 's'}`, index / clients.length);
      const result = await measureHttpLoad({
        ...{ url, concurrency, durationS: secondsEach, warmupRequests: 2 * concurrency },
        request: (at) => ({
          path: '/infer',
          body: { input_text: prompt, max_length: newTokens, seed: seed + at },
        }),
        ...(signal && { signal }),
      });
      records.push(...loadRecords(result, name, concurrency, secondsEach));
    }
    const failed = records.filter(
      ({ metric, ...record }) => metric === 'failed_requests' && 'value' in record && record.value > 0,
    );
    for (const { conditions } of failed) failures.push(`Requests failed with ${conditions['concurrency']} clients.`);
    return { records, failures, findings: failures.length > 0 ? [] : [describeLoad(records, Math.max(...clients))] };
  } finally {
    await server.close();
  }
}

async function ask(url: string, path: string, body: object | undefined, signal: AbortSignal | undefined) {
  const sent = body && { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  try {
    const answer = await fetch(`${url}${path}`, { ...sent, ...(signal && { signal }) });
    const text = await answer.text();
    return answer.ok && text !== '' ? undefined : `status ${answer.status}`;
  } catch (error) {
    throwIfAborted(signal);
    return `no answer (${(error as Error).message})`;
  }
}

function loadRecords(
  result: HttpLoadResult,
  name: string,
  concurrency: number,
  seconds: number,
): readonly ValueRecord[] {
  const method =
    `requests of POST /infer for ${newTokens} new tokens over HTTP on this machine, ${seconds} s, the model in a process ` +
    'of its own, the clients in that of the server';
  const { latencyMs, latenciesMs, requests, errors, tokensPerSecond } = result;
  const record = (metric: Metric, unit: string, value: number, more: object = {}, rest: object = {}): ValueRecord => {
    const conditions = { model: name, variant: 'fp32', concurrency, newTokens, ...more };
    return {
      ...{ id: recordId(name, metric, conditions), subject: name, metric, unit, value, n: requests },
      ...{ status: 'measured' as const, method, conditions, ...rest },
    };
  };
  const { interval, confidence } = latenciesMs.length > 0 ? medianInterval(latenciesMs) : {};
  return [
    ...(latencyMs
      ? [
          record('latency_ms', 'ms', latencyMs.p50, { statistic: 'median' }, interval && { interval, confidence }),
          record('latency_ms', 'ms', latencyMs.p95, { statistic: 'p95' }),
          record('latency_ms', 'ms', latencyMs.p99, { statistic: 'p99' }),
        ]
      : []),
    record('tokens_per_second', 'tokens/s', tokensPerSecond),
    record('failed_requests', 'requests', errors.non2xx + errors.timeouts + errors.connection),
  ];
}

function describeLoad(records: readonly MeasurementRecord[], clients: number): string {
  const asked = records.reduce(
    (sum, record) => (record.metric === 'failed_requests' && 'n' in record ? sum + record.n : sum),
    0,
  );
  return `The server answered every route that uses the model, and ${asked} requests of up to ${clients} clients at a time without a failure.`;
}
