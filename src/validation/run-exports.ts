import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MeasurementRecord } from '../core/measurement.ts';
import { exportOnnx } from '../export/export-onnx.ts';
import { exportTorch } from '../export/export-torch.ts';
import { readVerificationText } from '../export/verification-text.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';

export interface ExportCheckOptions {
  /** Name of the model, in records. */
  readonly name: string;
  readonly version: string;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** What comparing a model's exports with it came to. */
export interface ExportChecks {
  readonly records: readonly MeasurementRecord[];
  /** Sentences about what holds. */
  readonly findings: readonly string[];
  /** Sentences about what does not. */
  readonly failures: readonly string[];
}

/**
 * Exports a model to ONNX and TorchScript in a folder of its own, which is removed again, and compares each file in its own
 * runtime with the float64 reference.
 *
 * @throws {@link IteraError} what {@link exportOnnx} and {@link exportTorch} throw.
 */
export async function checkExports(
  folder: ModelFolder,
  { name, version, seed, signal }: ExportCheckOptions,
): Promise<ExportChecks> {
  const stoppable = signal ? { signal } : {};
  const dir = await mkdtemp(join(tmpdir(), 'itera-exports-'));
  try {
    const verify = { text: await readVerificationText(folder, signal), seed };
    const common = { name, verify, ...stoppable };
    const made = [
      { format: 'ONNX', ...(await exportOnnx(folder, join(dir, 'onnx'), { ...common, version })) },
      { format: 'TorchScript', ...(await exportTorch(folder, 'torchscript', dir, { ...common, form: 'chunked' })) },
    ];
    return {
      records: made.flatMap(({ records }) => records),
      findings: made.flatMap(({ format, records, failures }) =>
        failures.length > 0 || records.some(({ status }) => status === 'notRun')
          ? []
          : [
              `The ${format} export gives what the model gives: ${records.length} comparisons in ${records[0]?.conditions.runtime}.`,
            ],
      ),
      failures: made.flatMap(({ failures }) => failures),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
