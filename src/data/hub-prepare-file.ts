import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { IteraError } from '../core/errors.ts';
import { replaceFile } from './atomic-file.ts';
import { type DatasetEntry, type HubSource, type Split, verifyDatasetFile } from './dataset-registry.ts';
import type { HubFile } from './hub-listing-file.ts';
import { storyEnd, tidyStory, validationStories, wholeStories, wikiTextLine } from './hub-texts.ts';
import { readParquetTexts } from './parquet-file.ts';
import { type PreparedRecord, preparedPaths } from './prepared-dataset-file.ts';
import { readTextBlocks } from './text-blocks-file.ts';

/**
 * The pieces of a split's text, made from downloaded files by the rule of its dataset.
 *
 * @param pathsOf - Local paths of the files that a pattern of {@link HubSource.files} names.
 * @throws {@link IteraError} what reading parquet and text files throws.
 */
export async function* makeText(
  { form, files }: HubSource,
  split: Split,
  pathsOf: (pattern: string) => readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<string> {
  if (form === 'wikitext') {
    for await (const row of readRows(pathsOf(files[split] ?? ''), signal)) yield wikiTextLine(row);
    return;
  }
  const validation = wholeStories(readTextBlocks(pathsOf(files.valid ?? '')[0] ?? '', signal));
  if (split === 'train') {
    const known = new Set<string>();
    for await (const story of validation) known.add(storyKey(story));
    for await (const row of readRows(pathsOf(files.train ?? ''), signal)) {
      const story = tidyStory(row);
      if (story !== '' && !known.has(storyKey(story))) yield `${story}\n${storyEnd}\n`;
    }
    return;
  }
  const first = split === 'valid' ? 0 : validationStories;
  let index = 0;
  for await (const story of validation) {
    if (index >= first) yield `${story}\n${storyEnd}\n`;
    if (++index === first + validationStories) return;
  }
}

async function* readRows(paths: readonly string[], signal: AbortSignal | undefined): AsyncGenerator<string> {
  for (const path of paths) yield* readParquetTexts(path, 'text', signal);
}

const storyKey = (story: string): string => createHash('sha256').update(story).digest('base64').slice(0, 22);

/** Where a text was made from. */
export interface TextOrigin {
  readonly endpoint: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/**
 * Writes a text and its record into the cache; the text appears whole or not at all.
 *
 * @throws {@link IteraError} `FILE_CORRUPT` if it is not the published text, `OUTPUT_UNWRITABLE`, and what reading the
 *   texts throws.
 */
export async function prepareText(
  entry: DatasetEntry,
  { repository, revision }: HubSource,
  split: Split,
  texts: AsyncIterable<string>,
  { endpoint, commit, files }: TextOrigin,
  cacheDir: string | undefined,
): Promise<PreparedRecord> {
  const paths = preparedPaths(entry.name, split, cacheDir);
  const beside = `${paths.text}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    const { sha256, sizeBytes } = await writeTexts(beside, texts);
    verifyDatasetFile(entry, split, sha256, `what the Hub has now (${repository}, commit ${commit})`);
    const record: PreparedRecord = {
      schemaVersion: 1,
      dataset: entry.name,
      split,
      sha256,
      sizeBytes,
      preparedAt: new Date().toISOString(),
      source: {
        endpoint,
        repository,
        revision,
        commit,
        files: files.map(({ path, url, sizeBytes: bytes, hash }) => ({
          path,
          url,
          sizeBytes: bytes,
          algorithm: hash.algorithm,
          hash: hash.value,
        })),
      },
    };
    await writing(paths.record, () => replaceFile(paths.record, `${JSON.stringify(record, undefined, 2)}\n`));
    await writing(paths.text, () => rename(beside, paths.text));
    return record;
  } finally {
    await rm(beside, { force: true }).catch(() => undefined);
  }
}

const flushLength = 2 ** 20;

async function writeTexts(path: string, texts: AsyncIterable<string>): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  const output = await writing(path, () => open(path, 'wx'));
  let sizeBytes = 0;
  let pieces: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.from(pieces.join(''));
    pieces = [];
    length = 0;
    hash.update(bytes);
    sizeBytes += bytes.length;
    await writing(path, () => output.writeFile(bytes));
  };
  try {
    for await (const text of texts) {
      pieces.push(text);
      length += text.length;
      if (length > flushLength) await flush();
    }
    await flush();
    await writing(path, () => output.sync());
  } finally {
    await output.close();
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** Does what writes to a path; throws `OUTPUT_UNWRITABLE` with what the file system said. */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { message } = cause as Error;
    const advice = 'Free some space, or name another folder in ITERA_CACHE_DIR; what was downloaded is kept.';
    throw new IteraError('OUTPUT_UNWRITABLE', `Could not write ${path}: ${message}. ${advice}`, { path }, { cause });
  }
}
