import autocannon from 'autocannon';
import { abortError, IteraError, throwIfAborted } from '../core/errors.ts';
import { mean, quantile } from '../core/statistics.ts';

/** One request of a load. */
export interface LoadRequest {
  /** Default `POST` with a body, `GET` without. */
  readonly method?: 'GET' | 'POST';
  /** With its query, e.g. `/infer`. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: object;
}

export interface HttpLoadOptions {
  /** Of the server, `http://host:port`. */
  readonly url: string;
  /** What is asked: always the same, or by the number of the request, from 0 and warming up included. */
  readonly request: LoadRequest | ((index: number) => LoadRequest);
  readonly headers?: Readonly<Record<string, string>>;
  /** Requests that go on at a time, each on a connection of its own that is kept. Default 1. */
  readonly concurrency?: number;
  /** Requests that count. Either these or `durationS`. */
  readonly requests?: number;
  /** Seconds of load, warming up included; what still goes on then is cut off and not counted. */
  readonly durationS?: number;
  /** Answers before the first that counts. Default 0. */
  readonly warmupRequests?: number;
  /** Seconds after which a request counts as failed. Default 60. */
  readonly timeoutS?: number;
  /** Hears of each answer that counts. */
  readonly onAnswer?: (answer: LoadAnswer) => void;
  readonly signal?: AbortSignal;
}

export interface LoadAnswer {
  readonly status: number;
  readonly body: string;
  readonly latencyMs: number;
}

/** Requests that failed, by how. */
export interface LoadErrors {
  /** Answers of another status than 2xx. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly non2xx: number;
  readonly timeouts: number;
  /** The connection was refused, or ended before its answer. */
  readonly connection: number;
}

export interface LatencySummary {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly mean: number;
}

export interface HttpLoadResult {
  /** Those that count: answered, whatever the status, or failed. */
  readonly requests: number;
  readonly errors: LoadErrors;
  /** From the end of warming up to the last answer that counts. */
  readonly seconds: number;
  /** Of 2xx answers, from sending to the last byte; absent without any. */
  readonly latencyMs?: LatencySummary;
  /** The latencies themselves, in the order of the answers. */
  readonly latenciesMs: readonly number[];
  /** 2xx answers per second. */
  readonly requestsPerSecond: number;
  /** Tokens that the server drew, as its answers say. */
  readonly outputTokens: number;
  readonly tokensPerSecond: number;
}

/** How long after the end of a run autocannon notices it, in milliseconds. */
const tickMs = 10;

/**
 * Loads a server with requests and measures how fast it answers. The load generator shares this process's event loop, so
 * the server should run in another one.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for numbers out of range, `ABORTED`.
 * @remarks autocannon's own figures are whole milliseconds; these are taken from its single requests.
 */
export async function measureHttpLoad(options: HttpLoadOptions): Promise<HttpLoadResult> {
  const { url, headers, requests, durationS, signal, timeoutS = 60, warmupRequests = 0 } = options;
  checkOptions(options);
  throwIfAborted(signal);
  const concurrency = Math.min(options.concurrency ?? 1, (requests ?? Infinity) + warmupRequests);
  const tally = createTally(options);
  let sent = 0;
  let isStopping = false;
  // At the end of its time autocannon cuts connections off without a word.
  const until = durationS === undefined ? Number.POSITIVE_INFINITY : performance.now() + 1000 * durationS - tickMs;

  const run = autocannon({
    ...{ url, connections: concurrency, timeout: timeoutS, sampleInt: tickMs, skipAggregateResult: true },
    ...(requests === undefined ? { duration: durationS as number } : { amount: requests + warmupRequests }),
    requests: [
      {
        setupRequest: (base) => {
          const { path, body, method = body ? 'POST' : 'GET' } = nextRequest(options, sent++);
          const type = body ? { 'content-type': 'application/json' } : {};
          // Its own defaults still hold what the request before had.
          return { ...base, method, path, headers: { ...type, ...headers }, body: body ? JSON.stringify(body) : '' };
        },
        onResponse: (_status, body) => tally.sawBody(body),
      },
    ],
    setupClient(client: autocannon.Client) {
      // A connection that ends without an answer is opened anew, and the request forgotten: only this tells. From then on
      // autocannon's own times belong to the request before, so the time is taken here too.
      let sentAt: number | undefined;
      const settle = (): void => {
        if (sentAt !== undefined && !isStopping && performance.now() < until) tally.sawUnanswered();
        sentAt = undefined;
      };
      client.on('response', (status) => {
        tally.sawAnswer(status, performance.now() - (sentAt ?? Number.NaN));
        sentAt = undefined;
      });
      const events: NodeJS.EventEmitter = client;
      events.on('request', () => {
        settle();
        sentAt = performance.now();
      });
      events.on('timeout', () => {
        if (!isStopping) tally.sawTimeout();
      });
      events.on('done', settle);
    },
  });
  const instance = run as unknown as autocannon.Instance;
  const timer = durationS === undefined ? undefined : setTimeout(stopCounting, durationS * 1000);
  const onAbort = (): void => {
    stopCounting();
    instance.stop();
  };
  function stopCounting(): void {
    isStopping = true;
  }
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await run;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
  if (signal?.aborted) throw abortError(signal);
  return tally.result();
}

