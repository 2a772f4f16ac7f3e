import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type Static, Type } from 'typebox';
import { quantile } from '../core/statistics.ts';
import type { Admission } from './admission.ts';
import { type ProcessUsage, readUsage } from './process-usage.ts';

const nullableNumber = Type.Union([Type.Number(), Type.Null()]);

const recentSchema = Type.Object(
  { count: Type.Integer(), p50: nullableNumber, p95: nullableNumber, p99: nullableNumber },
  { description: 'Of the last 1,024 requests that used the model; null without any.' },
);

/** The fields of the original project's server, and more. */
export const summarySchema = Type.Object({
  request_count: Type.Integer(),
  average_latency_ms: Type.Number(),
  error_rate: Type.Number(),
  memory_mb: Type.Number({ description: 'Resident memory of the server process, in MiB.' }),
  model_memory_mb: Type.Number({ description: 'Of the processes that run models, as they last said.' }),
  uptime_s: Type.Number(),
  prompt_tokens: Type.Integer(),
  output_tokens: Type.Integer(),
  feedback_count: Type.Integer(),
  rejected_count: Type.Integer(),
  queue_length: Type.Integer(),
  active_generations: Type.Integer(),
  latency_ms: recentSchema,
  time_to_first_token_ms: recentSchema,
  queue_ms: recentSchema,
});

export interface ServerMetrics {
  sawRequest(route: string, method: string, status: number, seconds: number): void;
  /** The whole time of a request that used the model. */
  sawTask(seconds: number): void;
  sawFirstToken(seconds: number): void;
  sawQueue(seconds: number): void;
  sawTokens(kind: 'prompt' | 'output', count: number): void;
  sawFeedback(): void;
  /** Why a request was not let in, or not finished. */
  sawRejection(reason: string): void;
  /** Prometheus's text format. */
  text(): Promise<string>;
  readonly contentType: string;
  summary(): Static<typeof summarySchema>;
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Counts what a server does; each server has its own. */
export function createMetrics(admission: Admission, modelUsage: () => ProcessUsage): ServerMetrics {
  const registers = [new Registry()] as const;
  const [registry] = registers;
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram({ name, help, labelNames, buckets: seconds, registers: [...registers] });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name, help, labelNames, registers: [...registers] });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [...registers],
      collect() {
        this.set(read());
      },
    });

  const requestSeconds = histogram('itera_request_seconds', 'Time from a request to the end of its answer.', ['route']);
  const firstTokenSeconds = histogram('itera_time_to_first_token_seconds', 'Time from a request to its first token.');
  const queueSeconds = histogram('itera_queue_seconds', 'Time that a request waited for its turn.');
  const requests = counter('itera_requests_total', 'Requests answered.', ['route', 'method', 'status']);
  const tokens = counter('itera_tokens_total', 'Tokens read (prompt) and drawn (output).', ['kind']);
  const feedback = counter('itera_feedback_total', 'Pieces of feedback kept.');
  const rejected = counter('itera_rejected_total', 'Requests not let in or not finished, by reason.', ['reason']);
  gauge('itera_queue_length', 'Requests that wait for their turn.', () => admission.queued);
  gauge('itera_active_generations', 'Generations that go on.', () => admission.active);
  gauge('itera_resident_memory_bytes', 'Resident memory of the server process.', () => process.memoryUsage.rss());
  gauge(
    'itera_model_memory_bytes',
    'Resident memory of the processes that run models, as they last said.',
    () => modelUsage().residentBytes,
  );
  gauge(
    'itera_cpu_seconds',
    'Processor time of the server and the processes that run models.',
    () => readUsage().cpuS + modelUsage().cpuS,
  );

  const started = performance.now();
  const total = { requests: 0, errors: 0, seconds: 0, prompt: 0, output: 0, feedback: 0, rejected: 0 };
  const recent = { task: createWindow(), firstToken: createWindow(), queue: createWindow() };
  return {
    sawRequest(route, method, status, took) {
      requestSeconds.observe({ route }, took);
      requests.inc({ route, method, status: String(status) });
      total.requests++;
      total.seconds += took;
      if (status >= 400) total.errors++;
    },
    sawTask: (took) => recent.task.add(1000 * took),
    sawFirstToken(took) {
      firstTokenSeconds.observe(took);
      recent.firstToken.add(1000 * took);
    },
    sawQueue(took) {
      queueSeconds.observe(took);
      recent.queue.add(1000 * took);
    },
    sawTokens(kind, count) {
      tokens.inc({ kind }, count);
      total[kind] += count;
    },
    sawFeedback() {
      feedback.inc();
      total.feedback++;
    },
    sawRejection(reason) {
      rejected.inc({ reason });
      total.rejected++;
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
    summary: () => ({
      request_count: total.requests,
      average_latency_ms: total.requests === 0 ? 0 : (1000 * total.seconds) / total.requests,
      error_rate: total.requests === 0 ? 0 : total.errors / total.requests,
      memory_mb: process.memoryUsage.rss() / 2 ** 20,
      model_memory_mb: modelUsage().residentBytes / 2 ** 20,
      uptime_s: (performance.now() - started) / 1000,
      prompt_tokens: total.prompt,
      output_tokens: total.output,
      feedback_count: total.feedback,
      rejected_count: total.rejected,
      queue_length: admission.queued,
      active_generations: admission.active,
      latency_ms: recent.task.summary(),
      time_to_first_token_ms: recent.firstToken.summary(),
      queue_ms: recent.queue.summary(),
    }),
  };
}

const windowSize = 1024;

/** The last values of something. */
function createWindow() {
  const values: number[] = [];
  let next = 0;
  return {
    add(value: number) {
      values[next] = value;
      next = (next + 1) % windowSize;
    },
    summary(): Static<typeof recentSchema> {
      const at = (probability: number) => (values.length === 0 ? null : quantile(values, probability));
      return { count: values.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
    },
  };
}
