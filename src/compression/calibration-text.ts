import { IteraError, throwIfAborted } from '../core/errors.ts';
import { createRandom, permutation } from '../core/random.ts';
import type { TextDocument } from '../data/documents.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** How much of a text is run. */
export interface CalibrationSize {
  /** Tokens in all, about: the last window is not cut. */
  readonly tokens: number;
  /** Tokens in a window, at most. */
  readonly windowTokens: number;
}

/**
 * Windows of tokens out of documents in an order drawn at random, one from each: from its beginning, after the
 * end-of-text mark, if it is no longer than a window, else from a place drawn at random. Where that is too little, what is
 * left of long documents follows, window by window in an order drawn at random.
 *
 * @throws {@link IteraError} `TEXT_EMPTY` if no document has a token, `ABORTED`.
 */
export function cutWindows(
  documents: readonly TextDocument[],
  tokenizer: Tokenizer,
  { tokens, windowTokens }: CalibrationSize,
  seed: number,
  signal?: AbortSignal,
): readonly Uint32Array[] {
  const random = createRandom(seed, 11);
  const windows: Uint32Array[] = [];
  let total = 0;
  const left: Uint32Array[] = [];
  for (const index of permutation(documents.length, random)) {
    if (total >= tokens) break;
    throwIfAborted(signal);
    const ids = tokenizer.encode((documents[index] as TextDocument).text);
    if (ids.length === 0) continue;
    const marked = new Uint32Array(ids.length + 1);
    marked[0] = tokenizer.eosId;
    marked.set(ids, 1);
    const start = marked.length > windowTokens ? random.integer(marked.length - windowTokens + 1) : 0;
    const window = marked.slice(start, start + windowTokens);
    windows.push(window);
    total += window.length;
    left.push(...cutAround(marked, start, windowTokens));
  }
  for (const index of permutation(left.length, random)) {
    if (total >= tokens) break;
    const window = (left[index] as Uint32Array).slice();
    windows.push(window);
    total += window.length;
  }
  if (windows.length === 0) {
    throw new IteraError('TEXT_EMPTY', 'Expected text to calibrate with, got none. Give a longer text.');
  }
  return windows;
}

/** The windows of at least two tokens before and after the one at `start`, which they touch. */
function cutAround(tokens: Uint32Array, start: number, windowTokens: number): readonly Uint32Array[] {
  const windows: Uint32Array[] = [];
  for (let from = (start % windowTokens) - windowTokens; from < tokens.length; from += windowTokens) {
    const window = tokens.subarray(Math.max(from, 0), Math.max(from + windowTokens, 0));
    // A token that none follows teaches nothing.
    if (from !== start && window.length > 1) windows.push(window);
  }
  return windows;
}
