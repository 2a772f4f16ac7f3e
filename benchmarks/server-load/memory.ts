import { measureHttpLoad } from '../../src/benchmark/http-load.ts';
import { mixedRequest } from './load-requests.ts';
import type { LoadSettings } from './load-settings.ts';
import { startServe } from './serve-process.ts';

/** Resident memory of the server and its model's process while it answers all kinds of requests. */
export async function measureMemory({ modelArgs, quick, built, signal }: LoadSettings) {
  const [early, late] = quick ? [200, 1000] : [1000, 10_000];
  const server = await startServe(modelArgs, { built, signal });
  try {
    const atStart = await server.residentBytes();
    const points: { readonly requests: number; readonly bytes: number | undefined }[] = [];
    let failed = 0;
    const step = early;
    for (let done = 0; done < late; done += step) {
      const request = (index: number) => mixedRequest(done + index);
      const { errors } = await measureHttpLoad({ url: server.url, request, requests: step, concurrency: 8, signal });
      failed += errors.non2xx + errors.timeouts + errors.connection;
      points.push({ requests: done + step, bytes: await server.residentBytes() });
    }
    const [first, last] = [points[0]?.bytes, points.at(-1)?.bytes];
    return { atStart, points, failed, ...(first !== undefined && last !== undefined && { ratio: last / first }) };
  } finally {
    await server.close();
  }
}
