import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Check } from 'typebox/value';
import { IteraError } from '../core/errors.ts';
import { cacheFolder } from './cache-folder-file.ts';
import type { Split } from './dataset-registry.ts';

const hash = Type.String({ pattern: '^[0-9a-f]{40,64}$' });

const recordSchema = Type.Object({
  schemaVersion: Type.Literal(1),
  dataset: Type.String(),
  split: Type.String(),
  /** Of the text. */
  sha256: hash,
  sizeBytes: Type.Number(),
  /** When it was made, ISO 8601. */
  preparedAt: Type.String(),
  source: Type.Object({
    endpoint: Type.String(),
    repository: Type.String(),
    revision: Type.String(),
    commit: hash,
    files: Type.Array(
      Type.Object({
        path: Type.String(),
        url: Type.String(),
        sizeBytes: Type.Number(),
        algorithm: Type.String(),
        hash,
      }),
    ),
  }),
});

/** What is known of a prepared text: a JSON file beside it. */
export type PreparedRecord = Static<typeof recordSchema>;

/** The folder in the cache that holds a dataset's prepared texts. */
export function preparedFolder(dataset: string, cacheDir?: string): string {
  return join(cacheFolder(cacheDir), 'datasets', dataset);
}

/** Where a prepared text and its record are, whether or not they exist. */
export function preparedPaths(dataset: string, split: Split, cacheDir?: string) {
  const folder = preparedFolder(dataset, cacheDir);
  return { text: join(folder, `${split}.txt`), record: join(folder, `${split}.json`) };
}

/** Reads a record; `undefined` if there is none of this form. */
export async function readPreparedRecord(path: string): Promise<PreparedRecord | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    const record: unknown = JSON.parse(text);
    return Check(recordSchema, record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Compares a prepared text with its record.
 *
 * @throws {@link IteraError} `FILE_CORRUPT` if it has changed since.
 */
export function verifyPreparedText(record: PreparedRecord, sha256: string, path: string): void {
  if (record.sha256 === sha256) return;
  const { dataset, split } = record;
  throw new IteraError(
    'FILE_CORRUPT',
    `Expected ${path} to be as it was prepared (sha256 ${record.sha256}), but it has ${sha256}. ` +
      `Make it again: itera-lite datasets download ${dataset} --split ${split} --force`,
    { dataset, split, path, expected: record.sha256, sha256 },
  );
}
