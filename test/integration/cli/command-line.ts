import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { runProgram } from '../../../src/cli/program.ts';

/** A cache of this test's own: what its user has downloaded is not found. */
export const cacheDir = join(tmpdir(), `itera-test-cache-${process.pid}`);
process.once('exit', () => rmSync(cacheDir, { recursive: true, force: true }));

/** What a command line left behind. */
export interface Ended {
  /** Absent where a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, without any data folder but a named one. */
export async function command(...args: readonly string[]): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const keep = (name: 'stdout' | 'stderr') =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      written[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    });
  const spies = [keep('stdout'), keep('stderr')];
  vi.stubEnv('ITERA_DATA_DIR', undefined);
  vi.stubEnv('ITERA_CACHE_DIR', cacheDir);
  try {
    return { code: await runProgram(args), ...written };
  } finally {
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  }
}

/** Starts a command line in a process of its own, as users do. */
export function startProcess(...args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  return startProcessIn({}, ...args);
}

/** The same with other environment variables: those that are undefined are not passed on. */
export function startProcessIn(
  changes: Readonly<Record<string, string | undefined>>,
  ...args: readonly string[]
): { child: ChildProcess; ended: Promise<Ended> } {
  const { ITERA_DATA_DIR: _, ...env } = { ...process.env, ...changes };
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    env: { ...env, ITERA_CACHE_DIR: cacheDir },
  });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (block: Buffer) => {
      written[name] += block.toString();
    });
  }
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, ...written }));
  });
  return { child, ended };
}
