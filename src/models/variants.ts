import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord } from '../core/measurement.ts';

/** The compressed forms that a model folder may hold, and their files, which transformers.js finds by these names. */
export const variantFiles = {
  fp16: 'onnx/model_fp16.onnx',
  int8: 'onnx/model_quantized.onnx',
  int4: 'onnx/model_q4.onnx',
  q4f16: 'onnx/model_q4f16.onnx',
  mixed: 'onnx/model_mixed.onnx',
} as const;

/** A name of {@link variantFiles}; docs/compression.md says what each holds. */
export type CompressedVariant = keyof typeof variantFiles;

/** The names of {@link variantFiles}, in their order. */
export const compressedVariants = Object.keys(variantFiles) as readonly CompressedVariant[];

/** `fp32` is the weights as they are, without a file of its own. */
export type VariantName = 'fp32' | CompressedVariant;

/** sha256 of the files that a variant is made from, hexadecimal. */
export interface VariantSource {
  readonly 'model.safetensors': string;
  readonly 'config.json': string;
}

/** What `itera.json` says of a variant, in `variants`, by its name. */
export interface VariantRecord {
  /** Path in the model folder. */
  readonly file: string;
  /** Of the file, hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** What it was made from: a reader refuses it beside other files. */
  readonly source: VariantSource;
  /** How it was made. */
  readonly scheme: Readonly<Record<string, unknown>>;
  /** The text that its rounding was fitted to; absent if it was fitted to none. */
  readonly calibration?: Readonly<Record<string, unknown>>;
  /** How what rounding gave was changed afterwards, such as by training; absent if it was not. */
  readonly refinement?: Readonly<Record<string, unknown>>;
  /** Version of Itera-Lite that made it. */
  readonly iteraLite: string;
  /** What was measured of it when it was made. */
  readonly measurements?: readonly MeasurementRecord[];
}

/** Whether a variant has a file of its own. */
export const isCompressed = (name: string): name is CompressedVariant => Object.hasOwn(variantFiles, name);

/**
 * What a folder's `itera.json` says of its variants.
 *
 * @throws {@link IteraError} `MODEL_INVALID` if `variants` or an entry of it has another form.
 */
export function readVariantRecords(itera: unknown): Readonly<Partial<Record<CompressedVariant, VariantRecord>>> {
  const { variants = {} } = asRecord(itera);
  if (typeof variants !== 'object' || variants === null || Array.isArray(variants)) {
    const message = 'itera.json: expected variants to be an object. Make the variants again: itera-lite compress.';
    throw new IteraError('MODEL_INVALID', message);
  }
  const entries = Object.entries(variants);
  const wrong = entries.find(([name, entry]) => isCompressed(name) && !isVariantRecord(entry));
  if (wrong) {
    const message = `itera.json: expected variants.${wrong[0]} to hold file, sha256, bytes, source and scheme. Make the variant again: itera-lite compress.`;
    throw new IteraError('MODEL_INVALID', message, { variant: wrong[0] });
  }
  return Object.fromEntries(entries.filter(([name]) => isCompressed(name)));
}

/**
 * The same for who makes variants again: entries of another form stand for nothing that could be read, and are left out,
 * so that they cannot stop what would mend them.
 */
export function readableVariantRecords(itera: unknown): Readonly<Partial<Record<CompressedVariant, VariantRecord>>> {
  const entries = Object.entries(asRecord(asRecord(itera)['variants']));
  return Object.fromEntries(entries.filter(([name, entry]) => isCompressed(name) && isVariantRecord(entry)));
}

/** What an ONNX file of a variant carries in its metadata. */
export function variantMetadata(
  variant: CompressedVariant,
  source: VariantSource,
  iteraLite: string,
): Record<string, string> {
  return { itera_lite: iteraLite, variant, ...source };
}

/**
 * Compares what a file says of itself with what it should be.
 *
 * @param path - For messages.
 * @throws {@link IteraError} `VARIANT_MISMATCH` if it is another variant or made from another model.
 */
export function checkVariantMetadata(
  metadata: Readonly<Record<string, string>>,
  variant: CompressedVariant,
  source: VariantSource,
  path: string,
): void {
  const stated = metadata['variant'];
  if (stated !== variant) {
    const got = stated === undefined ? 'does not say what it is' : `says that it is ${stated}`;
    const message = `Expected '${path}' to be the variant ${variant}, but it ${got}. Make it again: itera-lite compress.`;
    throw new IteraError('VARIANT_MISMATCH', message, { path, variant, stated });
  }
  checkVariantSource(metadata, variant, source, path);
}

/**
 * Compares the files that a variant was made from with those of the model it is to stand for.
 *
 * @throws {@link IteraError} `VARIANT_MISMATCH` if they differ.
 */
export function checkVariantSource(
  made: Readonly<Partial<Record<keyof VariantSource, string>>>,
  variant: CompressedVariant,
  source: VariantSource,
  path: string,
): void {
  for (const file of ['model.safetensors', 'config.json'] as const) {
    if (made[file] === source[file]) continue;
    const message = `Variant ${variant} in '${path}' was made from another ${file} than the model folder holds. Make it again: itera-lite compress.`;
    throw new IteraError('VARIANT_MISMATCH', message, { path, variant, file, expected: source[file], got: made[file] });
  }
}

function isVariantRecord(value: unknown): value is VariantRecord {
  const { file, sha256, bytes, source, scheme } = asRecord(value);
  const { 'model.safetensors': weights, 'config.json': config } = asRecord(source);
  return (
    [file, sha256, weights, config].every((text) => typeof text === 'string') &&
    typeof bytes === 'number' &&
    typeof scheme === 'object' &&
    scheme !== null
  );
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
