import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
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

function unwritable(dir: string, reason: string, cause?: unknown): IteraError {
  return new IteraError(
    'OUTPUT_UNWRITABLE',
    `Expected to write the folder ${dir}, but could not (${reason}). Name a folder that you may write to.`,
    { dir },
    { cause },
  );
}
