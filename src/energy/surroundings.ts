import { cpus } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { abortError } from '../core/errors.ts';
import { processCpuSeconds } from './process-cpu.ts';
import type { Surroundings } from './protocol.ts';

/** This machine's clock, and what its processor does besides this process. */
export function ownSurroundings(): Surroundings {
  const logicalCpus = Math.max(cpus().length, 1);
  // Some systems hide the times of all processors.
  const tellsTimes = busySeconds() > 0;
  return {
    nowS: () => performance.now() / 1000,
    async sleep(seconds, signal) {
      try {
        await wait(seconds * 1000, undefined, signal ? { signal } : {});
      } catch (error) {
        if (signal?.aborted) throw abortError(signal);
        throw error;
      }
    },
    ...(tellsTimes && { otherCpuSeconds: () => busySeconds() - processCpuSeconds() }),
    logicalCpus,
  };
}

/** CPU seconds that all processors were busy since the system started. */
function busySeconds(): number {
  return cpus().reduce((sum, { times }) => sum + (times.user + times.nice + times.sys + times.irq) / 1000, 0);
}
