import { createHash } from 'node:crypto';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import { createUtf8Decoder } from '../text/utf8.ts';
import { openFile } from './whole-file.ts';

const blockBytes = 2 ** 16;

/**
 * The content of a file, block by block.
 *
 * @throws {@link IteraError} `FILE_UNREADABLE`, `ABORTED`.
 */
export async function* readBlocks(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal);
  try {
    // It closes the file, however the loop ends.
    const stream = (await openFile(path)).createReadStream({ highWaterMark: blockBytes });
    for await (const block of stream) {
      throwIfAborted(signal);
      yield block as Uint8Array;
    }
  } catch (cause) {
    throw cause instanceof IteraError ? cause : unreadable(path, cause);
  }
}

/**
 * The text of a UTF-8 file, piece by piece, without a byte order mark at its start.
 *
 * @throws {@link IteraError} `TEXT_INVALID_UTF8` with the offset in the file, `FILE_UNREADABLE`, `ABORTED`.
 */
export async function* readTextBlocks(path: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const decoder = createUtf8Decoder();
  let atStart = true;
  for await (const block of readBlocks(path, signal)) {
    let text = decoder.push(block);
    if (atStart && text !== '') {
      if (text.startsWith('\uFEFF')) text = text.slice(1);
      atStart = false;
    }
    yield text;
  }
  decoder.end();
}

/** The sha256 of a file's content, in hexadecimal; throws as {@link readBlocks} does. */
export async function hashFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const block of readBlocks(path, signal)) hash.update(block);
  return hash.digest('hex');
}

/** `FILE_UNREADABLE` with what the file system said. */
export function unreadable(path: string, cause: unknown): IteraError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new IteraError('FILE_UNREADABLE', `Could not read ${path}: ${reason}`, { path }, { cause });
}
