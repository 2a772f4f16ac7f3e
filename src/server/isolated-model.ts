import { fork } from 'node:child_process';
import { abortError, type ErrorCode, IteraError, throwIfAborted } from '../core/errors.ts';
import type { GenerationPiece, GenerationResult } from '../runtime/generation.ts';
import type { Suggestion } from '../runtime/suggestion.ts';
import type { ModelMessage, ModelQuestion } from './model-process.ts';
import type { ProcessUsage } from './process-usage.ts';
import type { ScoredText, ServedModel, ServedModelSettings } from './served-model.ts';

/**
 * Each run leaves tensors outside the heap of JavaScript. Where short-lived objects are collected rarely, those pile up until
 * a slow collection of everything; with little room for such objects they go early (see docs/experiments.md).
 */
const smallNursery = ['--max-semi-space-size=1'];

/** A question whose answer is not complete. */
interface Call {
  onPiece(piece: GenerationPiece): void;
  onDone(value: unknown): void;
  onError(error: unknown): void;
}

/** A question before it has its number. */
type Unnumbered<Q> = Q extends { readonly id: number } ? Omit<Q, 'id'> : never;

/**
 * Serves a model in a process of its own: ONNX Runtime computes in the thread that calls it, and a server that computes
 * answers nobody. The process ends with this one.
 *
 * @throws {@link IteraError} what `loadServedModel` throws; `RUNTIME_FAILED` if the process ends before its time, also
 *   from the model's methods.
 */
export async function startIsolatedModel(dir: string, settings: ServedModelSettings): Promise<ServedModel> {
  const fromSource = import.meta.url.endsWith('.ts');
  const entry = new URL(`./model-process.${fromSource ? 'ts' : 'js'}`, import.meta.url);
  const child = fork(entry, {
    execArgv: [...smallNursery, ...(fromSource ? ['--import', import.meta.resolve('tsx')] : [])],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const calls = new Map<number, Call>();
  let lastId = 0;
  let complaint = '';
  let hasEnded = false;
  let usage: ProcessUsage = { cpuS: 0, residentBytes: 0 };
  child.stderr?.on('data', (block: Buffer) => {
    complaint = (complaint + block.toString()).slice(-2000);
  });

  function failAll(reason: string): void {
    hasEnded = true;
    const said = complaint.trim().split('\n').at(-1) ?? '';
    const message = `The process that runs the model ended (${reason})${said === '' ? '' : `: ${said}`}.`;
    for (const call of calls.values()) call.onError(new IteraError('RUNTIME_FAILED', message));
    calls.clear();
  }
  const closed = new Promise<void>((resolve) => {
    child.once('close', (code, by) => {
      failAll(by ?? `code ${code}`);
      resolve();
    });
    child.once('error', (error) => {
      failAll(error.message);
      resolve();
    });
  });
  child.on('message', ({ answers, usage: said }: ModelMessage) => {
    usage = said;
    for (const answer of answers) {
      // What was cancelled may still be answered.
      const call = calls.get(answer.id);
      if (!call) continue;
      if ('piece' in answer) {
        call.onPiece(answer.piece);
        continue;
      }
      calls.delete(answer.id);
      if ('done' in answer) call.onDone(answer.done);
      else {
        const { code, message, data } = answer.error;
        call.onError(new IteraError(code as ErrorCode, message, data));
      }
    }
  });
  const send = (question: ModelQuestion): void => {
    // That it ends is heard of by itself.
    if (child.connected) child.send(question, () => undefined);
    else failAll('not running');
  };

  /** Asks, and says so if the answer is not wanted any more. */
  function ask(question: Unnumbered<ModelQuestion>, signal: AbortSignal | undefined, call: Call): () => void {
    throwIfAborted(signal);
    const id = ++lastId;
    const cancel = (): void => {
      signal?.removeEventListener('abort', onAbort);
      if (calls.delete(id)) send({ ask: 'cancel', id });
    };
    const onAbort = (): void => {
      cancel();
      call.onError(abortError(signal as AbortSignal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    calls.set(id, call);
    send({ ...question, id } as ModelQuestion);
    return cancel;
  }

  async function askOnce<T>(question: Unnumbered<ModelQuestion>, signal: AbortSignal | undefined): Promise<T> {
    let cancel: (() => void) | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        const onDone = (value: unknown): void => resolve(value as T);
        cancel = ask(question, signal, { onPiece: () => undefined, onDone, onError: reject });
      });
    } finally {
      cancel?.();
    }
  }

  async function release(): Promise<void> {
    child.kill('SIGKILL');
    await closed;
  }

  try {
    await new Promise<unknown>((resolve, reject) => {
      calls.set(0, { onPiece: () => undefined, onDone: resolve, onError: reject });
      send({ ask: 'load', dir, settings });
    });
  } catch (error) {
    await release();
    throw error;
  }

  return {
    async *generate(prompt, { signal, ...options }) {
      const pieces: GenerationPiece[] = [];
      let end: { readonly error?: unknown } | undefined;
      let wake = (): void => undefined;
      const finish = (given: { readonly error?: unknown }): void => {
        end = given;
        wake();
      };
      const cancel = ask({ ask: 'generate', prompt, options }, signal, {
        onPiece(piece) {
          pieces.push(piece);
          wake();
        },
        onDone: () => finish({}),
        onError: (error) => finish({ error }),
      });
      try {
        let result: GenerationResult | undefined;
        for (;;) {
          const piece = pieces.shift();
          if (piece) {
            result = piece.finish;
            yield piece;
          } else if (!end) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          } else if (end.error === undefined) return result as GenerationResult;
          else throw end.error;
        }
      } finally {
        cancel();
      }
    },
    score: (text, { signal, ...options } = {}) => askOnce<ScoredText>({ ask: 'score', text, options }, signal),
    suggest: (prefix, { count, signal }) => askOnce<readonly Suggestion[]>({ ask: 'suggest', prefix, count }, signal),
    hasEnded: () => hasEnded,
    usage: () => usage,
    release,
  };
}
