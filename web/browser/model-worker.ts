import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import { env } from 'onnxruntime-web/wasm';
import { parseConfig } from '../../src/models/config-json.ts';
import { parseModelFiles } from '../../src/models/model-folder.ts';
import type { VariantName } from '../../src/models/variants.ts';
import { readOnnxMetadata } from '../../src/onnx/metadata.ts';
import { createModel, type Model, type ModelParts } from '../../src/runtime/model.ts';
import type { DrawingOptions, FromWorker, ModelSource, ToWorker } from './messages.ts';
import { readSource } from './model-source.ts';

// Threads would need headers that isolate the page, and gain little for models of this size.
env.wasm.numThreads = 1;
env.wasm.wasmPaths = { wasm: new URL(wasmUrl, import.meta.url).href };

let model: Model | undefined;
let running: AbortController | undefined;

const tell = (message: FromWorker): void => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  if (data.kind === 'stop') running?.abort();
  else if (data.kind === 'load') void reporting(() => load(data.source, data.variant));
  else void reporting(() => generate(data.prompt, data.options));
};

async function reporting(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}

async function load(source: ModelSource, variant: VariantName): Promise<void> {
  const started = performance.now();
  const { files, version } = await readSource(source, variant, (loadedBytes, totalBytes) =>
    tell({ kind: 'progress', loadedBytes, totalBytes }),
  );
  tell({ kind: 'building' });
  model = await createModel(partsOf(files, variant));
  const bytes = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  tell({ kind: 'loaded', bytes, ms: performance.now() - started, ...(version !== undefined && { version }) });
}

/** @throws Error for a file that is not the variant's; {@link IteraError} for files that are no model's. */
function partsOf(files: ReadonlyMap<string, Uint8Array>, variant: VariantName): ModelParts {
  if (variant === 'fp32') return parseModelFiles(files, 'model');
  const onnx = [...files].find(([name]) => name.endsWith('.onnx'))?.[1] ?? new Uint8Array();
  const stated = readOnnxMetadata(onnx)['variant'];
  if (stated !== variant) throw new Error(`The file is that of ${stated ?? 'no variant'}, not of ${variant}.`);
  const json = (name: string): unknown => JSON.parse(new TextDecoder().decode(files.get(name)));
  return {
    ...{ config: parseConfig(json('config.json')), weights: new Map(), variant: onnx },
    ...{ tokenizerJson: json('tokenizer.json'), tokenizerConfig: json('tokenizer_config.json') },
  };
}

async function generate(prompt: string, options: DrawingOptions): Promise<void> {
  if (!model) throw new Error('There is no model yet. Load one.');
  running?.abort();
  const own = new AbortController();
  running = own;
  const started = performance.now();
  let firstMs: number | undefined;
  let reason = 'stop';
  try {
    for await (const { text, index, finish } of model.generate(prompt, { ...options, signal: own.signal })) {
      const ms = performance.now() - started;
      firstMs ??= ms;
      tell({ kind: 'piece', text, tokens: index + 1, ms, firstMs });
      if (finish) reason = finish.finishReason;
      await letMessagesIn();
    }
  } catch (error) {
    if (!own.signal.aborted) throw error;
    reason = 'aborted';
  }
  tell({ kind: 'ended', reason });
}

/** The runtime computes without a pause, in which no message of the page, such as to stop, would be heard. */
function letMessagesIn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
