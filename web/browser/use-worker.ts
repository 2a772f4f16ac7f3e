import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { VariantName } from '../../src/models/variants.ts';
import type { DrawingOptions, FromWorker, ModelSource, ToWorker } from './messages.ts';

export interface WorkerState {
  readonly status: 'empty' | 'loading' | 'building' | 'ready' | 'generating';
  readonly variant?: VariantName;
  readonly loadedBytes?: number;
  readonly totalBytes?: number;
  /** What the loaded model took. */
  readonly loaded?: { readonly bytes: number; readonly ms: number; readonly version?: string };
  readonly prompt: string;
  readonly output: string;
  readonly tokens: number;
  readonly ms: number;
  readonly firstMs: number;
  /** Why the last text ended. */
  readonly reason?: string;
  readonly fault?: string;
}

const nothing: WorkerState = { status: 'empty', prompt: '', output: '', tokens: 0, ms: 0, firstMs: 0 };

/** The worker that holds the model; loading another model takes a new one, which frees the memory of the old. */
export function useWorker() {
  const [state, setState] = useState(nothing);
  const worker = useRef<Worker>(undefined);
  useEffect(() => () => worker.current?.terminate(), []);

  const load = useCallback((source: ModelSource, variant: VariantName): void => {
    worker.current?.terminate();
    const next = new Worker(new URL('./model-worker.ts', import.meta.url), { type: 'module' });
    worker.current = next;
    setState({ ...nothing, status: 'loading', variant });
    next.onmessage = ({ data }: MessageEvent<FromWorker>) => setState((before) => follow(before, data));
    next.onerror = () => setState({ ...nothing, fault: 'The worker that runs the model could not be started.' });
    send(next, { kind: 'load', source, variant });
  }, []);

  const generate = useCallback((prompt: string, options: DrawingOptions): void => {
    if (!worker.current) return;
    setState(({ reason: _, fault: __, ...before }) => ({
      ...before,
      ...{ status: 'generating', prompt, output: '', tokens: 0, ms: 0, firstMs: 0 },
    }));
    send(worker.current, { kind: 'generate', prompt, options });
  }, []);

  const stop = useCallback((): void => {
    if (worker.current) send(worker.current, { kind: 'stop' });
  }, []);

  return { state, load, generate, stop };
}

const send = (worker: Worker, message: ToWorker): void => worker.postMessage(message);

function follow(before: WorkerState, message: FromWorker): WorkerState {
  switch (message.kind) {
    case 'progress':
      return { ...before, loadedBytes: message.loadedBytes, totalBytes: message.totalBytes };
    case 'building':
      return { ...before, status: 'building' };
    case 'loaded':
      return { ...before, status: 'ready', loaded: message };
    case 'piece': {
      const { text, tokens, ms, firstMs } = message;
      return { ...before, output: before.output + text, tokens, ms, firstMs };
    }
    case 'ended':
      return { ...before, status: 'ready', reason: message.reason };
    case 'failed':
      return { ...before, status: before.loaded ? 'ready' : 'empty', fault: message.message };
  }
}
