import { type ChildProcess, fork } from 'node:child_process';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { ModelConfig } from '../models/config.ts';
import type { BenchAnswer, BenchQuestion } from './bench-session-process-file.ts';

/** Which build of ONNX Runtime: the native one, or WebAssembly, as in browsers. */
export type OnnxRuntimeBuild = 'onnxruntime-node' | 'onnxruntime-web';

/** A model that is loaded in ONNX Runtime in a process of its own, to be timed. */
export interface BenchSession {
  /** Of ONNX Runtime. */
  readonly version: string;
  readonly loadMs: number;
  /** Milliseconds of each of `count` passes over one text, logits of all positions. */
  forward(tokens: number, count: number): Promise<readonly number[]>;
  /** Milliseconds until the first token after a prompt, and of each of `newTokens` later ones. */
  generate(promptTokens: number, newTokens: number): Promise<readonly [firstMs: number, tokenMs: number]>;
  /** Most resident memory of the process so far, in bytes. */
  peakMemory(): Promise<number>;
  close(): Promise<void>;
}

/**
 * Loads an ONNX file of an inference graph in a fresh process.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED` if the process cannot be started or the model not be run, also in the calls
 *   of what it gives; `ABORTED`.
 */
export async function startBenchSession(
  build: OnnxRuntimeBuild,
  path: string,
  config: ModelConfig,
  threads: number,
  signal?: AbortSignal,
): Promise<BenchSession> {
  throwIfAborted(signal);
  const fromSource = import.meta.url.endsWith('.ts');
  const entry = new URL(`./bench-session-process-file.${fromSource ? 'ts' : 'js'}`, import.meta.url);
  const child = fork(entry, {
    execArgv: [
      ...(build === 'onnxruntime-web' ? ['--conditions=wasm'] : []),
      ...(fromSource ? ['--import', import.meta.resolve('tsx')] : []),
    ],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const stop = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  let complaint = '';
  child.stderr?.on('data', (block: Buffer) => {
    complaint = (complaint + block.toString()).slice(-2000);
  });
  const ask = async (question: BenchQuestion): Promise<BenchAnswer> => {
    const given = await askOnce(child, question, () => complaint).catch((error: unknown) => {
      throwIfAborted(signal);
      throw error;
    });
    if (given.error !== undefined) throw failed(`${build} failed: ${given.error}`);
    return given;
  };
  const close = async (): Promise<void> => {
    signal?.removeEventListener('abort', stop);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise((resolve) => child.once('close', resolve));
    stop();
    await closed;
  };
  try {
    const { ms, version } = await ask({ ask: 'load', path, config, threads });
    return {
      version: version as string,
      loadMs: ms?.[0] as number,
      forward: async (tokens, count) => (await ask({ ask: 'forward', tokens, count })).ms as readonly number[],
      generate: async (promptTokens, newTokens) =>
        (await ask({ ask: 'generate', promptTokens, newTokens })).ms as readonly [number, number],
      peakMemory: async () => (await ask({ ask: 'memory' })).bytes as number,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The answer to one question; an error if the process ends without one. */
function askOnce(child: ChildProcess, question: BenchQuestion, complaint: () => string): Promise<BenchAnswer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
      child.off('error', onError);
      act();
    };
    const onMessage = (answer: BenchAnswer): void => settle(() => resolve(answer));
    const onExit = (code: number | null, killedBy: string | null): void =>
      settle(() => reject(failed(`The process ended (${killedBy ?? `code ${code}`}). ${complaint()}`.trim())));
    const onError = (error: Error): void => settle(() => reject(failed(String(error), error)));
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.on('error', onError);
    if (child.connected) child.send(question, (error) => error && onError(error));
    else onExit(child.exitCode, child.signalCode);
  });
}

const failed = (message: string, cause?: unknown): IteraError =>
  new IteraError('RUNTIME_FAILED', message, {}, cause === undefined ? {} : { cause });