const nextRequest = ({ request }: HttpLoadOptions, index: number): LoadRequest =>
  typeof request === 'function' ? request(index) : request;

function checkOptions({ concurrency, requests, durationS, warmupRequests, timeoutS }: HttpLoadOptions): void {
  const refuse = (expected: string, got: unknown): never => {
    throw new IteraError('INVALID_ARGUMENT', `Expected ${expected}, got ${got}.`, { got });
  };
  if ((requests === undefined) === (durationS === undefined)) {
    refuse('either requests or durationS', requests === undefined ? 'none' : 'both');
  }
  const counts = { concurrency, requests };
  for (const [name, count] of Object.entries(counts)) {
    if (count !== undefined && !(Number.isSafeInteger(count) && count > 0)) refuse(`${name} of at least 1`, count);
  }
  if (warmupRequests !== undefined && !(Number.isSafeInteger(warmupRequests) && warmupRequests >= 0)) {
    refuse('warmupRequests of at least 0', warmupRequests);
  }
  for (const [name, seconds] of Object.entries({ durationS, timeoutS })) {
    if (seconds !== undefined && !(Number.isFinite(seconds) && seconds > 0)) refuse(`${name} above 0`, seconds);
  }
}

/** Counts what came after warming up. */
function createTally({ warmupRequests = 0, onAnswer }: HttpLoadOptions) {
  const latenciesMs: number[] = [];
  const statuses: Record<string, number> = {};
  let body = '';
  let [seen, non2xx, unanswered, timeouts, outputTokens] = [0, 0, 0, 0, 0];
  let started = performance.now();
  let ended = started;

  /** Whether one more request that is over counts. */
  function counts(): boolean {
    ended = performance.now();
    seen++;
    // The clock starts with the last that warms up.
    if (seen === warmupRequests) started = ended;
    return seen > warmupRequests;
  }

  return {
    sawBody(text: string): void {
      body = text;
    },
    sawAnswer(status: number, latencyMs: number): void {
      if (!counts()) return;
      onAnswer?.({ status, body, latencyMs });
      if (status >= 200 && status < 300) {
        latenciesMs.push(latencyMs);
        outputTokens += countTokens(body);
        return;
      }
      non2xx++;
      statuses[status] = (statuses[status] ?? 0) + 1;
    },
    sawUnanswered(): void {
      if (counts()) unanswered++;
    },
    sawTimeout(): void {
      if (seen > warmupRequests) timeouts++;
    },
    result(): HttpLoadResult {
      const seconds = (ended - started) / 1000;
      const perSecond = (count: number): number => (seconds > 0 ? count / seconds : 0);
      const errors = { statuses, non2xx, timeouts, connection: unanswered - timeouts };
      return {
        ...{ requests: latenciesMs.length + non2xx + unanswered, errors, seconds },
        ...(latenciesMs.length > 0 && { latencyMs: summarizeLatencies(latenciesMs) }),
        ...{ latenciesMs, requestsPerSecond: perSecond(latenciesMs.length) },
        ...{ outputTokens, tokensPerSecond: perSecond(outputTokens) },
      };
    },
  };
}

const summarizeLatencies = (values: readonly number[]): LatencySummary => ({
  ...{ p50: quantile(values, 0.5), p95: quantile(values, 0.95), p99: quantile(values, 0.99) },
  ...{ max: quantile(values, 1), mean: mean(values) },
});

/** `tokens.output` of an answer of `/infer`, `usage.completion_tokens` of a completion, whole or as events; else 0. */
function countTokens(body: string): number {
  // In a stream only the event before the last says how many there were, if it was asked for.
  const json = body.startsWith('data: ') ? body.split('\n').findLast((line) => line.includes('"usage":{')) : body;
  try {
    const { tokens, usage } = JSON.parse(json?.replace(/^data: /, '') ?? '') as {
      readonly tokens?: { readonly output?: unknown };
      readonly usage?: { readonly completion_tokens?: unknown };
    };
    const count = tokens?.output ?? usage?.completion_tokens;
    return typeof count === 'number' ? count : 0;
  } catch {
    return 0;
  }
}
