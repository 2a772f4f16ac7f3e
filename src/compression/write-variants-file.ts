import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type MeasurementRecord, withoutSamples } from '../core/measurement.ts';
import { copyFiles, copyModelFiles, refuseOtherModel, writeIntoFolder } from '../models/model-copy-file.ts';
import { type ModelFolder, readModelFolder } from '../models/model-folder-file.ts';
import {
  type CompressedVariant,
  readableVariantRecords,
  type VariantRecord,
  variantFiles,
} from '../models/variants.ts';
import type { CompressedModel } from './compress-model.ts';

/** What is in a folder's `itera.json`, as far as it is known here. */
type Itera = Readonly<Record<string, unknown>>;

/**
 * Writes variants into a model folder and records them in its `itera.json`. Every file appears whole or not at all, and
 * a variant is recorded once it is there; one that was recorded before and is replaced is never read as the new one.
 * Entries of `itera.json` that are no variant's are dropped.
 *
 * @param outDir - Default: the model's own folder. Another gets a copy of the model's files first.
 * @returns The folder as it is now.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if `outDir` holds another model, `OUTPUT_UNWRITABLE`, and what
 *   {@link readModelFolder} throws.
 */
export async function writeVariants(
  folder: ModelFolder,
  { files, source, version }: CompressedModel,
  outDir: string = folder.dir,
): Promise<ModelFolder> {
  const isOwn = resolve(outDir) === resolve(folder.dir);
  const itera = isOwn ? await readItera(outDir) : await prepareCopy(folder, outDir);
  for (const { variant, bytes } of files) await writeIntoFolder(join(outDir, variantFiles[variant]), bytes);
  const made = files.map(({ variant, bytes, sha256, scheme, ...rest }): [CompressedVariant, VariantRecord] => [
    variant,
    {
      file: variantFiles[variant],
      sha256,
      bytes: bytes.length,
      source,
      scheme: { ...scheme },
      ...(rest.calibration && { calibration: { ...rest.calibration } }),
      ...(rest.refinement && { refinement: rest.refinement }),
      iteraLite: version,
    },
  ]);
  const variants = { ...readableVariantRecords(itera), ...Object.fromEntries(made) };
  await writeItera(outDir, { schemaVersion: 1, ...itera, variants });
  if (!isOwn) await copyFiles(folder.dir, outDir, ['config.json']);
  return readModelFolder(outDir);
}

/**
 * Keeps what was measured of variants in `itera.json`, in place of what was measured before.
 *
 * @param records - Those about a variant, by `conditions.variant`, are kept beside it; others are left out.
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`.
 */
export async function recordVariantMeasurements(
  dir: string,
  variants: readonly CompressedVariant[],
  records: readonly MeasurementRecord[],
): Promise<void> {
  const itera = await readItera(dir);
  const known = readableVariantRecords(itera);
  const measured = variants.flatMap((variant): [CompressedVariant, VariantRecord][] => {
    const record = known[variant];
    const measurements = records.filter(({ conditions }) => conditions.variant === variant).map(withoutSamples);
    return record ? [[variant, { ...record, measurements }]] : [];
  });
  await writeItera(dir, { ...itera, variants: { ...known, ...Object.fromEntries(measured) } });
}

/** Copies a model's files, all but `config.json`, without which the copy does not count as a model yet. */
async function prepareCopy(folder: ModelFolder, outDir: string): Promise<Itera> {
  const isThere = await refuseOtherModel(folder, outDir);
  const { variants: _, ...itera } = await readItera(folder.dir);
  const own = isThere ? readableVariantRecords(await readItera(outDir)) : {};
  await copyModelFiles(folder, outDir);
  return { ...itera, variants: own };
}

async function readItera(dir: string): Promise<Itera> {
  const text = await readFile(join(dir, 'itera.json'), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return '{}';
    throw cause;
  });
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === 'object' && parsed !== null ? (parsed as Itera) : {};
}

const writeItera = (dir: string, itera: Itera): Promise<void> =>
  writeIntoFolder(join(dir, 'itera.json'), `${JSON.stringify(itera, undefined, 2)}\n`);
