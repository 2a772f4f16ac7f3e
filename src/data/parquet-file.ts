import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { unreadable } from './text-blocks-file.ts';

/**
 * Reads a column of texts of a parquet file, row by row; holds one row group at a time.
 *
 * @throws {@link IteraError} `FILE_CORRUPT` if it is truncated, damaged or no parquet file, `DATASET_INVALID` if it lacks
 *   the column or a row of it is not text, `FILE_UNREADABLE`, `ABORTED`.
 */
export async function* readParquetTexts(path: string, column: string, signal?: AbortSignal): AsyncGenerator<string> {
  throwIfAborted(signal);
  const file = await asyncBufferFromFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const metadata = await reading(path, () => parquetMetadataAsync(file));
  checkColumn(path, column, metadata);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    throwIfAborted(signal);
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await reading(path, () =>
      parquetReadObjects({ file, metadata, columns: [column], rowStart, rowEnd, compressors }),
    );
    if (rows.length !== rowEnd - rowStart)
      throw corrupt(path, `${rows.length} of ${rowEnd - rowStart} rows in a group`);
    for (const [index, row] of rows.entries()) {
      const text: unknown = row[column];
      if (typeof text !== 'string') throw notText(path, column, rowStart + index, text);
      yield text;
    }
    rowStart = rowEnd;
  }
}

function checkColumn(path: string, column: string, metadata: FileMetaData): void {
  // The schema is a tree written out depth first: the root, then each column with what is in it.
  const names: string[] = [];
  for (let index = 1; index < metadata.schema.length; index = afterElement(metadata.schema, index)) {
    names.push(metadata.schema[index]?.name ?? '');
  }
  if (names.includes(column)) return;
  throw new IteraError(
    'DATASET_INVALID',
    `Expected ${path} to have a column ${JSON.stringify(column)}, got ${names.join(', ') || 'none'}. ` +
      'Name the column of the texts after the path: file.parquet#column.',
    { path, column, columns: names },
  );
}

function afterElement(schema: FileMetaData['schema'], index: number): number {
  let next = index + 1;
  for (let child = 0; child < (schema[index]?.num_children ?? 0); child++) next = afterElement(schema, next);
  return next;
}

async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    // The file system's faults have codes; the reader's do not.
    if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) throw unreadable(path, cause);
    throw corrupt(path, message, cause);
  }
}

function corrupt(path: string, reason: string, cause?: unknown): IteraError {
  return new IteraError(
    'FILE_CORRUPT',
    `Expected a whole parquet file at ${path}, got one that cannot be read (${reason}). Fetch or write it again.`,
    { path, reason },
    { cause },
  );
}

function notText(path: string, column: string, row: number, came: unknown): IteraError {
  const kind = came === null || came === undefined ? 'nothing' : Array.isArray(came) ? 'a list' : typeof came;
  return new IteraError(
    'DATASET_INVALID',
    `Expected text in column ${JSON.stringify(column)} of ${path}, got ${kind} in row ${row + 1}.`,
    { path, column, row: row + 1 },
  );
}
