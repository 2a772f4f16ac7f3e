import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The files in which a system tells of itself, `/sys` above all; tests give recorded ones. */
export interface SystemFiles {
  /** Names in a folder, sorted; none if there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** The text of a file, without white space around it; rejects as `readFile` does. */
  read(path: string): Promise<string>;
}

/** @param root - Folder that holds `sys` and `proc`; another than `/` for recorded trees. */
export function systemFiles(root = '/'): SystemFiles {
  return {
    list: async (folder) => (await readdir(join(root, folder)).catch(() => [])).sort(),
    read: async (path) => (await readFile(join(root, path), 'utf8')).trim(),
  };
}

/** The text of a file, or undefined if it cannot be read. */
export const tryRead = (files: SystemFiles, path: string): Promise<string | undefined> =>
  files.read(path).catch(() => undefined);

/** Why a file could not be read: `ENOENT`, `EACCES` and the like. */
export const faultCode = (error: unknown): string =>
  (error as NodeJS.ErrnoException | undefined)?.code ?? String(error);

/** Whether it is rights that are missing. */
export const isDenied = (error: unknown): boolean => ['EACCES', 'EPERM'].includes(faultCode(error));
