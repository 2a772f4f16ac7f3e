import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { abortError, IteraError, throwIfAborted } from '../core/errors.ts';
import type { LogitRunner } from './verification.ts';

// From src/export and dist/export alike, the package's root is two folders up.
const script = fileURLToPath(new URL('../../python/torchscript_runner.py', import.meta.url));

const advice =
  'Install PyTorch (Debian: apt-get install python3-torch), or name a Python that has it with ITERA_PYTHON.';

/** PyTorch in a process of its own. */
export interface TorchProcess {
  /** Of PyTorch. */
  readonly version: string;
  /**
   * Loads a TorchScript archive; another one takes its place.
   *
   * @param dtype - What the weights are converted to and everything is computed in.
   * @throws {@link IteraError} `EXPORT_INVALID` if PyTorch does not load it.
   */
  loadScript(path: string, dtype: 'float32' | 'float64'): Promise<LoadedScript>;
  /**
   * Reads a state dictionary.
   *
   * @returns Shape and sha256 of every tensor's bytes.
   * @throws {@link IteraError} `EXPORT_INVALID` if PyTorch does not load it.
   */
  readStateDict(path: string): Promise<Readonly<Record<string, readonly [shape: readonly number[], sha256: string]>>>;
  /** Loads an archive in float32 to time it, see `torchscript_runner.py`; the times are in milliseconds. */
  readonly bench: TorchBench;
  close(): Promise<void>;
}

/** What is timed in PyTorch; `EXPORT_INVALID` if it cannot be run. */
export interface TorchBench {
  load(path: string, freeze: boolean, threads: number): Promise<number>;
  forward(ids: readonly number[], count: number): Promise<readonly number[]>;
  /** Until the first token, and of each of `count` later ones. */
  generate(prompt: readonly number[], count: number): Promise<readonly [firstMs: number, tokenMs: number]>;
  /** Most resident memory of the process so far, in bytes. */
  peakMemory(): Promise<number>;
}

/** A TorchScript archive that is loaded in PyTorch; releasing it is left to the process. */
export interface LoadedScript extends LogitRunner {
  readonly extraFiles: Readonly<Record<string, string>>;
}

/**
 * Starts PyTorch: with the Python that `ITERA_PYTHON` names, else `python3`, else the system's own.
 *
 * @returns The reason if there is none.
 * @throws {@link IteraError} `ABORTED`; later calls `RUNTIME_FAILED` if the process ends.
 */
export async function startTorch(signal?: AbortSignal): Promise<TorchProcess | { readonly reason: string }> {
  const named = process.env['ITERA_PYTHON'] || undefined;
  const reasons: string[] = [];
  // A version manager's python3 comes first in the path, but a distribution's PyTorch belongs to its own.
  for (const python of named === undefined ? ['python3', '/usr/bin/python3'] : [named]) {
    const started = await startIn(python, signal);
    if (!('reason' in started)) return started;
    reasons.push(started.reason);
  }
  return { reason: `${[...new Set(reasons)].join('; ')}. ${advice}` };
}

async function startIn(python: string, signal?: AbortSignal): Promise<TorchProcess | { readonly reason: string }> {
  throwIfAborted(signal);
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (block: Buffer) => {
    complaint = (complaint + block.toString()).slice(-4000);
  });
  // A process that has ended takes no more commands; reading its answer says so.
  child.stdin.on('error', () => undefined);
  const stop = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  async function ask<T>(command: Readonly<Record<string, unknown>>): Promise<T> {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await lines.next();
    if (signal?.aborted) throw abortError(signal);
    if (done) throw new IteraError('RUNTIME_FAILED', `PyTorch ended: ${lastLine(complaint)}`, { complaint });
    const answer = JSON.parse(value) as T & { readonly error?: string };
    if (answer.error !== undefined) {
      throw new IteraError('EXPORT_INVALID', `PyTorch could not use the exported file: ${answer.error}`, { command });
    }
    return answer;
  }

  const close = async (): Promise<void> => {
    signal?.removeEventListener('abort', stop);
    stop();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    // A process that this one started may still hold the other ends.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
  };
  const fault = await faultOfStart(child);
  if (fault !== undefined) return { reason: `${python} could not be started (${fault})` };
  let version: string;
  try {
    const greeting = await within(longestStart, ask<{ readonly torch?: unknown }>({ hello: true }));
    if (typeof greeting?.torch !== 'string') {
      await close();
      const came =
        greeting === undefined ? `no answer within ${longestStart / 1000} s` : 'another answer than expected';
      return { reason: `${python} gave ${came}` };
    }
    version = greeting.torch;
  } catch (cause) {
    await close();
    if (signal?.aborted) throw cause;
    if (cause instanceof SyntaxError) return { reason: `${python} gave another answer than expected` };
    return { reason: `${python} has no PyTorch (${lastLine(complaint)})` };
  }
  return {
    version,
    async loadScript(path, dtype) {
      const { extra } = await ask<{ readonly extra: Readonly<Record<string, string>> }>({ load: path, dtype });
      return {
        extraFiles: extra,
        async step(rows, state) {
          const command = { step: rows, ...(state !== undefined && { state }) };
          const answer = await ask<{ readonly logits: string; readonly state: number }>(command);
          return { logits: decode(answer.logits), state: answer.state };
        },
        forward: async (rows) => decode((await ask<{ readonly logits: string }>({ forward: rows })).logits),
      };
    },
    readStateDict: async (path) =>
      (await ask<{ readonly tensors: Record<string, [number[], string]> }>({ state_dict: path })).tensors,
    bench: {
      load: async (path, freeze, threads) =>
        (await ask<{ readonly ms: [number] }>({ bench_load: path, freeze, threads })).ms[0],
      forward: async (ids, count) => (await ask<{ readonly ms: number[] }>({ bench_forward: [ids], count })).ms,
      generate: async (ids, count) =>
        (await ask<{ readonly ms: [number, number] }>({ bench_generate: [ids], count })).ms,
      peakMemory: async () => (await ask<{ readonly bytes: number }>({ memory: true })).bytes,
    },
    close,
  };
}

/** Importing PyTorch takes seconds, on a busy machine tens of them. */
const longestStart = 60_000;

/** What a promise gives, or undefined after some time. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    // Closing the process ends it; nobody listens then.
    promise.catch(() => undefined);
  }
}

/** Why the process did not start; undefined if it did. */
function faultOfStart(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once('spawn', () => resolve(undefined));
    child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) || 'it gave no reason';

function decode(base64: string): Float64Array {
  const bytes = Buffer.from(base64, 'base64');
  const values = new Float64Array(bytes.length / 8);
  new Uint8Array(values.buffer).set(bytes);
  return values;
}
