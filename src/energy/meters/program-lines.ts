import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';

/** A program that runs on and writes lines. */
export interface RunningProgram {
  /** What ended it, or that it has fallen silent, in words; undefined while it runs and writes. */
  fault(): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface ProgramOptions {
  readonly onLine: (line: string) => void;
  /** Whether standard error is read for lines too, as `perf stat` writes them. */
  readonly withErrors?: boolean;
  /** So long it may write nothing. Default 5: the programs here write several times a second. */
  readonly silenceS?: number | undefined;
}

/** A line longer than this is none that we know; what is beyond it is dropped. */
const longestLine = 4096;
/** What a program says last is waited for so long after its end; its own children may hold its pipes open for ever. */
const lastWordsMs = 200;

/**
 * Starts a program with fixed arguments and no input, in the language `C`, and takes its lines. It never asks for more
 * rights than this process has.
 */
export function startProgram(
  program: string,
  args: readonly string[],
  { onLine, withErrors = false, silenceS = 5 }: ProgramOptions,
): RunningProgram {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
    // A group of its own, so that what it starts itself can be ended with it.
    detached: true,
  });
  let reason: string | undefined;
  let lastLineS = performance.now() / 1000;
  const said = { output: '', errors: '' };
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reason ??= error.code === 'ENOENT' ? `the program ${program} is not installed` : error.message;
      resolve();
    });
    child.once('exit', async (code, signal) => {
      await Promise.race([closed, wait(lastWordsMs)]);
      child.stdout.destroy();
      child.stderr.destroy();
      const complaint = (said.errors.trim() || said.output.trim()).slice(-500);
      reason ??= `${program} ended (${signal ?? `code ${code}`})${complaint === '' ? '' : `: ${complaint}`}`;
      resolve();
    });
  });
  const splitLines = (): ((block: Buffer) => void) => {
    let rest = '';
    return (block) => {
      const lines = (rest + block.toString()).split('\n');
      rest = (lines.pop() as string).slice(-longestLine);
      if (lines.length > 0) lastLineS = performance.now() / 1000;
      for (const line of lines) onLine(line.slice(0, longestLine));
    };
  };
  const takeOutput = splitLines();
  const takeErrors = withErrors ? splitLines() : undefined;
  child.stdout.on('data', (block: Buffer) => {
    said.output = (said.output + block.toString()).slice(-500);
    takeOutput(block);
  });
  child.stderr.on('data', (block: Buffer) => {
    said.errors = (said.errors + block.toString()).slice(-500);
    takeErrors?.(block);
  });
  const kill = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-(child.pid as number), signal);
    } catch {
      // It has ended meanwhile.
    }
  };
  return {
    async fault() {
      // What it has written while this process was busy comes first.
      await new Promise((resolve) => setImmediate(resolve));
      const silentS = performance.now() / 1000 - lastLineS;
      return reason ?? (silentS > silenceS ? `${program} has written nothing for ${silentS.toFixed(0)} s` : undefined);
    },
    async close() {
      if (reason !== undefined) return ended;
      kill('SIGTERM');
      const late = setTimeout(() => kill('SIGKILL'), 1000);
      await ended;
      clearTimeout(late);
      // What it started may have outlived it.
      kill('SIGKILL');
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
    const fault = await program.fault();
    if (fault !== undefined) return fault;
    if (performance.now() > end) return `it gave no value within ${timeoutS} s`;
    await wait(stepMs);
  }
  return undefined;
}
