import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';

export interface FolderLockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once if another process holds the lock; what it throws ends the waiting. */
  readonly onWait?: (holder: string) => void;
  /** Between looks at a lock that is held, in milliseconds; default 500. */
  readonly pollMs?: number;
}

/** The holder touches its lock so often; one that has not been touched for six times as long is nobody's. */
const touchMs = 10_000;
const staleMs = 6 * touchMs;

/**
 * Does some work while no other process does work under a lock on the same folder, which must exist; waits for its turn.
 * The lock is a file `.lock` that names its holder; that of a process which has ended is taken over, and one that nobody has
 * renewed for a minute.
 *
 * @throws {@link IteraError} `ABORTED` while waiting, `OUTPUT_UNWRITABLE`, and what the work throws.
 */
export async function withFolderLock<T>(
  folder: string,
  work: () => Promise<T>,
  { signal, onWait, pollMs = 500 }: FolderLockOptions = {},
): Promise<T> {
  const path = join(folder, '.lock');
  const holder = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  let told = false;
  while (!(await tryTake(path, holder))) {
    throwIfAborted(signal);
    const other = await readHolder(path);
    if (other === undefined) continue;
    if (await isStale(path, other)) {
      await remove(path, other);
      continue;
    }
    if (!told) onWait?.(other);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  const touching = setInterval(() => void touch(path), touchMs);
  touching.unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    await remove(path, holder);
  }
}

async function tryTake(path: string, holder: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    try {
      await file.writeFile(holder);
    } finally {
      await file.close();
    }
    return true;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    throw new IteraError('OUTPUT_UNWRITABLE', `Could not write ${path}: ${message}`, { path }, { cause });
  }
}

/** What the lock says; nothing if it was given back meanwhile. */
async function readHolder(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    const advice = `Could not read the lock ${path}: ${message}. If nothing writes to its folder, delete it.`;
    throw new IteraError('OUTPUT_UNWRITABLE', advice, { path }, { cause });
  }
}

async function isStale(path: string, holder: string): Promise<boolean> {
  const age = Date.now() - (await stat(path).then(({ mtimeMs }) => mtimeMs, Date.now));
  if (age > staleMs) return true;
  try {
    const { pid, host } = JSON.parse(holder) as { readonly pid: number; readonly host: string };
    if (host !== hostname()) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // No such process; what is not JSON is being written at this moment.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Removes a lock if it is still that holder's, by a rename, which only one of several processes can do. */
async function remove(path: string, holder: string): Promise<void> {
  const aside = `${path}.${randomUUID().slice(0, 8)}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== holder) await rename(aside, path);
    else await rm(aside, { force: true });
  } catch {
    // Another process was faster; the next look shows what is there.
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}
