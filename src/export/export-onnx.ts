import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { MeasurementRecord } from '../core/measurement.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import { copyFiles, copyModelFiles, refuseOtherModel, writeIntoFolder } from '../models/model-copy-file.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { readVariant, variantSource } from '../models/variant-file.ts';
import { type CompressedVariant, readVariantRecords, variantFiles } from '../models/variants.ts';
import { createSession, runtimeVersion } from '../runtime/session.ts';
import { describeFailure, type ExportResult, toRecord } from './export-result.ts';
import { createOnnxRunner } from './onnx-runner.ts';
import { type VerificationOptions, verifyExport } from './verification.ts';

/** How {@link exportOnnx} names and verifies what it writes. */
export interface OnnxExportOptions {
  /** Name of the model, in records. */
  readonly name: string;
  /** Of Itera-Lite, for the file's metadata. */
  readonly version: string;
  /** Absent: what is written is not verified. */
  readonly verify?: Pick<VerificationOptions, 'text' | 'seed' | 'onCheck'>;
  readonly signal?: AbortSignal;
  /** What is being done, in words. */
  readonly onStage?: (stage: string) => void;
}

/** The file of the model in float32, where transformers.js looks for it. */
export const onnxFile = 'onnx/model.onnx';

/**
 * float32 against float64. Logits of these models lie within 30; differences of about 1e-5 are usual. A token whose
 * second and third experts are nearly tied could be given to another one and differ by more; none was seen.
 */
const bounds = { logits: 1e-3, perplexity: 1e-4 };

/**
 * Writes a model as a folder that transformers.js loads: its files, `onnx/model.onnx` in float32 for any batch and length,
 * with state in and out, and the variants that the model's folder records, as they are. The float32 file is compared
 * with the float64 reference in ONNX Runtime.
 *
 * @param outDir - May be the model's own folder, which then gets `onnx/model.onnx`.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if `outDir` holds another model or for a text too short to verify with,
 *   `OUTPUT_UNWRITABLE`, `RUNTIME_FAILED`, `ABORTED`, and what `readVariant` throws.
 */
export async function exportOnnx(
  folder: ModelFolder,
  outDir: string,
  { name, version, verify, signal, onStage }: OnnxExportOptions,
): Promise<ExportResult> {
  const stoppable = signal ? { signal } : {};
  const path = join(outDir, onnxFile);
  const isOwn = resolve(outDir) === resolve(folder.dir);
  if (!isOwn) await refuseOtherModel(folder, outDir);
  // Read before anything is written: a record may be damaged.
  const variants = isOwn ? [] : (Object.keys(readVariantRecords(folder.itera)) as CompressedVariant[]);
  onStage?.(`writing ${path}`);
  const bytes = encodeInferenceModel(folder, { itera_lite: version, variant: 'fp32', ...variantSource(folder) });
  await writeIntoFolder(path, bytes);
  if (!isOwn) {
    for (const variant of variants) {
      await writeIntoFolder(join(outDir, variantFiles[variant]), await readVariant(folder, variant, stoppable));
      onStage?.(`copied ${join(outDir, variantFiles[variant])}`);
    }
    await copyModelFiles(folder, outDir);
    const last = ['itera.json', 'config.json'].filter((file) => folder.sha256[file] !== undefined);
    await copyFiles(folder.dir, outDir, last);
  }
  const written = { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  if (!verify) return { ...written, records: [], failures: [] };
  onStage?.(`comparing ${path} in ONNX Runtime with the reference`);
  const session = await createSession(bytes);
  try {
    const runner = createOnnxRunner(session, folder.config);
    const checks = await verifyExport(runner, folder.config, folder.weights, { bounds, ...verify, ...stoppable });
    const runtime = `onnxruntime ${runtimeVersion()}, float32`;
    const records: MeasurementRecord[] = checks.map((check) => toRecord(check, name, runtime));
    const failures = checks.filter(({ passed }) => !passed).map((check) => describeFailure(check, path));
    return { ...written, records, failures };
  } finally {
    await session.release();
  }
}
