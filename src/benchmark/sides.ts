import { join } from 'node:path';
import type { Conditions } from '../core/measurement.ts';
import { startTorch } from '../export/torch-process.ts';
import { encodeTorchScript } from '../export/torchscript.ts';
import type { ScanForm } from '../export/torchscript-code.ts';
import { writeIntoFolder } from '../models/model-copy-file.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { VariantName } from '../models/variants.ts';
import { type OnnxRuntimeBuild, startBenchSession } from '../runtime/bench-session-file.ts';
import { benchTokens } from '../runtime/bench-tokens.ts';
import { runtimeVersion } from '../runtime/session.ts';
import type { BenchSide } from './bench-side.ts';

export const benchRuntimes = ['onnxruntime-node', 'onnxruntime-web', 'torchscript'] as const;
export type BenchRuntime = (typeof benchRuntimes)[number];

/** A side that is yet to be started: its model's file lies in `dir`. */
export interface PlannedSide {
  readonly conditions: Conditions;
  /** Loads the model in a fresh process; or says why that cannot be done here. */
  start(signal?: AbortSignal): Promise<BenchSide | { readonly reason: string }>;
}

export interface SideOptions {
  /** Name of the model, in records. */
  readonly name: string;
  readonly runtimes: readonly BenchRuntime[];
  /** Numbers of threads, for runtimes that can have several. */
  readonly threads: readonly number[];
  /** ONNX files by variant. */
  readonly files: ReadonlyMap<VariantName, Uint8Array>;
  /** Folder for the files that are loaded. */
  readonly dir: string;
}

/**
 * All ways of running a model that are asked for: ONNX Runtime for each variant and number of threads, its WebAssembly
 * build for each variant on one thread, and TorchScript in PyTorch token by token and chunked, plain and frozen.
 *
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`.
 */
export async function planSides(folder: ModelFolder, options: SideOptions): Promise<readonly PlannedSide[]> {
  const { runtimes, files, dir } = options;
  const sides: PlannedSide[] = [];
  for (const [variant, bytes] of files) await writeIntoFolder(join(dir, `${variant}.onnx`), bytes);
  for (const build of ['onnxruntime-node', 'onnxruntime-web'] as const) {
    if (!runtimes.includes(build)) continue;
    for (const threads of build === 'onnxruntime-web' ? [1] : options.threads) {
      for (const variant of files.keys()) sides.push(planOnnx(folder, options, build, variant, threads));
    }
  }
  if (runtimes.includes('torchscript')) {
    for (const form of ['scan', 'chunked'] as const) {
      await writeIntoFolder(join(dir, `${form}.pt`), encodeTorchScript(folder.config, folder.weights, { form }));
      for (const isFrozen of [false, true]) {
        for (const threads of options.threads) sides.push(planTorch(folder, options, form, isFrozen, threads));
      }
    }
  }
  return sides;
}

function planOnnx(
  { config }: ModelFolder,
  { name, dir }: SideOptions,
  build: OnnxRuntimeBuild,
  variant: VariantName,
  threads: number,
): PlannedSide {
  const conditions = { model: name, runtime: build, variant, threads };
  return {
    conditions,
    async start(signal) {
      const session = await startBenchSession(build, join(dir, `${variant}.onnx`), config, threads, signal).catch(
        (error: unknown) => {
          // The WebAssembly build is an optional peer.
          if (build === 'onnxruntime-web' && /Cannot find (package|module)/.test(String(error))) {
            return { reason: `onnxruntime-web is not installed: npm install onnxruntime-web@${runtimeVersion()}.` };
          }
          throw error;
        },
      );
      if ('reason' in session) return session;
      return {
        conditions: { ...conditions, runtimeVersion: session.version },
        loadMs: session.loadMs,
        forward: session.forward,
        async generate(promptTokens, newTokens) {
          const [firstMs, tokenMs] = await session.generate(promptTokens, newTokens);
          return { firstMs, tokenMs };
        },
        peakMemory: session.peakMemory,
        close: session.close,
      };
    },
  };
}

function planTorch(
  { config }: ModelFolder,
  { name, dir }: SideOptions,
  form: ScanForm,
  isFrozen: boolean,
  threads: number,
): PlannedSide {
  const conditions = { model: name, runtime: 'torchscript', variant: 'fp32', form, frozen: isFrozen, threads };
  return {
    conditions,
    async start(signal) {
      const torch = await startTorch(signal);
      if ('reason' in torch) return torch;
      const tokens = (count: number): number[] => benchTokens(count, config.vocabSize);
      try {
        const loadMs = await torch.bench.load(join(dir, `${form}.pt`), isFrozen, threads);
        return {
          conditions: { ...conditions, runtimeVersion: torch.version },
          loadMs,
          forward: (count, repeats) => torch.bench.forward(tokens(count), repeats),
          async generate(promptTokens, newTokens) {
            const [firstMs, tokenMs] = await torch.bench.generate(tokens(promptTokens), newTokens);
            return { firstMs, tokenMs };
          },
          peakMemory: torch.bench.peakMemory,
          close: torch.close,
        };
      } catch (error) {
        await torch.close();
        throw error;
      }
    },
  };
}
