import { measureHttpLoad } from '../../src/benchmark/http-load.ts';
import { throwIfAborted } from '../../src/core/errors.ts';
import { createRandom } from '../../src/core/random.ts';
import { type Interval, quantile } from '../../src/core/statistics.ts';
import { loadServedModel, type ServedModel } from '../../src/server/served-model.ts';
import { generationOf, inferRequest } from './load-requests.ts';
import type { LoadSettings } from './load-settings.ts';
import { startServe } from './serve-process.ts';

const lengths = [1, 16];
const percentiles = [0.5, 0.95, 0.99];
const perBlock = 50;
const resamples = 1000;

/** What the server adds to the time that a text takes: one client, and the same texts drawn in this process, in turns. */
export async function measureOverhead({ folder, modelArgs, quick, built, signal }: LoadSettings) {
  const blocks = quick ? 4 : 40;
  const server = await startServe(modelArgs, { built, signal });
  const bare = await loadServedModel(folder.dir, { variant: 'fp32', threads: 1, maxBatch: 32 });
  try {
    const rows = [];
    for (const maxNewTokens of lengths) {
      const [overHttp, alone]: [number[], number[]] = [[], []];
      // The first two warm up.
      for (let block = -2; block < blocks; block++) {
        throwIfAborted(signal);
        const first = (block + 2) * perBlock;
        const sides = [
          async () => {
            const request = (index: number) => inferRequest(first + index, maxNewTokens);
            const load = await measureHttpLoad({ url: server.url, request, requests: perBlock, signal });
            if (load.latenciesMs.length < perBlock)
              throw new Error(`Expected answers, got ${JSON.stringify(load.errors)}.`);
            if (block >= 0) overHttp.push(...load.latenciesMs);
          },
          async () => {
            const times = await timeModel(bare, first, maxNewTokens);
            if (block >= 0) alone.push(...times);
          },
        ];
        for (const side of block % 2 === 0 ? sides : sides.reverse()) await side();
      }
      rows.push({ maxNewTokens, requests: alone.length, ...compare(overHttp, alone), overHttp, alone });
    }
    return { rows };
  } finally {
    await Promise.all([bare.release(), server.close()]);
  }
}

async function timeModel(model: ServedModel, first: number, maxNewTokens: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let index = first; index < first + perBlock; index++) {
    const { prompt, options } = generationOf(index, maxNewTokens);
    const started = performance.now();
    let text = '';
    for await (const piece of model.generate(prompt, options)) text += piece.text;
    times.push(performance.now() - started);
    if (text.length > 100_000) throw new Error('Expected short texts.');
  }
  return times;
}

/** Differences of percentiles; their intervals draw the same requests for both sides (percentile bootstrap). */
function compare(overHttp: readonly number[], alone: readonly number[]) {
  const random = createRandom(1);
  const draws = Array.from({ length: resamples }, () => {
    const drawn = Array.from(alone, () => random.integer(alone.length));
    const pick = (values: readonly number[]) => drawn.map((at) => values[at] as number);
    return differences(pick(overHttp), pick(alone));
  });
  const found = differences(overHttp, alone);
  return {
    differencesMs: percentiles.map((percentile, at) => {
      const all = draws.map((draw) => draw[at] as number);
      const interval: Interval = [quantile(all, 0.025), quantile(all, 0.975)];
      return {
        ...{ percentile, overHttp: quantile(overHttp, percentile), alone: quantile(alone, percentile) },
        ...{ difference: found[at] as number, interval },
      };
    }),
  };
}

const differences = (overHttp: readonly number[], alone: readonly number[]): readonly number[] =>
  percentiles.map((percentile) => quantile(overHttp, percentile) - quantile(alone, percentile));
