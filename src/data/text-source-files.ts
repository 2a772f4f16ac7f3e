import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { createDocumentSplitter, recordDocuments, type SeparatorKind, type TextDocument } from './documents.ts';
import { readJsonLines } from './json-lines-file.ts';
import { readParquetTexts } from './parquet-file.ts';
import { hashFile, readTextBlocks, unreadable } from './text-blocks-file.ts';

/** A file of the user's own, or all that can be read in a folder. */
export interface TextSource {
  /** Name of the file or folder, with the field if one was named. */
  readonly name: string;
  readonly path: string;
  /** Absolute paths, in the order of reading. */
  readonly files: readonly string[];
  readonly sizeBytes: number;
  /** The field of JSON objects or column of tables that holds the texts. */
  readonly field: string;
  readonly isFolder: boolean;
  /** Files in the folder that are not read: of other kinds, and links. */
  readonly skipped: readonly string[];
}

type Kind = 'text' | 'lines' | 'table';

const kinds: Readonly<Record<string, Kind>> = { txt: 'text', jsonl: 'lines', ndjson: 'lines', parquet: 'table' };
const defaultField = 'text';

/**
 * Finds what a path names.
 *
 * @param nameOrPath - A file or a folder; `#field` after it names the field or column of the texts, unless a file of the
 * whole name exists. A file of another kind than `.jsonl`, `.ndjson` and `.parquet` is read as text. In a folder, those
 * and `.txt` are read, in the order of their paths and down to the last folder; what is hidden or a link is not.
 * @returns `undefined` if there is nothing.
 * @throws {@link IteraError} `TEXT_EMPTY` for a folder without such a file, `INVALID_ARGUMENT` for a field of a text
 * file, `FILE_UNREADABLE`, `ABORTED`.
 */
export async function findTextSource(nameOrPath: string, signal?: AbortSignal): Promise<TextSource | undefined> {
  if (nameOrPath === '') return undefined;
  const mark = nameOrPath.lastIndexOf('#');
  const named = await look(resolve(nameOrPath));
  const isWhole = named !== undefined || mark <= 0;
  const path = resolve(isWhole ? nameOrPath : nameOrPath.slice(0, mark));
  const field = isWhole ? defaultField : nameOrPath.slice(mark + 1);
  const found = isWhole ? named : await look(path);
  if (found === undefined || field === '') return undefined;
  const name = field === defaultField ? basename(path) : `${basename(path)}#${field}`;
  if (!found.isFolder) {
    if (!isWhole && kindOf(path) === 'text') {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected a .jsonl or .parquet file before #${field}, got ${path}, whose text has no fields. Leave #${field} out.`,
        { path, field },
      );
    }
    return { name, path, files: [path], sizeBytes: found.sizeBytes, field, isFolder: false, skipped: [] };
  }
  const files: string[] = [];
  const skipped: string[] = [];
  await walk(path, files, skipped, signal);
  if (files.length === 0) throw nothingToRead(path, skipped);
  let sizeBytes = 0;
  for (const file of files) sizeBytes += (await look(file))?.sizeBytes ?? 0;
  return { name, path, files, sizeBytes, field, isFolder: true, skipped };
}

/**
 * The sha256 of a file; of a folder, that of the lines `<sha256>  <path within the folder>`, as `sha256sum` prints them.
 */
export async function hashTextSource({ path, files, isFolder }: TextSource, signal?: AbortSignal): Promise<string> {
  if (!isFolder) return hashFile(path, signal);
  const hash = createHash('sha256');
  for (const file of files) {
    const inside = relative(path, file).split(sep).join('/');
    hash.update(`${await hashFile(file, signal)}  ${inside}\n`);
  }
  return hash.digest('hex');
}

/** What besides its content decides a source's documents; `undefined` for a text file. */
export function readingOf({ files, field, isFolder }: TextSource): string | undefined {
  if (isFolder) return `folder ${field}`;
  return kindOf(files[0] ?? '') === 'text' ? undefined : `records ${field}`;
}

/**
 * Reads the documents of a source in order, holding little at a time.
 *
 * @throws {@link IteraError} `TEXT_INVALID_UTF8`, `DATASET_INVALID`, `FILE_CORRUPT`, `FILE_UNREADABLE`, `ABORTED`.
 */
export async function* readTextSource(source: TextSource, signal?: AbortSignal): AsyncGenerator<TextDocument> {
  for (const file of source.files) {
    const kind = kindOf(file);
    if (kind === 'text') {
      yield* readTextDocuments(file, 'endoftext', signal);
      continue;
    }
    const texts = kind === 'lines' ? readJsonLines : readParquetTexts;
    for await (const text of texts(file, source.field, signal)) yield* recordDocuments(text);
  }
}

/** Reads the documents of a text file in order, holding one at a time; throws as {@link readTextSource} does. */
export async function* readTextDocuments(
  path: string,
  separator: SeparatorKind,
  signal?: AbortSignal,
): AsyncGenerator<TextDocument> {
  const splitter = createDocumentSplitter(separator);
  for await (const text of readTextBlocks(path, signal)) yield* splitter.push(text);
  yield* splitter.end();
}

function kindOf(path: string): Kind {
  return kinds[extensionOf(path)] ?? 'text';
}

function extensionOf(path: string): string {
  return /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
}

async function walk(folder: string, files: string[], skipped: string[], signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw unreadable(folder, cause);
  });
  // By code units, which are the same everywhere, unlike the order of a language.
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await walk(path, files, skipped, signal);
    else if (entry.isFile() && Object.hasOwn(kinds, extensionOf(entry.name))) files.push(path);
    else skipped.push(path);
  }
}

async function look(path: string): Promise<{ readonly isFolder: boolean; readonly sizeBytes: number } | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() || found.isDirectory() ? { isFolder: found.isDirectory(), sizeBytes: found.size } : undefined;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
    throw unreadable(path, cause);
  }
}

function nothingToRead(path: string, skipped: readonly string[]): IteraError {
  const names = skipped.slice(0, 3).map((file) => basename(file));
  const came = skipped.length === 0 ? 'none' : `only others (such as ${names.join(', ')})`;
  const wanted = Object.keys(kinds).map((kind) => `.${kind}`);
  return new IteraError(
    'TEXT_EMPTY',
    `Expected files ${wanted.join(', ')} in the folder ${path}, got ${came}. Links and hidden files are not read.`,
    { path, skipped: skipped.length },
  );
}
