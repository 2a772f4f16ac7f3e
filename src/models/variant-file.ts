import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { readWholeFile } from '../data/whole-file.ts';
import { readOnnxMetadata } from '../onnx/metadata.ts';
import type { ModelFolder } from './model-folder-file.ts';
import {
  type CompressedVariant,
  checkVariantMetadata,
  checkVariantSource,
  readVariantRecords,
  type VariantSource,
  variantFiles,
} from './variants.ts';

/**
 * Reads the ONNX file of a variant and makes sure that it is whole, the one that `itera.json` records, and made from
 * this model.
 *
 * @throws {@link IteraError} `VARIANT_MISSING` if there is no such file or no record of it, naming the command that makes
 *   it; `FILE_CORRUPT` if it was cut short or changed; `VARIANT_MISMATCH` if it was made from another model or is another
 *   variant; `MODEL_INVALID` for a record of another form; `FILE_UNREADABLE`, `ABORTED`.
 */
export async function readVariant(
  folder: Pick<ModelFolder, 'dir' | 'itera' | 'sha256'>,
  variant: CompressedVariant,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Uint8Array> {
  throwIfAborted(options.signal);
  const path = join(folder.dir, variantFiles[variant]);
  const bytes = await readBytes(path, variant, folder.dir, options.signal);
  const record = readVariantRecords(folder.itera)[variant];
  if (!record) throw missing(`itera.json says nothing of its file '${path}'`, variant, folder.dir);
  const again = 'Make it again: itera-lite compress.';
  if (bytes.length !== record.bytes) {
    const what = bytes.length < record.bytes ? 'is cut short' : 'was changed';
    const message = `'${path}' ${what}: expected ${record.bytes} bytes, got ${bytes.length}. ${again}`;
    throw new IteraError('FILE_CORRUPT', message, { path, expected: record.bytes, got: bytes.length });
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== record.sha256) {
    const message = `'${path}' was changed: its sha256 is ${sha256}, itera.json says ${record.sha256}. ${again}`;
    throw new IteraError('FILE_CORRUPT', message, { path, expected: record.sha256, got: sha256 });
  }
  const source = variantSource(folder);
  checkVariantSource(record.source, variant, source, path);
  checkVariantMetadata(readOnnxMetadata(bytes), variant, source, path);
  return bytes;
}

/**
 * The files that a folder's variants are made from.
 *
 * @throws {@link IteraError} `MODEL_INVALID` if the folder was not read with their hashes.
 */
export function variantSource({ dir, sha256 }: Pick<ModelFolder, 'dir' | 'sha256'>): VariantSource {
  const { 'model.safetensors': weights, 'config.json': config } = sha256;
  if (weights === undefined || config === undefined) {
    throw new IteraError('MODEL_INVALID', `Expected the hashes of the files of ${dir}. Read the folder again.`, {
      dir,
    });
  }
  return { 'model.safetensors': weights, 'config.json': config };
}

async function readBytes(
  path: string,
  variant: CompressedVariant,
  dir: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  try {
    return await readWholeFile(path, signal);
  } catch (cause) {
    throwIfAborted(signal);
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw missing(`there is no file '${path}'`, variant, dir);
    const message = `Could not read '${path}' (${code}). Check that it is a file you may read.`;
    throw new IteraError('FILE_UNREADABLE', message, { path, reason: code }, { cause });
  }
}

function missing(reason: string, variant: CompressedVariant, dir: string): IteraError {
  const message = `The model has no variant ${variant}: ${reason}. Make it: itera-lite compress --model ${dir} --variant ${variant}`;
  return new IteraError('VARIANT_MISSING', message, { variant, dir });
}
