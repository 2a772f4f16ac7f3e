import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { IteraError } from '../core/errors.ts';

/**
 * Makes sure, before long work, that a folder can be written or made; makes nothing.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an empty name, `OUTPUT_UNWRITABLE` if it is a file or lies below one, or may not be written.
 */
export async function checkOutputFolder(dir: string): Promise<void> {
  if (dir.trim() === '') {
    throw new IteraError(
      'INVALID_ARGUMENT',
      'Expected the name of a folder to write, got none. "." is the current one.',
    );
  }
  for (let path = resolve(dir); ; path = dirname(path)) {
    try {
      if (!(await stat(path)).isDirectory()) throw unwritable(dir, `${path} is a file`);
      await access(path, constants.W_OK | constants.X_OK);
      return;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      // What does not exist will be made in the nearest folder above that does.
      const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
      if (!isMissing || path === dirname(path)) {
        throw cause instanceof IteraError ? cause : unwritable(dir, `${path}: ${code}`, cause);
      }
    }
  }
}

/**
 * Makes sure that what is written to one folder cannot overwrite, or be taken for, what another holds.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if `inner` is `outer` or lies in it, by whatever names.
 */
export async function refuseWithin(
  { option: innerOption, dir: inner }: { readonly option: string; readonly dir: string },
  { option: outerOption, dir: outer }: { readonly option: string; readonly dir: string },
): Promise<void> {
  const way = relative(await truePath(resolve(outer)), await truePath(resolve(inner)));
  if (way.split(sep)[0] === '..' || isAbsolute(way)) return;
  const message =
    `Expected ${innerOption} to lie outside of ${outerOption}, but ${inner} ${way === '' ? 'is' : 'lies in'} ${outer}. ` +
    'Name another folder.';
  throw new IteraError('INVALID_ARGUMENT', message, { inner, outer });
}

/** A path without links, as far as it exists. */
async function truePath(path: string): Promise<string> {
  const parent = dirname(path);
  return realpath(path).catch(async () => (parent === path ? path : join(await truePath(parent), basename(path))));
}

function unwritable(dir: string, reason: string, cause?: unknown): IteraError {
  return new IteraError(
    'OUTPUT_UNWRITABLE',
    `Expected to write the folder ${dir}, but could not (${reason}). Name a folder that you may write to.`,
    { dir },
    { cause },
  );
}
