import { type MeasurementRecord, recordId } from '../core/measurement.ts';
import type { ModelConfig } from '../models/config.ts';
import { measureSessionMemory, memoryProbe } from '../runtime/session-memory-file.ts';

/** A variant's ONNX file. */
export interface VariantFile {
  readonly name: string;
  readonly model: Uint8Array;
}

/**
 * What each variant takes, on disk and in memory.
 *
 * @param name - Of the model, in the records.
 * @param variants - `fp32` is the one that all are compared with.
 * @throws {@link IteraError} what {@link measureSessionMemory} throws.
 */
export async function measureSizes(
  config: ModelConfig,
  name: string,
  variants: readonly VariantFile[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<MeasurementRecord[]> {
  const memory: MeasurementRecord[] = [];
  for (const variant of variants) memory.push(await memoryRecord(config, name, variant, options));
  return [...variants.map((variant) => sizeRecord(name, variant)), ...memory];
}

function sizeRecord(name: string, { name: variant, model }: VariantFile): MeasurementRecord {
  const conditions = { model: name, variant };
  const method =
    variant === 'fp32'
      ? 'size of its ONNX file, with the constants folded and the names short that those of the variants have'
      : 'size of its ONNX file';
  return {
    id: recordId(name, 'size_bytes', conditions),
    subject: name,
    metric: 'size_bytes',
    unit: 'bytes',
    status: 'measured',
    value: model.length,
    n: 1,
    method,
    conditions,
  };
}

async function memoryRecord(
  config: ModelConfig,
  name: string,
  { name: variant, model }: VariantFile,
  options: { readonly signal?: AbortSignal },
): Promise<MeasurementRecord> {
  const threads = 1;
  const bytes = await measureSessionMemory(config, model, { ...options, threads });
  const conditions = { model: name, variant, threads };
  const { prefillTokens, decodeTokens } = memoryProbe;
  return {
    id: recordId(name, 'memory_bytes', conditions),
    subject: name,
    metric: 'memory_bytes',
    unit: 'bytes',
    status: 'measured',
    value: bytes,
    n: 1,
    method:
      `resident memory that a fresh process gains by loading its ONNX file and reading ${prefillTokens} tokens at once and ` +
      `${decodeTokens} one by one`,
    conditions,
  };
}
