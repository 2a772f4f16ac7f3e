import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { makeFolder } from './folder-file.ts';
import type { HubFile } from './hub-listing-file.ts';
import { type HubAccess, type HubAnswer, requestHub } from './hub-request-file.ts';
import { TransientFault, withRetries } from './retry.ts';
import { readBlocks } from './text-blocks-file.ts';

export interface DownloadOptions extends HubAccess {
  /** Bytes that are on the disk; less than before where a part had to be given up. */
  readonly onProgress?: (doneBytes: number) => void;
}

/**
 * Downloads a file of the Hub, going on where an earlier attempt stopped (`<path>.part`), and checks its hash. The file
 * appears at `path` whole or not at all. One process at a time may download to one path.
 *
 * @returns Whether it was there already, with the right content.
 * @throws {@link IteraError} `FILE_CORRUPT` if the content has the wrong hash twice; `OUTPUT_UNWRITABLE`, also on a full
 *   disk, where the part is kept; `DOWNLOAD_REFUSED`, `DOWNLOAD_FAILED`, `ABORTED`.
 */
export async function downloadHubFile(file: HubFile, path: string, options: DownloadOptions): Promise<boolean> {
  const { retry, signal, onProgress } = options;
  if ((await sizeOf(path)) === file.sizeBytes && (await hasRightHash(path, file, signal))) {
    onProgress?.(file.sizeBytes);
    return true;
  }
  const part = `${path}.part`;
  await writing(path, () => makeFolder(dirname(path)));
  for (let isLast = false; ; isLast = true) {
    let longest = await sizeOf(part);
    let before = longest;
    await withRetries(
      `download ${file.path}`,
      () => {
        before = longest;
        return fetchRest(file, part, options, (bytes) => {
          longest = Math.max(longest, bytes);
          onProgress?.(bytes);
        });
      },
      retry,
      signal,
      () => longest > before,
    );
    if (await hasRightHash(part, file, signal)) break;
    await forgetPart(part);
    onProgress?.(0);
    if (isLast) throw wrongHash(file);
  }
  await writing(path, () => rename(part, path));
  await rm(tagPath(part), { force: true });
  return false;
}

/** One request for what is missing of a part. */
async function fetchRest(
  file: HubFile,
  part: string,
  access: HubAccess,
  onBytes: (doneBytes: number) => void,
): Promise<void> {
  const { sizeBytes } = file;
  let start = await sizeOf(part);
  if (start > sizeBytes) {
    await forgetPart(part);
    start = 0;
  }
  if (start === sizeBytes && start > 0) return onBytes(start);
  const tag = start > 0 ? await readFile(tagPath(part), 'utf8').catch(() => '') : '';
  const answer = await requestHub(file.url, access, {
    ...(start > 0 && { range: `bytes=${start}-` }),
    // If the content has changed meanwhile, the server sends all of the new one instead of the rest.
    ...(tag !== '' && { 'if-range': tag }),
  });
  if (answer.status === 416) {
    await answer.close();
    await forgetPart(part);
    throw new TransientFault('the server has no such range of the file');
  }
  if (answer.status === 206 && !isRest(answer, start, sizeBytes)) {
    await answer.close();
    await forgetPart(part);
    throw new TransientFault(`the server sent another range: ${answer.headers.get('content-range')}`);
  }
  // A server that knows no ranges sends the whole file.
  const from = answer.status === 206 ? start : 0;
  await keepTag(part, answer);
  const end = await appendBlocks(answer, part, from, sizeBytes, onBytes);
  if (end < sizeBytes) throw new TransientFault(`the connection ended at ${end} of ${sizeBytes} bytes`);
}

/** Writes what arrives to the part, from a position on; returns the part's size. */
async function appendBlocks(
  answer: HubAnswer,
  part: string,
  from: number,
  sizeBytes: number,
  onBytes: (doneBytes: number) => void,
): Promise<number> {
  let position = from;
  const output = await writing(part, () => open(part, from > 0 ? 'r+' : 'w'));
  try {
    onBytes(position);
    for await (const block of answer.blocks()) {
      // More than was announced is not this file; without this, such a server could fill the disk.
      if (position + block.length > sizeBytes) {
        await answer.close();
        await output.close();
        await forgetPart(part);
        throw new TransientFault(`the server sent more than ${sizeBytes} bytes`);
      }
      await writing(part, () => writeAll(output, block, position));
      position += block.length;
      onBytes(position);
    }
    await writing(part, () => output.sync());
  } finally {
    await output.close().catch(() => undefined);
    await answer.close();
  }
  return position;
}

async function writeAll(output: FileHandle, block: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < block.length; ) {
    done += (await output.write(block, done, block.length - done, position + done)).bytesWritten;
  }
}

function isRest({ headers }: HubAnswer, start: number, sizeBytes: number): boolean {
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (range === null || Number(range[1]) !== start) return false;
  return range[3] === '*' || Number(range[3]) === sizeBytes;
}

/** Keeps the content's tag for `If-Range`, which takes no weak ones (RFC 9110, section 13.1.5). */
async function keepTag(part: string, { headers }: HubAnswer): Promise<void> {
  const tag = headers.get('etag') ?? '';
  if (tag === '' || tag.startsWith('W/')) await rm(tagPath(part), { force: true });
  else await writing(part, () => writeFile(tagPath(part), tag));
}

const tagPath = (part: string): string => `${part}.etag`;

async function forgetPart(part: string): Promise<void> {
  await writing(part, () => rm(part, { force: true }));
  await rm(tagPath(part), { force: true });
}

async function hasRightHash(path: string, file: HubFile, signal: AbortSignal | undefined): Promise<boolean> {
  throwIfAborted(signal);
  const { algorithm, value } = file.hash;
  const hash = createHash(algorithm === 'sha256' ? 'sha256' : 'sha1');
  if (algorithm === 'git-sha1') hash.update(`blob ${file.sizeBytes}\0`);
  for await (const block of readBlocks(path, signal)) hash.update(block);
  return hash.digest('hex') === value;
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : 0;
}

async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    const advice = isFull
      ? 'Free some space and start again: what has arrived is kept.'
      : 'Name a folder that can be written in ITERA_CACHE_DIR.';
    throw new IteraError('OUTPUT_UNWRITABLE', `Could not write ${path}: ${message}. ${advice}`, { path }, { cause });
  }
}

function wrongHash({ path, url, hash }: HubFile): IteraError {
  return new IteraError(
    'FILE_CORRUPT',
    `Expected ${path} to have the ${hash.algorithm} ${hash.value} that the Hub states, but downloaded other content ` +
      'twice. Try again later, or another endpoint in HF_ENDPOINT.',
    { path, url, expected: hash.value },
  );
}
