import { type HttpLoadResult, measureHttpLoad } from '../../src/benchmark/http-load.ts';
import { throwIfAborted } from '../../src/core/errors.ts';
import { median } from '../../src/core/statistics.ts';
import { loadServedModel, type ServedModel } from '../../src/server/served-model.ts';
import { generationOf, inferRequest } from './load-requests.ts';
import type { LoadSettings } from './load-settings.ts';
import { startServe } from './serve-process.ts';

const concurrencies = [1, 8, 32, 128];
/** What the bare runtime is asked for at a time. */
const batches = [1, 32];
const maxNewTokens = 64;

/** Tokens per second of the server by its clients, and of its model alone, in turns round by round. */
export async function measureConcurrency({ folder, modelArgs, quick, built, signal }: LoadSettings) {
  const [rounds, seconds] = quick ? [2, 4] : [7, 8];
  const server = await startServe(modelArgs, { built, signal });
  const bare = await loadServedModel(folder.dir, { variant: 'fp32', threads: 1, maxBatch: 32 });
  try {
    const sides = [
      ...batches.map((batch) => ({ name: 'bare', count: batch, take: () => loadModel(bare, batch, seconds, signal) })),
      ...concurrencies.map((concurrency) => ({
        ...{ name: 'server', count: concurrency },
        take: () =>
          measureHttpLoad({
            ...{ url: server.url, request: (index) => inferRequest(index, maxNewTokens), concurrency, signal },
            // Long enough for what all clients began together to fall out of step.
            ...{ durationS: seconds, warmupRequests: concurrency },
          }),
      })),
    ];
    const turns: { readonly name: string; readonly count: number; readonly load: SideLoad }[] = [];
    for (let round = 0; round < rounds; round++) {
      for (let place = 0; place < sides.length; place++) {
        throwIfAborted(signal);
        const { name, count, take } = sides[(place + round) % sides.length] as (typeof sides)[number];
        turns.push({ name, count, load: await take() });
      }
    }
    const rows = sides.map(({ name, count }) => {
      const own = turns.filter((turn) => turn.name === name && turn.count === count).map(({ load }) => load);
      return { name, count, ...summarize(own), rounds: own };
    });
    const speed = (name: string, count: number) =>
      rows.find((row) => row.name === name && row.count === count)?.tokensPerSecond as number;
    const ratio = (name: string) => speed(name, 32) / speed(name, 1);
    return { maxNewTokens, secondsPerRound: seconds, rows, serverRatio: ratio('server'), bareRatio: ratio('bare') };
  } finally {
    await Promise.all([bare.release(), server.close()]);
  }
}

type SideLoad = Pick<HttpLoadResult, 'requestsPerSecond' | 'tokensPerSecond'> &
  Partial<Pick<HttpLoadResult, 'latencyMs' | 'errors'>>;

function summarize(loads: readonly SideLoad[]) {
  const latencies = loads.flatMap(({ latencyMs }) => latencyMs ?? []);
  return {
    tokensPerSecond: median(loads.map((load) => load.tokensPerSecond)),
    requestsPerSecond: median(loads.map((load) => load.requestsPerSecond)),
    ...(latencies.length > 0 && {
      ...{ p50: median(latencies.map(({ p50 }) => p50)), p95: median(latencies.map(({ p95 }) => p95)) },
      p99: median(latencies.map(({ p99 }) => p99)),
    }),
    errors: loads.reduce(
      (sum, { errors }) => sum + (errors ? errors.non2xx + errors.timeouts + errors.connection : 0),
      0,
    ),
  };
}

/** The same texts, drawn without a server: so many at a time, one after the other each. */
async function loadModel(
  model: ServedModel,
  batch: number,
  seconds: number,
  signal: AbortSignal,
): Promise<SideLoad & { readonly seconds: number; readonly outputTokens: number }> {
  let [next, tokens, texts, begun] = [0, 0, 0, performance.now()];
  const until = begun + 1000 * seconds;
  let last = begun;
  async function draw(): Promise<void> {
    for (;;) {
      const { prompt, options } = generationOf(next++, maxNewTokens);
      let drawn = 0;
      for await (const { finish } of model.generate(prompt, { ...options, signal })) drawn = finish?.newTokens ?? drawn;
      const now = performance.now();
      if (now > until) return;
      texts++;
      tokens += drawn;
      last = now;
      if (texts !== batch || warm) continue;
      warm = true;
      [begun, texts, tokens] = [now, 0, 0];
    }
  }
  let warm = false;
  await Promise.all(Array.from({ length: batch }, draw));
  const took = (last - begun) / 1000;
  return { tokensPerSecond: tokens / took, requestsPerSecond: texts / took, seconds: took, outputTokens: tokens };
}
