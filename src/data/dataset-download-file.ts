import { readdir, rm, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { type DatasetEntry, datasetEntries, type HubSource, type Split } from './dataset-registry.ts';
import { makeFolder } from './folder-file.ts';
import { withFolderLock } from './folder-lock-file.ts';
import { downloadHubFile } from './hub-download-file.ts';
import { type HubFile, type HubListing, listHubFiles } from './hub-listing-file.ts';
import { makeText, prepareText, writing } from './hub-prepare-file.ts';
import type { HubAccess } from './hub-request-file.ts';
import { type HubSettings, readHubSettings } from './hub-settings-file.ts';
import { preparedFolder, preparedPaths, readPreparedRecord } from './prepared-dataset-file.ts';
import { hashFile } from './text-blocks-file.ts';

/** How far a download is. */
export interface DownloadProgress {
  /** Of all files of this call, in bytes. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Over this call so far, without what was there before. */
  readonly bytesPerSecond: number;
  /** Seconds left at that rate; absent before there is one. */
  readonly etaSeconds?: number;
  readonly file: string;
}

/** What is downloaded, from where and to where. */
export interface DownloadDatasetOptions extends Partial<HubAccess> {
  /** Default: all that the dataset has. */
  readonly splits?: readonly Split[];
  /** Default: `ITERA_CACHE_DIR`, else the user's cache folder. */
  readonly cacheDir?: string;
  /** Makes again what is there. */
  readonly force?: boolean;
  /** Default: from the environment, see `readHubSettings`. */
  readonly settings?: HubSettings;
  /** Whenever bytes have arrived. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** What is being done, in words. */
  readonly onStage?: (stage: string) => void;
}

/** A split that is now in the cache. */
export interface DownloadedSplit {
  readonly dataset: string;
  readonly split: Split;
  /** Of the text. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the text, hexadecimal. */
  readonly sha256: string;
  /** Whether it was there already. */
  readonly status: 'present' | 'downloaded';
}

/**
 * Downloads splits of a dataset from the Hugging Face Hub and prepares their texts in the cache, with a record of where
 * they came from. What an interrupted call has fetched is used by the next. Several processes may call this at once.
 *
 * @param dataset - A name from the registry, or an entry of its form.
 * @throws {@link IteraError} `DATASET_UNKNOWN`; `INVALID_ARGUMENT` for a split it lacks or one that cannot be downloaded;
 *   `DATASET_UNAVAILABLE` if `HF_HUB_OFFLINE` forbids requests or the repository has other files; `FILE_CORRUPT` if a
 *   file or a text made from it has the wrong hash; `DOWNLOAD_REFUSED`, `DOWNLOAD_FAILED`, `OUTPUT_UNWRITABLE`,
 *   `ABORTED`.
 */
export async function downloadDataset(
  dataset: string | DatasetEntry,
  options: DownloadDatasetOptions = {},
): Promise<DownloadedSplit[]> {
  const entry = typeof dataset === 'string' ? datasetEntries.find(({ name }) => name === dataset) : dataset;
  if (entry === undefined) throw unknownDataset(String(dataset));
  const { hub } = entry;
  if (hub === undefined) throw notDownloadable(entry);
  const splits = options.splits ?? entry.splits;
  for (const split of splits) if (hub.files[split] === undefined) throw noSuchSplit(entry, split);
  const folder = preparedFolder(entry.name, options.cacheDir);
  await writing(folder, () => makeFolder(folder));
  return withFolderLock(folder, () => downloadSplits(entry, hub, splits, folder, options), {
    signal: options.signal,
    onWait: (holder) => options.onStage?.(`waiting for another process that downloads ${entry.name} (${holder})`),
  });
}

async function downloadSplits(
  entry: DatasetEntry,
  hub: HubSource,
  splits: readonly Split[],
  folder: string,
  options: DownloadDatasetOptions,
): Promise<DownloadedSplit[]> {
  await removeUnfinished(folder);
  const present = new Map<Split, DownloadedSplit>();
  if (!options.force) {
    for (const split of splits) {
      const found = await findPresent(entry, split, options);
      if (found) present.set(split, found);
    }
  }
  const missing = splits.filter((split) => !present.has(split));
  if (missing.length > 0) {
    const settings = options.settings ?? readHubSettings();
    if (settings.offline) throw offline(entry, missing);
    const access: HubAccess = { ...options, settings };
    options.onStage?.(`listing ${hub.repository} at ${new URL(settings.endpoint).host}`);
    const needed = neededFiles(hub, missing);
    const folders = [...new Set(needed.map(folderOf))];
    const listing = await listHubFiles(hub.repository, hub.revision, folders, access);
    const chosen = new Map(needed.map((pattern) => [pattern, chooseFiles(listing, pattern, hub)] as const));
    const files = [...new Set([...chosen.values()].flat())];
    const paths = await fetchFiles(files, join(folder, 'downloads'), access, options);
    for (const split of missing) {
      options.onStage?.(`preparing ${entry.name} ${split}`);
      const pathsOf = (pattern: string) => (chosen.get(pattern) ?? []).map((file) => paths.get(file) ?? '');
      const { sha256, sizeBytes } = await prepareText(
        entry,
        hub,
        split,
        makeText(hub, split, pathsOf, options.signal),
        {
          endpoint: settings.endpoint,
          commit: listing.commit,
          files: neededFiles(hub, [split]).flatMap((pattern) => chosen.get(pattern) ?? []),
        },
        options.cacheDir,
      );
      const path = preparedPaths(entry.name, split, options.cacheDir).text;
      present.set(split, { dataset: entry.name, split, path, sizeBytes, sha256, status: 'downloaded' });
    }
    // The texts are what is used; another call would check and use these only if they were not made.
    await rm(join(folder, 'downloads'), { recursive: true, force: true });
  }
  return splits.map((split) => present.get(split) as DownloadedSplit);
}

async function findPresent(
  entry: DatasetEntry,
  split: Split,
  { cacheDir, signal }: DownloadDatasetOptions,
): Promise<DownloadedSplit | undefined> {
  const paths = preparedPaths(entry.name, split, cacheDir);
  const record = await readPreparedRecord(paths.record);
  const found = await stat(paths.text).catch(() => undefined);
  if (!record || found?.size !== record.sizeBytes || (await hashFile(paths.text, signal)) !== record.sha256) return;
  const { sha256, sizeBytes } = record;
  return { dataset: entry.name, split, path: paths.text, sizeBytes, sha256, status: 'present' };
}

/** Patterns of the files that some splits are made from. */
function neededFiles({ files, form }: HubSource, splits: readonly Split[]): string[] {
  // The training stories of the Hub hold some of the validation stories, which are taken out.
  const needed = splits.flatMap((split) => [
    files[split] ?? '',
    ...(form === 'tinystories' && split === 'train' ? [files.valid ?? ''] : []),
  ]);
  return [...new Set(needed)];
}

/** All parts that a pattern names, in order. */
function chooseFiles({ files }: HubListing, pattern: string, { repository }: HubSource): HubFile[] {
  const [before = '', after] = pattern.split('*');
  const found = files
    .filter(({ path }) => (after === undefined ? path === pattern : path.startsWith(before) && path.endsWith(after)))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  // Parts are numbered like 00000-of-00004; without one of them the text would have a gap.
  const stated = Number(/-of-(\d+)/.exec(found[0]?.path ?? '')?.[1] ?? 1);
  if (found.length === (after === undefined ? 1 : stated)) return found;
  throw new IteraError(
    'DATASET_UNAVAILABLE',
    `Expected ${repository} to have ${pattern} (${stated} parts), got ${found.length}: the repository has changed, or a ` +
      'mirror lacks files. Check HF_ENDPOINT, and for a newer version of this package.',
    { repository, pattern, found: found.map(({ path }) => path) },
  );
}

/** Downloads files, one after the other, and tells how far all of them are. */
async function fetchFiles(
  files: readonly HubFile[],
  folder: string,
  access: HubAccess,
  { onProgress }: DownloadDatasetOptions,
): Promise<Map<HubFile, string>> {
  await removeOthers(folder, files);
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const paths = new Map<HubFile, string>();
  const startedAt = performance.now();
  let before = 0;
  let received = 0;
  for (const file of files) {
    throwIfAborted(access.signal);
    const path = join(folder, localName(file));
    let last: number | undefined;
    await downloadHubFile(file, path, {
      ...access,
      onProgress(bytes) {
        // What the first report finds was there already.
        received += Math.max(0, bytes - (last ?? bytes));
        last = bytes;
        const bytesPerSecond = received / ((performance.now() - startedAt) / 1000);
        const doneBytes = before + bytes;
        const etaSeconds = bytesPerSecond > 0 ? { etaSeconds: (totalBytes - doneBytes) / bytesPerSecond } : {};
        onProgress?.({ doneBytes, totalBytes, bytesPerSecond, ...etaSeconds, file: file.path });
      },
    });
    before += file.sizeBytes;
    paths.set(file, path);
  }
  return paths;
}

/** Named by content: what an older commit had in common with this one need not be fetched again. */
const localName = ({ path, hash }: HubFile): string => `${hash.value}${extname(basename(path))}`;

/** What a process that was killed while it prepared a text has left; nobody else prepares one now. */
async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.endsWith('.tmp')) await rm(join(folder, name), { force: true });
}

