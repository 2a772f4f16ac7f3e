import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IteraError } from '../core/errors.ts';
import {
  type DatasetEntry,
  datasetEntries,
  findDatasetEntry,
  type Split,
  splits,
  verifyDatasetFile,
} from './dataset-registry.ts';
import type { SeparatorKind, TextDocument } from './documents.ts';
import { findHoldOut, type HoldOut, isHeldOut } from './hold-out.ts';
import { preparedPaths, readPreparedRecord, verifyPreparedText } from './prepared-dataset-file.ts';
import { hashFile, unreadable } from './text-blocks-file.ts';
import {
  findTextSource,
  hashTextSource,
  readingOf,
  readTextDocuments,
  readTextSource,
  type TextSource,
} from './text-source-files.ts';

/** Where datasets are looked for. */
export interface DatasetPlaces {
  /** Folder with `<dataset>/<split>.txt`, looked at first; default: the environment variable `ITERA_DATA_DIR`. */
  readonly dataDir?: string;
  /** Folder of the cache, looked at next; default: `ITERA_CACHE_DIR`, else the user's cache folder. */
  readonly cacheDir?: string;
  /** Folder with the bundled texts; default: `texts` of this package. */
  readonly bundledDir?: string;
}

export interface OpenDatasetOptions extends DatasetPlaces {
  /** Default `test`; a file or folder given by path has no splits and ignores it, unless documents are held out. */
  readonly split?: Split;
  /**
   * Divides a file or folder given by path: split `valid` is about 2% of its documents, chosen by their content, and
   * `train` the others.
   */
  readonly holdOut?: boolean;
  /** Stops opening and reading. */
  readonly signal?: AbortSignal;
}

/** A text whose documents can be read, as often as wanted. */
export interface Dataset {
  /** Name in the registry, or that of the file or folder. */
  readonly name: string;
  /** Absent for a file or folder given by path, unless its documents were divided. */
  readonly split?: Split;
  readonly separator: SeparatorKind;
  readonly path: string;
  /** Of the file's content, in hexadecimal; of a folder's, see `hashTextSource`. */
  readonly sha256: string;
  /** What besides content and separator decides the documents: the field of records, a division. */
  readonly reading?: string;
  readonly sizeBytes: number;
  /** Whether the content is the published one; absent where no hash is known. */
  readonly verified?: boolean;
  /** Files of a folder that are not read. */
  readonly skipped?: readonly string[];
  /**
   * Reads the documents in order, holding one at a time.
   *
   * @throws {@link IteraError} `TEXT_INVALID_UTF8` with the offset in the file, `TEXT_EMPTY` if there is no document,
   * `DATASET_INVALID` or `FILE_CORRUPT` for damaged records, `FILE_UNREADABLE`, `ABORTED`.
   */
  documents(): AsyncIterable<TextDocument>;
}

/** A named dataset and where its splits are on this machine. */
export interface DatasetListing {
  readonly entry: DatasetEntry;
  readonly splits: readonly (FoundSplit & { readonly split: Split })[];
}

/** Where a split is on this machine; empty if it is not. */
export interface FoundSplit {
  readonly path?: string;
  readonly sizeBytes?: number;
  /** Which of the places that are looked at has it. */
  readonly place?: Place;
}

type Place = 'package' | 'data folder' | 'cache';

/**
 * Finds a dataset by name, or a text of the user's own by path, and reads its hash.
 *
 * @param nameOrPath - A name from the registry; else the path of a `.txt`, `.jsonl` or `.parquet` file or of a folder of
 * such files: see `findTextSource`. Documents of a text file are separated by lines `<|endoftext|>`; records are a
 * document each.
 * @throws {@link IteraError} `DATASET_UNKNOWN`, `DATASET_UNAVAILABLE` (also if documents are to be held out and there are
 * too few), `INVALID_ARGUMENT` for a split it lacks, `FILE_CORRUPT` if a valid or test split is not the published one or
 * a prepared text has changed, `TEXT_EMPTY`, `FILE_UNREADABLE`, `ABORTED`.
 */
export async function openDataset(nameOrPath: string, options: OpenDatasetOptions = {}): Promise<Dataset> {
  const entry = findDatasetEntry(nameOrPath);
  if (entry !== undefined) return openNamed(entry, options);
  const source = await findTextSource(nameOrPath, options.signal);
  if (source === undefined) throw unknownDataset(nameOrPath);
  return openSource(source, options);
}

/** Lists the named datasets; a split that is not on this machine has no path. */
export async function listDatasets(places: DatasetPlaces = {}): Promise<DatasetListing[]> {
  return Promise.all(
    datasetEntries.map(async (entry) => {
      const found = entry.splits.map(async (split) => ({ split, ...(await findSplit(entry, split, places)) }));
      return { entry, splits: await Promise.all(found) };
    }),
  );
}

