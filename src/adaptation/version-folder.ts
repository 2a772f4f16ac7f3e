import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { makeFolder } from '../data/folder-file.ts';
import { withFolderLock } from '../data/folder-lock-file.ts';
import { hashFile } from '../data/text-blocks-file.ts';
import { copyFiles, copyModelFiles, writeIntoFolder } from '../models/model-copy-file.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { readVariantRecords } from '../models/variants.ts';
import type { Deployment, ModelVersion, NewVersion } from './store/store-records.ts';

/** Folders that are being made begin with it; whatever has it without a run is left over from a crash. */
const makingPrefix = '.making-';

/** A new folder for a run's candidate, beside the versions; it is made when something is written into it. */
export const makingFolder = (versionsDir: string, runId: string): string =>
  join(versionsDir, `${makingPrefix}${runId}`);

/** The id of the version after those that there are. */
export const nextVersionId = (versions: readonly ModelVersion[]): string =>
  `v${1 + versions.reduce((most, { id }) => Math.max(most, Number(id.slice(1))), 0)}`;

/**
 * Copies a model as the first version, with the compressed variants it records.
 *
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`, `FILE_UNREADABLE`.
 */
export async function copyBaseVersion(folder: ModelFolder, model: string, versionsDir: string): Promise<NewVersion> {
  const making = makingFolder(versionsDir, randomUUID());
  await copyModelFiles(folder, making);
  const others = ['config.json', ...(folder.sha256['itera.json'] === undefined ? [] : ['itera.json'])];
  const variants = Object.values(readVariantRecords(folder.itera)).map(({ file }) => file);
  await copyFiles(folder.dir, making, [...others, ...variants]);
  const files = await settleVersion(making, versionsDir, 'v1');
  return { id: 'v1', model, folder: 'v1', files, state: 'kept' };
}

/**
 * Gives a folder that has been made its place among the versions. What was there is from a run that crashed before it was
 * recorded, and is replaced.
 *
 * @returns The sha256 of its files, by path.
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`, `FILE_UNREADABLE`.
 */
export async function settleVersion(
  making: string,
  versionsDir: string,
  id: string,
): Promise<Readonly<Record<string, string>>> {
  const files = await hashFolder(making);
  const place = join(versionsDir, id);
  try {
    await rm(place, { recursive: true, force: true });
    await rename(making, place);
    await syncFolder(versionsDir);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IteraError('OUTPUT_UNWRITABLE', `Could not write ${place}: ${reason}`, { path: place }, { cause });
  }
  return files;
}

/** The folder's own entries reach the disk too, or a crash of the machine could lose the rename. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    // Windows cannot.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  } finally {
    await folder.close();
  }
}

/** The sha256 of every file of a folder, by path with `/`. */
async function hashFolder(dir: string, signal?: AbortSignal): Promise<Record<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  const hashes: Record<string, string> = {};
  for (const path of paths.sort()) {
    throwIfAborted(signal);
    hashes[relative(dir, path).split(sep).join('/')] = await hashFile(path, signal);
  }
  return hashes;
}

/**
 * What is wrong with a version's folder: files that are missing, changed, or should not be there; empty if nothing is.
 *
 * @throws {@link IteraError} `FILE_UNREADABLE`, `ABORTED`.
 */
export async function findVersionFaults(
  { folder, files }: ModelVersion,
  versionsDir: string,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const found = await hashFolder(join(versionsDir, folder), signal).catch((error: unknown) => {
    if (error instanceof IteraError) throw error;
    return undefined;
  });
  if (!found) return ['its folder is missing'];
  return [
    ...Object.entries(files).flatMap(([path, hash]) => {
      if (found[path] === undefined) return [`${path} is missing`];
      return found[path] === hash ? [] : [`${path} was changed`];
    }),
    ...Object.keys(found).flatMap((path) => (files[path] === undefined ? [`${path} was added`] : [])),
  ];
}

/**
 * Makes sure that a version is what was recorded.
 *
 * @returns Its folder.
 * @throws {@link IteraError} `VERSION_CORRUPT`.
 */
export async function checkVersion(version: ModelVersion, versionsDir: string, signal?: AbortSignal): Promise<string> {
  const faults =
    version.state === 'deleted' ? ['it was deleted'] : await findVersionFaults(version, versionsDir, signal);
  const path = join(versionsDir, version.folder);
  if (faults.length === 0) return path;
  const message = `Expected version ${version.id} in ${path} as it was made, but ${faults.join(', ')}. Use another version, or restore the folder.`;
  throw new IteraError('VERSION_CORRUPT', message, { version: version.id, faults });
}

/** In the folder of the versions, says whose they are. */
const ownerName = 'store.json';

/**
 * Makes the folder of a store's versions, if need be.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if it is another store's, whose versions have the same names;
 *   `OUTPUT_UNWRITABLE`, `ABORTED`.
 */
export async function claimVersionsFolder(versionsDir: string, storeId: string, signal?: AbortSignal): Promise<void> {
  await makeVersionsFolder(versionsDir);
  const path = join(versionsDir, ownerName);
  const owner = await withFolderLock(
    versionsDir,
    async () => {
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text === undefined) await writeIntoFolder(path, `${JSON.stringify({ store: storeId })}\n`);
      return text;
    },
    { signal, pollMs: 20 },
  );
  if (owner === undefined || owner.includes(storeId)) return;
  const message = `Expected a folder of versions of this store, got that of another: ${versionsDir}. Name another folder with --versions.`;
  throw new IteraError('INVALID_ARGUMENT', message, { versionsDir });
}

async function makeVersionsFolder(versionsDir: string): Promise<void> {
  try {
    await makeFolder(versionsDir);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `Could not make the folder of versions ${versionsDir}: ${reason}`;
    throw new IteraError('OUTPUT_UNWRITABLE', message, { path: versionsDir }, { cause });
  }
}

/**
 * Removes what crashed runs left: folders in the making, and those of versions that were recorded as deleted. Only for
 * whoever has the running run.
 */
export async function removeLeftovers(versions: readonly ModelVersion[], versionsDir: string): Promise<void> {
  const names = await readdir(versionsDir).catch(() => [] as string[]);
  const deleted = new Set(versions.flatMap(({ state, folder }) => (state === 'deleted' ? [folder] : [])));
  for (const name of names) {
    if (name.startsWith(makingPrefix) || deleted.has(name)) {
      await rm(join(versionsDir, name), { recursive: true, force: true });
    }
  }
}

/**
 * The versions that may go: all but the first, those that answer or would after a rollback, and the newest `keep` others.
 */
export function dispensableVersions(
  versions: readonly ModelVersion[],
  deployment: Deployment,
  keep: number,
): readonly ModelVersion[] {
  const needed = new Set(['v1', deployment.promoted, deployment.previous, deployment.canary?.version]);
  const others = versions.filter(({ id, state }) => state !== 'deleted' && !needed.has(id));
  return others.slice(0, Math.max(0, others.length - keep));
}

/** The folder where a store's versions are unless another is named: within an embedded store, else here. */
export const defaultVersionsDir = (store: { readonly kind: string; readonly location: string }): string =>
  store.kind === 'embedded' ? join(store.location, 'versions') : join(dirname('.'), 'itera-versions');
