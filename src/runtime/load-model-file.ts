import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { IteraError } from '../core/errors.ts';
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

/**
 * Loads a model by the path of its folder or the name of a bundled one.
 *
 * @throws {@link IteraError} `FILE_NOT_FOUND`, `MODEL_INVALID`, `CONFIG_INVALID`, `WEIGHTS_INVALID`, `WEIGHTS_MISMATCH`,
 *   `TOKENIZER_INVALID`, `TOKENIZER_MISMATCH`, `RUNTIME_FAILED`, `ABORTED`.
 */
export async function loadModel(nameOrDir: string = defaultModel, options: LoadModelOptions = {}): Promise<Model> {
  const { variant = 'fp32', signal, ...sessionOptions } = options;
  checkVariant(variant);
  return createModel(await openModel(nameOrDir, signal ? { signal } : {}), sessionOptions);
}

/** Reads a model folder by path or bundled name, without loading it into the runtime; throws as {@link loadModel}. */
export async function openModel(
  nameOrDir: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ModelFolder> {
  if (await isFolder(nameOrDir)) return readModelFolder(nameOrDir, options);
  // From src/runtime and dist/runtime alike, the package's root is two folders up.
  const bundled = fileURLToPath(new URL(`../../models/${encodeURIComponent(nameOrDir)}`, import.meta.url));
  if (/^[a-z0-9][a-z0-9.-]*$/.test(nameOrDir) && (await isFolder(bundled))) return readModelFolder(bundled, options);
  throw new IteraError(
    'FILE_NOT_FOUND',
    `Expected the path of a model folder or the name of a bundled model (${defaultModel}), got ${JSON.stringify(nameOrDir)}.`,
    { nameOrDir },
  );
}

function checkVariant(variant: string): void {
  if (variant !== 'fp32') {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected variant fp32, the only one that exists, got ${JSON.stringify(variant)}.`,
      {
        variant,
      },
    );
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