async function openNamed(entry: DatasetEntry, options: OpenDatasetOptions): Promise<Dataset> {
  const { split = 'test', signal } = options;
  if (!entry.splits.includes(split)) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected a split of ${entry.name} (${entry.splits.join(', ')}), got ${JSON.stringify(split)}.`,
      { dataset: entry.name, split, splits: entry.splits },
    );
  }
  const { path, sizeBytes, place } = await findSplit(entry, split, options);
  if (path === undefined || sizeBytes === undefined) throw unavailableDataset(entry, split, options);
  const sha256 = await hashFile(path, signal);
  const paths = preparedPaths(entry.name, split, options.cacheDir);
  const record = place === 'cache' ? await readPreparedRecord(paths.record) : undefined;
  if (record !== undefined) verifyPreparedText(record, sha256, path);
  const isPublished = verifyDatasetFile(entry, split, sha256, path);
  // What was prepared here came from files with the hashes that the Hub states.
  const verified = record === undefined ? isPublished : true;
  if (sizeBytes === 0) throw emptyText(path);
  const separator = entry.separator[split] ?? 'endoftext';
  return {
    name: entry.name,
    split,
    separator,
    path,
    sha256,
    sizeBytes,
    ...(verified === undefined ? {} : { verified }),
    documents: () => notEmpty(readTextDocuments(path, separator, signal), path),
  };
}

async function openSource(source: TextSource, options: OpenDatasetOptions): Promise<Dataset> {
  const { split = 'test', holdOut: isDivided = false, signal } = options;
  const { name, path, sizeBytes, skipped } = source;
  const sha256 = await hashTextSource(source, signal);
  if (sizeBytes === 0) throw emptyText(path);
  const all = (): AsyncGenerator<TextDocument> => notEmpty(readTextSource(source, signal), path);
  const holdOut = isDivided && split !== 'test' ? await findHoldOut(all()) : undefined;
  if (isDivided && split === 'valid' && holdOut === undefined) throw indivisible(path);
  const reading = [readingOf(source), holdOut && `${split} below ${holdOut.bound}`].filter(Boolean).join(', ');
  return {
    name,
    ...(holdOut && { split }),
    separator: 'endoftext',
    path,
    sha256,
    ...(reading !== '' && { reading }),
    sizeBytes,
    ...(skipped.length > 0 && { skipped }),
    documents: holdOut ? () => chooseDocuments(all(), holdOut, split === 'valid') : all,
  };
}

async function* chooseDocuments(
  documents: AsyncIterable<TextDocument>,
  holdOut: HoldOut,
  heldOut: boolean,
): AsyncGenerator<TextDocument> {
  for await (const document of documents) if (isHeldOut(holdOut, document) === heldOut) yield document;
}

async function* notEmpty(documents: AsyncIterable<TextDocument>, path: string): AsyncGenerator<TextDocument> {
  let isEmpty = true;
  for await (const document of documents) {
    isEmpty = false;
    yield document;
  }
  if (isEmpty) throw emptyText(path);
}

async function findSplit(entry: DatasetEntry, split: Split, places: DatasetPlaces): Promise<FoundSplit> {
  for (const { path, place } of candidates(entry, split, places)) {
    const sizeBytes = await fileSize(path);
    if (sizeBytes !== undefined) return { path, sizeBytes, place };
  }
  return {};
}

/** Where a split may be, in the order of looking. */
function candidates(entry: DatasetEntry, split: Split, places: DatasetPlaces) {
  // From src/data and from dist/data alike, the package's root is two folders up.
  const bundledDir = places.bundledDir ?? fileURLToPath(new URL('../../texts', import.meta.url));
  const folder = entry.bundled ? bundledDir : dataFolder(places);
  const found: { path: string; place: Place }[] = [];
  if (folder) {
    const place = entry.bundled ? 'package' : 'data folder';
    found.push({ path: resolve(join(folder, entry.name, `${split}.txt`)), place });
  }
  if (!entry.bundled) found.push({ path: preparedPaths(entry.name, split, places.cacheDir).text, place: 'cache' });
  return found;
}

const dataFolder = (places: DatasetPlaces): string | undefined => places.dataDir || process.env['ITERA_DATA_DIR'];

/** Size in bytes, or `undefined` if there is no such file. */
async function fileSize(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
    throw unreadable(path, cause);
  }
}

function unknownDataset(nameOrPath: string): IteraError {
  const names = datasetEntries.map(({ name }) => name);
  return new IteraError(
    'DATASET_UNKNOWN',
    `Expected the name of a dataset (${names.join(', ')}) or the path of a text, .jsonl or .parquet file or of a folder ` +
      `of such files, got ${JSON.stringify(nameOrPath)}.`,
    { nameOrPath, names, splits },
  );
}

function unavailableDataset(entry: DatasetEntry, split: Split, places: DatasetPlaces): IteraError {
  const [first] = candidates(entry, split, places);
  const isDataFolder = entry.bundled || Boolean(dataFolder(places));
  const looked = isDataFolder
    ? `there is no file ${first?.path}${entry.bundled ? '' : ', nor is it in the cache'}`
    : 'no data folder is set and the cache does not have it';
  const download = entry.hub
    ? `Download it (${entry.hub.download[split]}): itera-lite datasets download ${entry.name} --split ${split}. Or get`
    : 'Get';
  const advice = entry.bundled
    ? 'Install the package again: the bundled texts belong to it.'
    : `${download} it from ${entry.source}, save it as <folder>/${entry.name}/${split}.txt and name the folder with ` +
      '--data-dir or ITERA_DATA_DIR.';
  return new IteraError('DATASET_UNAVAILABLE', `Expected ${entry.name} (${split}), but ${looked}. ${advice}`, {
    dataset: entry.name,
    split,
    path: isDataFolder ? first?.path : undefined,
  });
}

function indivisible(path: string): IteraError {
  return new IteraError(
    'DATASET_UNAVAILABLE',
    `Expected at least two different documents in ${path}, to hold some out for validation, got one. Separate documents ` +
      'by lines <|endoftext|>.',
    { path },
  );
}

function emptyText(path: string): IteraError {
  return new IteraError('TEXT_EMPTY', `Expected text in ${path}, got an empty file or only white space.`, { path });
}
