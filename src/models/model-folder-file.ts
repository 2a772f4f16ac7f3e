import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { replaceFile } from '../data/atomic-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import { readWholeFile } from '../data/whole-file.ts';
import {
  formatModelFiles,
  type ModelContents,
  type ModelToWrite,
  optionalModelFiles,
  parseModelFiles,
  requiredModelFiles,
} from './model-folder.ts';

/** A model folder as read from disk. */
export interface ModelFolder extends ModelContents {
  readonly dir: string;
  /** Hexadecimal sha256 of each file that was read, by file name. */
  readonly sha256: Record<string, string>;
}

/**
 * Reads and checks a model folder in Hugging Face's layout. `generation_config.json` and `itera.json` may be absent.
 *
 * @throws {@link IteraError} `FILE_NOT_FOUND` if there is no such folder, `FILE_UNREADABLE`, `ABORTED`, and all that
 *   `parseModelFiles` throws.
 */
export async function readModelFolder(
  dir: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ModelFolder> {
  await checkIsFolder(dir);
  const files = new Map<string, Uint8Array>();
  for (const name of [...requiredModelFiles, ...optionalModelFiles]) {
    const bytes = await readIfPresent(join(dir, name), options.signal);
    if (bytes !== undefined) {
      files.set(name, bytes);
    }
  }
  return { dir, ...parseModelFiles(files, dir), sha256: hashFiles(files) };
}

/**
 * Writes a model folder; the folder is made if need be. Each file appears whole or not at all (written beside its place
 * and renamed), but the files not all at once: write a new version into a new folder.
 *
 * @returns Hexadecimal sha256 of each file written, by file name.
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`, `ABORTED`, and what `formatModelFiles` throws, before anything
 *   is written.
 */
export async function writeModelFolder(
  dir: string,
  model: ModelToWrite,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Record<string, string>> {
  const files = formatModelFiles(model);
  throwIfAborted(options.signal);
  try {
    await makeFolder(dir);
  } catch (cause) {
    throw unwritable(dir, cause);
  }
  for (const [name, bytes] of files) {
    throwIfAborted(options.signal);
    const path = join(dir, name);
    try {
      await replaceFile(path, bytes);
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }
  return hashFiles(files);
}

function unwritable(path: string, cause: unknown): IteraError {
  return new IteraError(
    'OUTPUT_UNWRITABLE',
    `Could not write '${path}' (${systemCode(cause)}). Check the path, its permissions and the free disk space.`,
    { path, reason: systemCode(cause) },
    { cause },
  );
}

function hashFiles(files: ReadonlyMap<string, Uint8Array>): Record<string, string> {
  const entries = [...files].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')] as const);
  return Object.fromEntries(entries);
}

async function checkIsFolder(dir: string): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(dir)).isDirectory();
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new IteraError('FILE_NOT_FOUND', `There is no model folder '${dir}'. Check the path.`, { dir }, { cause });
    }
    throw unreadable(dir, cause);
  }
  if (!isFolder) {
    throw new IteraError('MODEL_INVALID', `Expected a model folder, got the file '${dir}'. Give the folder it is in.`, {
      dir,
    });
  }
}

async function readIfPresent(path: string, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  throwIfAborted(signal);
  try {
    return await readWholeFile(path, signal);
  } catch (cause) {
    throwIfAborted(signal);
    if (systemCode(cause) === 'ENOENT') {
      return undefined;
    }
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): IteraError {
  return new IteraError(
    'FILE_UNREADABLE',
    `Could not read '${path}' (${systemCode(cause)}). Check that it is a file you may read.`,
    { path, reason: systemCode(cause) },
    { cause },
  );
}

function systemCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
}
