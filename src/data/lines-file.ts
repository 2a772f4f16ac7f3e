import { IteraError } from '../core/errors.ts';
import { readTextBlocks } from './text-blocks-file.ts';

/** Longer lines are no records of text, but another kind of file. */
const maximumLineLength = 2 ** 27;

export interface FileLine {
  /** From 1. */
  readonly number: number;
  /** Without its end. */
  readonly text: string;
}

/**
 * The lines of a UTF-8 file, one at a time; the last one may be empty.
 *
 * @throws {@link IteraError} `DATASET_INVALID` for a line that no file of records has, `TEXT_INVALID_UTF8`,
 *   `FILE_UNREADABLE`, `ABORTED`.
 */
export async function* readLines(path: string, signal?: AbortSignal): AsyncGenerator<FileLine> {
  let pieces: string[] = [];
  let length = 0;
  let number = 0;
  for await (const block of readTextBlocks(path, signal)) {
    let start = 0;
    for (let end = block.indexOf('\n'); end >= 0; end = block.indexOf('\n', start)) {
      pieces.push(block.slice(start, end));
      yield { number: ++number, text: pieces.join('') };
      pieces = [];
      length = 0;
      start = end + 1;
    }
    pieces.push(block.slice(start));
    length += block.length - start;
    if (length > maximumLineLength) {
      const line = number + 1;
      const message = `Expected a JSON object with text on line ${line} of ${path}, got more than ${maximumLineLength} characters.`;
      throw new IteraError('DATASET_INVALID', message, { path, line });
    }
  }
  yield { number: ++number, text: pieces.join('') };
}
