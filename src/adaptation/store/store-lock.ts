import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { IteraError } from '../../core/errors.ts';
import { replaceFile } from '../../data/atomic-file.ts';
import { withFolderLock } from '../../data/folder-lock-file.ts';
import { hasEnded, type ProcessIdentity, thisProcess } from './process-identity.ts';

/** Name of the lock file in a store's folder. */
export const lockName = 'store.lock';

/** The holder touches its lock so often, for other hosts, which cannot see whether its process is alive. */
const touchMs = 10_000;
const silenceMs = 6 * touchMs;

interface Holder extends ProcessIdentity {
  readonly id: string;
}

/**
 * Takes the lock on a store's folder, which must exist, at once or not at all. It is a file that names its holder; that of
 * a process which has ended is taken over, on another host after a minute of silence.
 *
 * @returns What gives the lock back.
 * @throws {@link IteraError} `STORE_IN_USE`, `OUTPUT_UNWRITABLE`, `ABORTED`.
 * @remarks A process that stands still keeps its lock: when it goes on, it writes. Looking and taking are one step, under a
 *   second lock that is held for milliseconds, so that of two processes that find a stale lock one gets it.
 */
export async function takeStoreLock(folder: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  const path = join(folder, lockName);
  const own = JSON.stringify({ ...(await thisProcess()), id: randomUUID() } satisfies Holder);
  const take = async () => {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const holder = text === undefined ? undefined : parseHolder(text);
    if (holder && !(await isStale(path, holder))) throw inUse(folder, path, holder);
    try {
      await replaceFile(path, own);
    } catch (cause) {
      const message = `Could not write ${path}: ${(cause as Error).message}`;
      throw new IteraError('OUTPUT_UNWRITABLE', message, { path }, { cause });
    }
  };
  await withFolderLock(folder, take, { signal, pollMs: 20 });
  const touching = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, touchMs);
  touching.unref();
  return async () => {
    clearInterval(touching);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === own) await rm(path, { force: true });
  };
}

/** Undefined for what no store has written: then nobody holds the lock. */
function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, host, began, id } = JSON.parse(text) as Partial<Holder>;
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof id !== 'string') return undefined;
    return { pid, host, id, ...(typeof began === 'string' && { began }) };
  } catch {
    return undefined;
  }
}

async function isStale(path: string, holder: Holder): Promise<boolean> {
  if (holder.host === hostname()) return hasEnded(holder);
  const { mtimeMs } = await stat(path);
  return Date.now() - mtimeMs > silenceMs;
}

function inUse(folder: string, path: string, { pid, host }: Holder): IteraError {
  const own = pid === process.pid && host === hostname();
  const who = own ? `this process (${pid})` : `process ${pid} on ${host}`;
  const advice = own
    ? 'Close the store before you open it again.'
    : 'Use the server that runs there, or end that process, or keep the store in a PostgreSQL server, which many may use.';
  const message = `Expected the store ${folder} to be free, got one that ${who} has open. ${advice}`;
  return new IteraError('STORE_IN_USE', message, { folder, lock: path, pid, host });
}
