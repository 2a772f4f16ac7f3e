import { createHash } from 'node:crypto';
import { compressModel } from '../compression/compress-model.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { readVariant } from '../models/variant-file.ts';
import { type CompressedVariant, readVariantRecords } from '../models/variants.ts';
import type { ComparedVariant } from '../runtime/logit-comparer.ts';

/** A variant's file, from the folder or made in memory. */
export interface PreparedVariant extends ComparedVariant {
  readonly name: CompressedVariant;
  readonly model: Uint8Array;
  /** Whether the folder holds it. */
  readonly recorded: boolean;
  readonly sha256: string;
}

export interface PreparationOptions {
  readonly version: string;
  readonly seed: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
}

/**
 * The variants of a model that a validation compares: those that its folder records, checked, and the others made in
 * memory, by the default schemes and fitted to a text that the model writes; nothing is written to the folder.
 *
 * @throws {@link IteraError} what {@link readVariant} and {@link compressModel} throw.
 */
export async function prepareVariants(
  folder: ModelFolder,
  variants: readonly CompressedVariant[],
  { version, seed, threads, signal, onStage }: PreparationOptions,
): Promise<readonly PreparedVariant[]> {
  const stoppable = signal ? { signal } : {};
  const records = readVariantRecords(folder.itera);
  const files = new Map<CompressedVariant, Uint8Array>();
  for (const variant of variants) {
    if (records[variant]) files.set(variant, await readVariant(folder, variant, stoppable));
  }
  const absent = variants.filter((variant) => !records[variant]);
  if (absent.length > 0) {
    const calibration = { seed };
    const follow = { ...stoppable, ...(onStage && { onStage }) };
    const made = await compressModel(folder, { variants: absent, calibration, version, threads, ...follow });
    for (const { variant, bytes } of made.files) files.set(variant, bytes);
  }
  return variants.map((name) => {
    const model = files.get(name) as Uint8Array;
    return { name, model, recorded: !!records[name], sha256: createHash('sha256').update(model).digest('hex') };
  });
}
