import { IteraError } from '../core/errors.ts';
import { readLines } from './lines-file.ts';

/**
 * Reads a field of texts of a file of JSON objects, one a line; blank lines are skipped. Holds one line at a time.
 *
 * @throws {@link IteraError} `DATASET_INVALID` with the number of a line that is not a JSON object or lacks the field,
 *   `TEXT_INVALID_UTF8`, `FILE_UNREADABLE`, `ABORTED`.
 */
export async function* readJsonLines(path: string, field: string, signal?: AbortSignal): AsyncGenerator<string> {
  for await (const { number, text: line } of readLines(path, signal)) {
    const text = readRecord(line, path, number, field);
    if (text !== undefined) yield text;
  }
}

function readRecord(line: string, path: string, number: number, field: string): string | undefined {
  if (line.trim() === '') return undefined;
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch (cause) {
    throw invalid(path, number, `${JSON.stringify(line.slice(0, 40))} (${(cause as Error).message})`, cause);
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw invalid(path, number, Array.isArray(record) ? 'a list' : JSON.stringify(record)?.slice(0, 40));
  }
  const text = Object.hasOwn(record, field) ? (record as Readonly<Record<string, unknown>>)[field] : undefined;
  if (typeof text === 'string') {
    // JSON can spell half a character, which no UTF-8 text can hold.
    if (/\p{Surrogate}/u.test(text)) throw invalid(path, number, 'half of a surrogate pair in its text');
    return text;
  }
  const names = Object.keys(record).slice(0, 12).join(', ') || 'none';
  throw new IteraError(
    'DATASET_INVALID',
    `Expected text in field ${JSON.stringify(field)} on line ${number} of ${path}, got an object with ` +
      `${text === undefined ? 'no such field' : `${text === null ? 'null' : typeof text} in it`} (fields: ${names}). ` +
      'Name the field of the texts after the path: file.jsonl#field.',
    { path, line: number, field },
  );
}

function invalid(path: string, line: number, came: string, cause?: unknown): IteraError {
  return new IteraError(
    'DATASET_INVALID',
    `Expected a JSON object with text on line ${line} of ${path}, got ${came}.`,
    { path, line },
    { cause },
  );
}
