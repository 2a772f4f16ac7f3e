import { parentPort, workerData } from 'node:worker_threads';
import { IteraError } from '../core/errors.ts';
import type { WeightUpdate } from './adamw.ts';
import { createShard, type Shard, type ShardSetup } from './shard.ts';

/** What a shard's thread is asked to do. */
export type ShardCall =
  | { readonly method: 'combineGradients' | 'release' }
  | { readonly method: 'computeGradients'; readonly step: number }
  | { readonly method: 'updateWeights'; readonly update: WeightUpdate };

/** What it answers when it has done so, and once when it is ready. */
export interface ShardAnswer {
  readonly error?: { readonly code: string; readonly message: string; readonly data?: Record<string, unknown> };
}

async function answer(work: () => Promise<void>): Promise<void> {
  try {
    await work();
    parentPort?.postMessage({} satisfies ShardAnswer);
  } catch (error) {
    const code = error instanceof IteraError ? error.code : 'RUNTIME_FAILED';
    const data = error instanceof IteraError ? { data: { ...error.data } } : {};
    const message = error instanceof Error ? error.message : String(error);
    parentPort?.postMessage({ error: { code, message, ...data } } satisfies ShardAnswer);
  }
}

function perform(shard: Shard, call: ShardCall): Promise<void> {
  if (call.method === 'computeGradients') return shard.computeGradients(call.step);
  return call.method === 'updateWeights' ? shard.updateWeights(call.update) : shard[call.method]();
}

// The program of the thread.
const { setup } = workerData as { readonly setup: ShardSetup };
let shard: Shard | undefined;
await answer(async () => {
  shard = await createShard(setup);
});
parentPort?.on('message', (call: ShardCall) => {
  void answer(async () => {
    if (shard) await perform(shard, call);
    // With nobody left to listen to, the thread ends by itself, after its answer has gone out.
    if (call.method === 'release') parentPort?.unref();
  });
});
