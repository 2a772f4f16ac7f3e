import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { type ModelFolder, readModelFolder } from '../models/model-folder-file.ts';
import { createModel, type Model } from './model.ts';
import type { SessionOptions } from './session.ts';

export interface LoadModelOptions extends SessionOptions {
  /** Which form of the weights to run; only `fp32` exists so far. */
  readonly variant?: 'fp32';
  readonly signal?: AbortSignal;
}

/** Name of the model that comes with the package and is used when none is named. */
export const defaultModel = 'itera-lite-micro';

// From src/runtime and dist/runtime alike, the package's root is two folders up.
const bundledDir = fileURLToPath(new URL('../../models', import.meta.url));

/**
 * Loads a model by the path of its folder or the name of a bundled one.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for another variant or number of threads, `FILE_NOT_FOUND`,
 *   `FILE_UNREADABLE`, `MODEL_INVALID`, `CONFIG_INVALID`, `WEIGHTS_INVALID`, `WEIGHTS_MISMATCH`, `TOKENIZER_INVALID`,
 *   `TOKENIZER_MISMATCH`, `RUNTIME_FAILED`, `ABORTED`.
 */
export async function loadModel(nameOrDir: string = defaultModel, options: LoadModelOptions = {}): Promise<Model> {
  const { variant = 'fp32', signal, ...sessionOptions } = options;
  checkVariant(variant);
  const folder = await openModel(nameOrDir, signal ? { signal } : {});
  throwIfAborted(signal);
  return createModel(folder, sessionOptions);
}

/** Reads a model folder by path or bundled name, without loading it into the runtime; throws as {@link loadModel}. */
export async function openModel(
  nameOrDir: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ModelFolder> {
  throwIfAborted(options.signal);
  if (await exists(nameOrDir)) return readModelFolder(nameOrDir, options);
  const bundled = await listBundledModels();
  if (bundled.includes(nameOrDir)) return readModelFolder(join(bundledDir, nameOrDir), options);
  throw new IteraError(
    'FILE_NOT_FOUND',
    `Expected the path of a model folder or the name of a bundled model (${bundled.join(', ')}), got ${JSON.stringify(nameOrDir)}.`,
    { nameOrDir, bundled },
  );
}

async function listBundledModels(): Promise<string[]> {
  // A package built without models still loads others.
  const entries = await readdir(bundledDir, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

function checkVariant(variant: string): void {
  if (variant !== 'fp32') {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected variant fp32, the only one that exists, got ${JSON.stringify(variant)}.`,
      { variant },
    );
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    // What exists but cannot be reached is for the reader to explain.
    ({ code }: NodeJS.ErrnoException) => code === 'EACCES' || code === 'EPERM',
  );
}
