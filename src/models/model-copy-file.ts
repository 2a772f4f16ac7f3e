import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { IteraError } from '../core/errors.ts';
import { replaceFile } from '../data/atomic-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import { readWholeFile } from '../data/whole-file.ts';
import { optionalModelFiles, requiredModelFiles } from './model-folder.ts';
import { type ModelFolder, readModelFolder } from './model-folder-file.ts';

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

/**
 * Copies the files of a model into another folder, with its card and charts, all but two: `config.json`, without which the
 * copy does not count as a model yet, and `itera.json`, which says what else is there.
 *
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`.
 */
export async function copyModelFiles(folder: ModelFolder, outDir: string): Promise<void> {
  const names = (await readdir(folder.dir)).filter((name) => name === 'README.md' || name.endsWith('.svg'));
  const files = [...requiredModelFiles, ...optionalModelFiles].filter((name) => folder.sha256[name] !== undefined);
  const wanted = [...files, ...names].filter((name) => name !== 'config.json' && name !== 'itera.json');
  await copyFiles(folder.dir, outDir, wanted);
}

/** @throws {@link IteraError} `OUTPUT_UNWRITABLE`. */
export async function copyFiles(from: string, to: string, names: readonly string[]): Promise<void> {
  for (const name of names) await writeIntoFolder(join(to, name), await readWholeFile(join(from, name)));
}

/**
 * Writes a file whole or not at all; the folder is made if need be.
 *
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`.
 */
export async function writeIntoFolder(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    await replaceFile(path, content);
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const message = `Could not write '${path}' (${reason}). Check the path, its permissions and the free disk space, or name another folder with --out.`;
    throw new IteraError('OUTPUT_UNWRITABLE', message, { path, reason }, { cause });
  }
}
