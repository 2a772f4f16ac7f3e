import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { type ModelFolder, readModelFolder } from '../models/model-folder-file.ts';
import { readVariant } from '../models/variant-file.ts';
import { compressedVariants, isCompressed, type VariantName } from '../models/variants.ts';
import { createModel, type Model } from './model.ts';
import type { SessionOptions } from './session.ts';

/** Options of {@link loadModel}. */
export interface LoadModelOptions extends SessionOptions {
  /** Which form of the weights to run, by default `fp32`; the others are made by `itera-lite compress`. */
  readonly variant?: VariantName;
  /** Gives up between the files it reads; the promise then rejects with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** Name of the model that comes with the package and is used when none is named. */
export const defaultModel = 'itera-lite-small';

// From src/runtime and dist/runtime alike, the package's root is two folders up.
const bundledDir = fileURLToPath(new URL('../../models', import.meta.url));
const recipesDir = fileURLToPath(new URL('../../recipes', import.meta.url));

/**
 * Loads a model by the path of its folder or the name of a bundled one.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for another variant or number of threads, `FILE_NOT_FOUND`,
 *   `FILE_UNREADABLE`, `MODEL_INVALID`, `CONFIG_INVALID`, `WEIGHTS_INVALID`, `WEIGHTS_MISMATCH`, `TOKENIZER_INVALID`,
 *   `TOKENIZER_MISMATCH`, `RUNTIME_FAILED`, `ABORTED`; for a compressed variant also what `readVariant` throws.
 */
export async function loadModel(nameOrDir: string = defaultModel, options: LoadModelOptions = {}): Promise<Model> {
  const { variant = 'fp32', signal, ...sessionOptions } = options;
  checkVariant(variant);
  const folder = await openModel(nameOrDir, signal ? { signal } : {});
  const file = variant === 'fp32' ? undefined : await readVariant(folder, variant, signal ? { signal } : {});
  throwIfAborted(signal);
  return createModel({ ...folder, ...(file && { variant: file }) }, sessionOptions);
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
  const recipe = await findRecipe(nameOrDir);
  throw new IteraError(
    'FILE_NOT_FOUND',
    `Expected the path of a model folder or the name of a bundled model (${bundled.join(', ')}), got ${JSON.stringify(nameOrDir)}.` +
      (recipe === undefined
        ? ''
        : " The package holds its recipe, not its weights: copy its folder from models/ of the project's repository, or " +
          `train it with itera-lite train --recipe ${recipe} --out DIR.`),
    { nameOrDir, bundled, ...(recipe !== undefined && { recipe }) },
  );
}

/** The file of the bundled recipe of this name, if any: of models that are left out of the package for its size. */
async function findRecipe(name: string): Promise<string | undefined> {
  const files = await readdir(recipesDir).catch((): string[] => []);
  return files.includes(`${name}.json`) ? join(recipesDir, `${name}.json`) : undefined;
}

async function listBundledModels(): Promise<string[]> {
  // A package built without models still loads others.
  const entries = await readdir(bundledDir, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

function checkVariant(variant: string): asserts variant is VariantName {
  if (variant === 'fp32' || isCompressed(variant)) return;
  const names = ['fp32', ...compressedVariants];
  const message = `Expected a variant, one of ${names.join(', ')}, got ${JSON.stringify(variant)}.`;
  throw new IteraError('INVALID_ARGUMENT', message, { variant, names });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    // What exists but cannot be reached is for the reader to explain.
    ({ code }: NodeJS.ErrnoException) => code === 'EACCES' || code === 'EPERM',
  );
}
