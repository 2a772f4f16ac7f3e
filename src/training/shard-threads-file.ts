import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, IteraError } from '../core/errors.ts';
import type { Shard, ShardSetup, ShardStarter } from './shard.ts';
import type { ShardAnswer, ShardCall } from './shard-worker-file.ts';

/**
 * Runs each shard on a thread of its own. The threads end with `release`, or with the process.
 *
 * @throws {@link IteraError} from the shards' methods, `RUNTIME_FAILED` also when a thread ends before its time.
 */
export const startShardThreads: ShardStarter = async (setups) => {
  const started = await Promise.allSettled(setups.map(startThread));
  const shards = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    await Promise.all(shards.map((shard) => shard.release()));
    throw failed.reason;
  }
  return shards;
};

async function startThread(setup: ShardSetup): Promise<Shard> {
  const worker = startWorker(setup);
  // A training run that was given up must not keep the process alive.
  worker.unref();
  let pending: { resolve(): void; reject(error: unknown): void } | undefined;
  let ended: unknown;
  const fail = (error: unknown): void => {
    ended ??= error;
    pending?.reject(error);
    pending = undefined;
  };
  worker.on('error', (cause) => {
    fail(new IteraError('RUNTIME_FAILED', `A training thread failed: ${String(cause)}`, {}, { cause }));
  });
  worker.on('exit', (code) => {
    fail(new IteraError('RUNTIME_FAILED', `A training thread ended before its time, with code ${code}.`, { code }));
  });
  worker.on('message', ({ error }: ShardAnswer) => {
    const waiting = pending;
    pending = undefined;
    if (error) waiting?.reject(new IteraError(error.code as ErrorCode, error.message, error.data));
    else waiting?.resolve();
  });
  const answer = (): Promise<void> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) reject(ended);
      else pending = { resolve, reject };
    });
  const ask = async (call: ShardCall): Promise<void> => {
    const answered = answer();
    worker.ref();
    worker.postMessage(call);
    await answered.finally(() => worker.unref());
  };

  worker.ref();
  await answer().finally(() => worker.unref());
  return {
    computeGradients: (step) => ask({ method: 'computeGradients', step }),
    combineGradients: () => ask({ method: 'combineGradients' }),
    updateWeights: (update) => ask({ method: 'updateWeights', update }),
    async release() {
      if (ended !== undefined) return;
      const exit = once(worker, 'exit');
      await ask({ method: 'release' });
      worker.ref();
      await exit;
    },
  };
}

/** Where the thread's program is: beside this file, compiled; run from source, Node needs to be taught TypeScript first. */
function startWorker(setup: ShardSetup): Worker {
  const fromSource = import.meta.url.endsWith('.ts');
  const entry = new URL(`./shard-worker-file.${fromSource ? 'ts' : 'js'}`, import.meta.url);
  const program = fromSource ? new URL('../../scripts/typescript-thread.mjs', import.meta.url) : entry;
  return new Worker(program, { workerData: { setup, entry: entry.href } });
}
