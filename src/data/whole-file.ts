import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Reads a file whole, as `readFile` does, but never waits for a named pipe or a device that nobody writes to.
 *
 * @throws what the file system throws; with code `ENOTFILE` for what is neither a file nor a folder.
 */
export async function readWholeFile(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  const handle = await openFile(path);
  try {
    return await handle.readFile(signal ? { signal } : {});
  } finally {
    await handle.close();
  }
}

/** Opens a file (or folder, which reading then refuses) to read it; throws as {@link readWholeFile}. */
export async function openFile(path: string): Promise<FileHandle> {
  // Without O_NONBLOCK (which Windows lacks, and has no need of) opening a pipe already waits, and cannot be aborted.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await handle.stat();
    if (found.isFile() || found.isDirectory()) return handle;
    throw Object.assign(new Error(`ENOTFILE: not a file, open '${path}'`), { code: 'ENOTFILE' });
  } catch (error) {
    await handle.close();
    throw error;
  }
}
