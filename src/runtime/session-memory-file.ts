import { fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { ModelConfig } from '../models/config.ts';
import type { MemoryAnswer, MemoryQuestion } from './session-memory-process-file.ts';

export interface MemoryOptions {
  /** Threads of the runtime, by default 1. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** What the process runs: a whole part of a prompt, then some tokens one by one. */
export const memoryProbe = { prefillTokens: 512, decodeTokens: 16 } as const;

/**
 * Measures how much resident memory, in bytes, a process gains by loading an ONNX model and running it over {@link memoryProbe}:
 * weights, packed copies of them, buffers and state, without the runtime and JavaScript themselves. In a fresh process,
 * since memory that an earlier model left behind would be used again; repeated, it varies by 3%.
 *
 * @param model - ONNX file of an inference graph.
 * @throws {@link IteraError} `RUNTIME_FAILED` if the process cannot be started or cannot run the model, `ABORTED`.
 */
export async function measureSessionMemory(
  config: ModelConfig,
  model: Uint8Array,
  { threads = 1, signal }: MemoryOptions = {},
): Promise<number> {
  throwIfAborted(signal);
  // Sent as a message, the model would stay in the memory that is measured.
  const dir = await mkdtemp(join(tmpdir(), 'itera-memory-'));
  try {
    const path = join(dir, 'model.onnx');
    await writeFile(path, model);
    return await askProcess({ config, path, threads, ...memoryProbe }, signal);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function askProcess(question: MemoryQuestion, signal?: AbortSignal): Promise<number> {
  const fromSource = import.meta.url.endsWith('.ts');
  const entry = new URL(`./session-memory-process-file.${fromSource ? 'ts' : 'js'}`, import.meta.url);
  const child = fork(entry, {
    execArgv: ['--expose-gc', ...(fromSource ? ['--import', import.meta.resolve('tsx')] : [])],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    ...(signal && { signal }),
  });
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown): void => {
      const message = `The process that measures memory failed: ${reason}`;
      reject(new IteraError('RUNTIME_FAILED', message, {}, cause === undefined ? {} : { cause }));
    };
    child.on('message', (answer: MemoryAnswer) => {
      if ('bytes' in answer) resolve(answer.bytes);
      else fail(answer.error);
    });
    child.on('error', (error) => {
      if (signal?.aborted) reject(new IteraError('ABORTED', 'Measuring memory was stopped.', {}, { cause: error }));
      else fail(String(error), error);
    });
    child.on('exit', (code, killedBy) => fail(`it ended without an answer (${killedBy ?? `code ${code}`}).`));
    child.send(question, (error) => error && fail(String(error), error));
  });
}