/** Parts of files that the repository no longer has. */
async function removeOthers(folder: string, files: readonly HubFile[]): Promise<void> {
  const wanted = files.map(localName);
  for (const name of await readdir(folder).catch(() => [])) {
    if (!wanted.some((file) => name.startsWith(file))) await rm(join(folder, name), { recursive: true, force: true });
  }
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

function offline(entry: DatasetEntry, missing: readonly Split[]): IteraError {
  return new IteraError(
    'DATASET_UNAVAILABLE',
    `Expected ${entry.name} (${missing.join(', ')}) in the cache, but it is not there and HF_HUB_OFFLINE forbids ` +
      'downloading it. Unset HF_HUB_OFFLINE, or put the texts into a folder named by ITERA_DATA_DIR.',
    { dataset: entry.name, splits: missing },
  );
}

function unknownDataset(name: string): IteraError {
  const names = datasetEntries.filter(({ hub }) => hub).map((entry) => entry.name);
  return new IteraError(
    'DATASET_UNKNOWN',
    `Expected the name of a dataset that can be downloaded (${names.join(', ')}), got ${JSON.stringify(name)}.`,
    { name, names },
  );
}

function notDownloadable({ name }: DatasetEntry): IteraError {
  return new IteraError('INVALID_ARGUMENT', `Expected a dataset to download, but ${name} is part of this package.`, {
    name,
  });
}

function noSuchSplit({ name, splits }: DatasetEntry, split: Split): IteraError {
  return new IteraError(
    'INVALID_ARGUMENT',
    `Expected a split of ${name} (${splits.join(', ')}), got ${JSON.stringify(split)}.`,
    { dataset: name, split, splits },
  );
}
