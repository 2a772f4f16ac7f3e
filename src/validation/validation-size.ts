import type { BenchRuntime } from '../benchmark/sides.ts';
import { defaultCalibrationTokens } from '../compression/calibration.ts';
import type { SampleLimits } from '../data/document-sample.ts';
import { type WorkPhase, workPhases } from '../energy/model-workloads.ts';
import { defaultWindow } from '../evaluation/dataset-quality.ts';
import type { CompressedVariant } from '../models/variants.ts';

/** How much the stages of the main job measure. Commands of their own measure more. */
export interface ValidationSize {
  /** Of the text that the model writes to fit its variants to. */
  readonly calibrationTokens: number;
  /** What is scored of each dataset, unless it is all. */
  readonly sample: SampleLimits;
  /** Tokens of a window, and how far it moves on: tokens in the overlap are computed twice and scored once. */
  readonly window: { readonly contextLength: number; readonly stride: number };
  readonly exports: readonly ('ONNX' | 'TorchScript')[];
  readonly benchmark: {
    readonly runtimes: readonly BenchRuntime[];
    readonly rounds: number;
    readonly threads: readonly number[];
    readonly lengths: readonly number[];
    readonly loads: number;
  };
  /** Windows of each workload, and seconds that all may take; a meter that needs more is left to the command `energy`. */
  readonly energy: { readonly phases: readonly WorkPhase[]; readonly rounds: number; readonly limitS: number };
  /** Clients at a time, and how long each number of them asks; the whole load test is `benchmarks/server-load.ts`. */
  readonly server: { readonly clients: readonly number[]; readonly secondsEach: number };
}

/** With the default model within 8 minutes on 2 cores. */
export const fullSize: ValidationSize = {
  calibrationTokens: defaultCalibrationTokens,
  sample: { maxDocuments: 400, maxBytes: 150_000, minDocuments: 12 },
  window: defaultWindow,
  exports: ['ONNX', 'TorchScript'],
  benchmark: {
    runtimes: ['onnxruntime-node', 'onnxruntime-web', 'torchscript'],
    ...{ rounds: 9, threads: [1], lengths: [128], loads: 1 },
  },
  energy: { phases: workPhases, rounds: 6, limitS: 50 },
  server: { clients: [1, 8, 32], secondsEach: 3 },
};

/** With the default model within a minute on 2 cores: intervals are wider, and some stages left out. */
export const quickSize: ValidationSize = {
  calibrationTokens: 4096,
  sample: { maxDocuments: 60, maxBytes: 10_000, minDocuments: 3 },
  window: { contextLength: 512, stride: 512 },
  exports: ['ONNX'],
  // Of six rounds the least and the greatest are an interval of 97% for the median.
  benchmark: { runtimes: ['onnxruntime-node'], rounds: 6, threads: [1], lengths: [128], loads: 1 },
  energy: { phases: ['inference'], rounds: 2, limitS: 8 },
  server: { clients: [1, 8], secondsEach: 1 },
};

/** The variants that the quick form compares. */
export const quickVariants: readonly CompressedVariant[] = ['int8', 'int4'];
