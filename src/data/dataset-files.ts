import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { createUtf8Decoder } from '../text/utf8.ts';
import {
  type DatasetEntry,
  datasetEntries,
  findDatasetEntry,
  type Split,
  splits,
  verifyDatasetFile,
} from './dataset-registry.ts';
import { createDocumentSplitter, type SeparatorKind, type TextDocument } from './documents.ts';

/** Where datasets are looked for. */
export interface DatasetPlaces {
  /** Folder with `<dataset>/<split>.txt`; default: the environment variable `ITERA_DATA_DIR`. */
  readonly dataDir?: string;
  /** Folder with the bundled texts; default: `texts` of this package. */
  readonly bundledDir?: string;
}

export interface OpenDatasetOptions extends DatasetPlaces {
  /** Default `test`; a file given by path has no splits and ignores it. */
  readonly split?: Split;
  /** Stops opening and reading. */
  readonly signal?: AbortSignal;
}

/** A text file whose documents can be read, as often as wanted. */
export interface Dataset {
  /** Name in the registry, or the file's name. */
  readonly name: string;
  /** Absent for a file given by path. */
  readonly split?: Split;
  readonly separator: SeparatorKind;
  readonly path: string;
  /** Of the file's content, in hexadecimal. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Whether the content is the published one; absent where no hash is known. */
  readonly verified?: boolean;
  /**
   * Reads the documents in order, holding one at a time.
   *
   * @throws {@link IteraError} `TEXT_INVALID_UTF8` with the offset in the file, `TEXT_EMPTY` if there is no document,
   * `FILE_UNREADABLE`, `ABORTED`.
   */
  documents(): AsyncIterable<TextDocument>;
}

/** A named dataset and where its splits are on this machine. */
export interface DatasetListing {
  readonly entry: DatasetEntry;
  readonly splits: readonly { readonly split: Split; readonly path?: string; readonly sizeBytes?: number }[];
}

const blockBytes = 2 ** 16;

/**
 * Finds a dataset by name, or a text file by path, and reads its hash.
 *
 * @param nameOrPath - A name from the registry; else the path of a UTF-8 text file, whose documents are separated by
 * lines `<|endoftext|>`. A byte order mark at the start is skipped.
 * @throws {@link IteraError} `DATASET_UNKNOWN`, `DATASET_UNAVAILABLE`, `INVALID_ARGUMENT` for a split it lacks,
 * `FILE_CORRUPT` if a valid or test split is not the published one, `TEXT_EMPTY`, `FILE_UNREADABLE`, `ABORTED`.
 */
export async function openDataset(nameOrPath: string, options: OpenDatasetOptions = {}): Promise<Dataset> {
  const { split = 'test', signal } = options;
  const entry = findDatasetEntry(nameOrPath);
  if (entry !== undefined && !entry.splits.includes(split)) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected a split of ${entry.name} (${entry.splits.join(', ')}), got ${JSON.stringify(split)}.`,
      { dataset: entry.name, split, splits: entry.splits },
    );
  }
  const path = entry === undefined ? resolve(nameOrPath) : splitPath(entry, split, options);
  const sizeBytes = path === undefined ? undefined : await fileSize(path);
  if (path === undefined || sizeBytes === undefined) {
    throw entry === undefined ? unknownDataset(nameOrPath) : unavailableDataset(entry, split, path);
  }
  const sha256 = await hashFile(path, signal);
  const verified = entry === undefined ? undefined : verifyDatasetFile(entry, split, sha256, path);
  if (sizeBytes === 0) throw emptyText(path);
  const separator = entry?.separator[split] ?? 'endoftext';
  return {
    name: entry?.name ?? basename(path),
    ...(entry === undefined ? {} : { split }),
    separator,
    path,
    sha256,
    sizeBytes,
    ...(verified === undefined ? {} : { verified }),
    documents: () => readDocuments(path, separator, signal),
  };
}

/** Lists the named datasets; a split that is not on this machine has no path. */
export async function listDatasets(places: DatasetPlaces = {}): Promise<DatasetListing[]> {
  return Promise.all(
    datasetEntries.map(async (entry) => {
      const found = entry.splits.map(async (split) => {
        const path = splitPath(entry, split, places);
        const sizeBytes = path === undefined ? undefined : await fileSize(path);
        return path === undefined || sizeBytes === undefined ? { split } : { split, path, sizeBytes };
      });
      return { entry, splits: await Promise.all(found) };
    }),
  );
}

function splitPath(entry: DatasetEntry, split: Split, places: DatasetPlaces): string | undefined {
  // From src/data and from dist/data alike, the package's root is two folders up.
  const bundledDir = places.bundledDir ?? fileURLToPath(new URL('../../texts', import.meta.url));
  const folder = entry.bundled ? bundledDir : places.dataDir || process.env['ITERA_DATA_DIR'];
  return folder ? resolve(join(folder, entry.name, `${split}.txt`)) : undefined;
}

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

async function hashFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const block of readBlocks(path, signal)) hash.update(block);
  return hash.digest('hex');
}

async function* readDocuments(
  path: string,
  separator: SeparatorKind,
  signal: AbortSignal | undefined,
): AsyncGenerator<TextDocument> {
  const decoder = createUtf8Decoder();
  const splitter = createDocumentSplitter(separator);
  let atStart = true;
  let count = 0;
  for await (const block of readBlocks(path, signal)) {
    let text = decoder.push(block);
    if (atStart && text !== '') {
      if (text.startsWith('\uFEFF')) text = text.slice(1);
      atStart = false;
    }
    for (const document of splitter.push(text)) {
      count++;
      yield document;
    }
  }
  decoder.end();
  for (const document of splitter.end()) {
    count++;
    yield document;
  }
  if (count === 0) throw emptyText(path);
}

async function* readBlocks(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal);
  const stream = createReadStream(path, { highWaterMark: blockBytes });
  try {
    for await (const block of stream) {
      throwIfAborted(signal);
      yield block as Uint8Array;
    }
  } catch (cause) {
    throw cause instanceof IteraError ? cause : unreadable(path, cause);
  }
}

function unknownDataset(nameOrPath: string): IteraError {
  const names = datasetEntries.map(({ name }) => name);
  return new IteraError(
    'DATASET_UNKNOWN',
    `Expected the name of a dataset (${names.join(', ')}) or the path of a text file, got ${JSON.stringify(nameOrPath)}.`,
    { nameOrPath, names, splits },
  );
}

function unavailableDataset(entry: DatasetEntry, split: Split, path: string | undefined): IteraError {
  const looked = path === undefined ? 'no data folder is set' : `there is no file ${path}`;
  const advice = entry.bundled
    ? 'Install the package again: the bundled texts belong to it.'
    : `Get it from ${entry.source}, save it as <folder>/${entry.name}/${split}.txt and name the folder with --data-dir ` +
      'or ITERA_DATA_DIR.';
  return new IteraError('DATASET_UNAVAILABLE', `Expected ${entry.name} (${split}), but ${looked}. ${advice}`, {
    dataset: entry.name,
    split,
    path,
  });
}

function emptyText(path: string): IteraError {
  return new IteraError('TEXT_EMPTY', `Expected text in ${path}, got an empty file or only white space.`, { path });
}

function unreadable(path: string, cause: unknown): IteraError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new IteraError('FILE_UNREADABLE', `Could not read ${path}: ${reason}`, { path }, { cause });
}
