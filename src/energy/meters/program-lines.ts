import { spawn } from 'node:child_process';

/** A program that runs on and writes lines. */
export interface RunningProgram {
  /** What ended it, in words; undefined while it runs. */
  fault(): string | undefined;
  close(): Promise<void>;
}

export interface ProgramOptions {
  readonly onLine: (line: string) => void;
  /** Whether standard error is read for lines too, as `perf stat` writes them. */
  readonly withErrors?: boolean;
}

/** A line longer than this is none that we know; what is beyond it is dropped. */
const longestLine = 4096;

/**
 * Starts a program with fixed arguments and no input, in the language `C`, and takes its lines. It never asks for more
 * rights than this process has.
 */
export function startProgram(
  program: string,
  args: readonly string[],
  { onLine, withErrors = false }: ProgramOptions,
): RunningProgram {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C' } });
  let fault: string | undefined;
  let complaint = '';
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      fault ??= error.code === 'ENOENT' ? `the program ${program} is not installed` : error.message;
      resolve();
    });
    child.once('close', (code, signal) => {
      fault ??= `${program} ended (${signal ?? `code ${code}`})${complaint.trim() === '' ? '' : `: ${complaint.trim()}`}`;
      resolve();
    });
  });
  const splitLines = (): ((block: Buffer) => void) => {
    let rest = '';
    return (block) => {
      const lines = (rest + block.toString()).split('\n');
      rest = (lines.pop() as string).slice(-longestLine);
      for (const line of lines) onLine(line.slice(0, longestLine));
    };
  };
  child.stdout.on('data', splitLines());
  const takeErrors = withErrors ? splitLines() : undefined;
  child.stderr.on('data', (block: Buffer) => {
    complaint = (complaint + block.toString()).slice(-500);
    takeErrors?.(block);
  });
  return {
    fault: () => fault,
    async close() {
      if (fault === undefined) child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 1000);
      await ended;
      clearTimeout(late);
    },
  };
}

/**
 * Waits until a program has given its first value.
 *
 * @returns Why it did not; undefined if it did.
 */
export async function waitForValue(
  program: RunningProgram,
  hasValue: () => boolean,
  { timeoutS = 5, stepMs = 20 }: { readonly timeoutS?: number; readonly stepMs?: number } = {},
): Promise<string | undefined> {
  const end = performance.now() + timeoutS * 1000;
  while (!hasValue()) {
    const fault = program.fault();
    if (fault !== undefined) return fault;
    if (performance.now() > end) return `it gave no value within ${timeoutS} s`;
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
  return undefined;
}
