import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord } from '../core/measurement.ts';
import { replaceFile } from '../data/atomic-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import { optionalModelFiles, requiredModelFiles } from '../models/model-folder.ts';
import { type ModelFolder, readModelFolder } from '../models/model-folder-file.ts';
import { type CompressedVariant, readVariantRecords, type VariantRecord, variantFiles } from '../models/variants.ts';
import type { CompressedModel } from './compress-model.ts';

/** What is in a folder's `itera.json`, as far as it is known here. */
type Itera = Readonly<Record<string, unknown>>;

/**
 * Writes variants into a model folder and records them in its `itera.json`. Every file appears whole or not at all, and
 * a variant is recorded once it is there; one that was recorded before and is replaced is never read as the new one.
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
  for (const { variant, bytes } of files) await write(join(outDir, variantFiles[variant]), bytes);
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
  const variants = { ...readVariantRecords(itera), ...Object.fromEntries(made) };
  await writeItera(outDir, { schemaVersion: 1, ...itera, variants });
  if (!isOwn) await copyInto(folder.dir, outDir, ['config.json']);
  return readModelFolder(outDir);
}

/**
 * Keeps what was measured of variants in `itera.json`, in place of what was measured before.
 *
 * @param records - Those about a variant, by `conditions.variant`, are kept beside it; others are left out.
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`, `MODEL_INVALID`.
 */
export async function recordVariantMeasurements(
  dir: string,
  variants: readonly CompressedVariant[],
  records: readonly MeasurementRecord[],
): Promise<void> {
  const itera = await readItera(dir);
  const known = readVariantRecords(itera);
  const measured = variants.flatMap((variant): [CompressedVariant, VariantRecord][] => {
    const record = known[variant];
    const measurements = records.filter(({ conditions }) => conditions.variant === variant);
    return record ? [[variant, { ...record, measurements }]] : [];
  });
  await writeItera(dir, { ...itera, variants: { ...known, ...Object.fromEntries(measured) } });
}

/**
 * Makes sure that a folder holds no model, or the same one.
 *
 * @returns Whether it holds the model.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if it holds another, and what {@link readModelFolder} throws.
 */
export async function refuseOtherModel(folder: ModelFolder, outDir: string): Promise<boolean> {
  const before = await readdir(outDir).catch(() => [] as string[]);
  if (!before.includes('config.json')) return false;
  const there = (await readModelFolder(outDir)).sha256;
  if (requiredModelFiles.every((name) => there[name] === folder.sha256[name])) return true;
  const message = `Expected --out to name a new folder or a copy of this model, but ${outDir} holds another model. Name another folder.`;
  throw new IteraError('INVALID_ARGUMENT', message, { dir: outDir });
}

/** Copies a model's files, all but `config.json`, without which the copy does not count as a model yet. */
async function prepareCopy(folder: ModelFolder, outDir: string): Promise<Itera> {
  const isThere = await refuseOtherModel(folder, outDir);
  const { variants: _, ...itera } = await readItera(folder.dir);
  const own = isThere ? readVariantRecords(await readItera(outDir)) : {};
  const names = (await readdir(folder.dir)).filter((name) => name === 'README.md' || name.endsWith('.svg'));
  const files = [...requiredModelFiles, ...optionalModelFiles].filter((name) => folder.sha256[name] !== undefined);
  await copyInto(
    folder.dir,
    outDir,
    [...files, ...names].filter((name) => name !== 'config.json' && name !== 'itera.json'),
  );
  return { ...itera, variants: own };
}

async function copyInto(from: string, to: string, names: readonly string[]): Promise<void> {
  for (const name of names) await write(join(to, name), await readFile(join(from, name)));
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
  write(join(dir, 'itera.json'), `${JSON.stringify(itera, undefined, 2)}\n`);

async function write(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    await replaceFile(path, content);
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const message = `Could not write '${path}' (${reason}). Check the path, its permissions and the free disk space, or name another folder with --out.`;
    throw new IteraError('OUTPUT_UNWRITABLE', message, { path, reason }, { cause });
  }
}
