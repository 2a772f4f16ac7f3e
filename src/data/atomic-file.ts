import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

export interface ReplaceFileOptions {
  /** Who may read and write it, as `0o600`, from its first byte on. Default: what the process's umask leaves of 0o666. */
  readonly mode?: number;
}

/**
 * Replaces a file whole or not at all: the content is written beside it, forced to the disk and renamed over it. Whoever
 * reads the path finds the old content or the new one, also after a crash, a kill or on a full disk.
 *
 * @throws what the file system throws; the old file is then untouched and nothing is left beside it.
 * @remarks A write to a full disk may store a part and report no error; `FileHandle.writeFile` goes on with the rest and
 * so meets the error, where a single `write` would have renamed the part over the good file.
 */
export async function replaceFile(
  path: string,
  content: Uint8Array | string,
  { mode }: ReplaceFileOptions = {},
): Promise<void> {
  const beside = `${path}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    const file = await open(beside, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
}
