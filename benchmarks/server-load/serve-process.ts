import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A running `itera-lite serve`. */
export interface ServeProcess {
  readonly url: string;
  /**
   * Resident bytes of it and of the processes that it started; undefined where the system does not tell.
   *
   * @remarks Pages that processes share are counted in each.
   */
  residentBytes(): Promise<number | undefined>;
  close(): Promise<void>;
}

const root = new URL('../../', import.meta.url);
const stopMs = 10_000;

/**
 * Starts it on a free port, without a rate limit, and waits until it answers.
 *
 * @param built - Run `dist`, which is to be built before, in place of the source.
 */
export async function startServe(
  args: readonly string[],
  { built, signal }: { readonly built: boolean; readonly signal: AbortSignal },
): Promise<ServeProcess> {
  signal.throwIfAborted();
  const program = built ? ['dist/cli/main.js'] : ['--import', 'tsx', 'src/cli/main.ts'];
  const fixed = ['--port', '0', '--rate-limit', '0', '--grace', '1', '--log-level', 'error'];
  // In a group of its own, so that Ctrl-C reaches it through us, after what is measured has stopped.
  const child = spawn(process.execPath, [...program, 'serve', ...fixed, ...args], {
    ...{ cwd: fileURLToPath(root), detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  });
  let said = '';
  child.stderr?.on('data', (block: Buffer) => {
    said = (said + block.toString()).slice(-4000);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const killAtExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(killAtExit, stopMs);
    await ended;
    clearTimeout(timer);
    process.off('exit', killAtExit);
  };
  try {
    const url = await Promise.race([
      findAddress(child),
      ended.then(() => Promise.reject(new Error(`itera-lite serve ended: ${said.trim()}`))),
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
    ]);
    return { url, residentBytes: () => sumResident(child.pid as number), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function findAddress({ stdout }: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    stdout?.on('data', (block: Buffer) => {
      text += block.toString();
      const found = /answers on (http:\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
}

/** `VmRSS` of a process and of all below it, by `/proc`. */
async function sumResident(top: number): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  const parents = new Map<number, number>();
  const resident = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    const id = Number(name);
    if (!Number.isInteger(id)) continue;
    // It may have ended since it was listed.
    const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '');
    parents.set(id, Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]));
    resident.set(id, 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0));
  }
  const isBelow = (id: number | undefined): boolean =>
    id === top || (Boolean(id) && isBelow(parents.get(id as number)));
  return [...resident].filter(([id]) => isBelow(id)).reduce((sum, [, bytes]) => sum + bytes, 0);
}
