import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/adaptation/store/store.ts';
import { copyBaseVersion, makingFolder, settleVersion } from '../../src/adaptation/version-folder.ts';
import { type HttpLoadResult, measureHttpLoad } from '../../src/benchmark/http-load.ts';
import { throwIfAborted } from '../../src/core/errors.ts';
import { copyFiles, copyModelFiles } from '../../src/models/model-copy-file.ts';
import type { ModelFolder } from '../../src/models/model-folder-file.ts';
import { inferRequest } from './load-requests.ts';
import type { LoadSettings } from './load-settings.ts';
import { startServe } from './serve-process.ts';

const concurrency = 32;
const maxNewTokens = 64;

/** Requests that fail while versions are swapped under load. */
export async function measureSwaps({ folder, modelArgs, quick, built, signal }: LoadSettings) {
  const swaps = quick ? 2 : 10;
  const dir = await mkdtemp(join(tmpdir(), 'itera-swap-'));
  const paths = { store: join(dir, 'store'), versionsDir: join(dir, 'versions') };
  try {
    await makeVersions(paths, folder);
    const args = [...modelArgs, '--store', paths.store, '--versions', paths.versionsDir];
    const server = await startServe(args, { built, signal });
    try {
      const versions: Record<string, number> = {};
      const loads: HttpLoadResult[] = [];
      const swapMs: number[] = [];
      let begun = 0;
      for (let swap = 0; swap < swaps; swap++) {
        throwIfAborted(signal);
        const load = measureHttpLoad({
          ...{ url: server.url, request: (index) => inferRequest(begun + index, maxNewTokens), concurrency, signal },
          // Enough that they go on before, during and after the swap.
          ...{ requests: 16 * concurrency, timeoutS: 120 },
          onAnswer({ status, body }) {
            if (status !== 200) return;
            const { model_version: version } = JSON.parse(body) as { readonly model_version: string };
            versions[version] = (versions[version] ?? 0) + 1;
          },
        });
        const [result] = await Promise.all([
          load,
          sleep(300)
            .then(() => promote(server.url, swap % 2 === 0 ? 'v2' : 'v1'))
            .then((ms) => swapMs.push(ms)),
        ]);
        loads.push(result);
        begun += result.requests;
      }
      const errors = loads.map((load) => load.errors);
      return {
        ...{ swaps, requests: begun, versions, swapMs, errors },
        failed: errors.reduce((sum, { non2xx, timeouts, connection }) => sum + non2xx + timeouts + connection, 0),
        latencyMs: loads.map((load) => load.latencyMs),
      };
    } finally {
      await server.close();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** @returns Milliseconds until the version answers. */
async function promote(url: string, version: string): Promise<number> {
  const started = performance.now();
  const answer = await fetch(`${url}/v1/versions/${version}/promote`, { method: 'POST' });
  if (!answer.ok) throw new Error(`Expected ${version} to be promoted, got ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
  return performance.now() - started;
}

/** v1, and a copy of it as v2: what is measured is the swap, not what a version says. */
async function makeVersions(paths: { store: string; versionsDir: string }, folder: ModelFolder): Promise<void> {
  const { versionsDir } = paths;
  const store = await openStore(paths.store);
  try {
    await mkdir(versionsDir);
    const name = folder.dir;
    await store.addBaseVersion(await copyBaseVersion(folder, name, versionsDir));
    const run = await store.startRun({ trigger: 'manual', seed: 1, parent: 'v1', settings: {} });
    const making = makingFolder(versionsDir, run.id);
    await copyModelFiles(folder, making);
    await copyFiles(folder.dir, making, ['config.json']);
    const files = await settleVersion(making, versionsDir, 'v2');
    const version = { id: 'v2', parent: 'v1', model: name, folder: 'v2', files, state: 'kept' as const };
    await store.endRun(run.id, { status: 'rejected', version });
  } finally {
    await store.close();
  }
}
