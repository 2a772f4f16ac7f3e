import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { TextDocument } from '../data/documents.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { planWindows, type Window } from './windows.ts';

/** How documents are cut into windows and run. */
export interface ScoringOptions {
  /** Tokens a window holds; the model sees at most this many before a token. */
  readonly contextLength: number;
  /** New tokens that each window after a document's first scores; at most `contextLength`. */
  readonly stride: number;
  /** Windows run at once. */
  readonly batchSize: number;
  readonly signal?: AbortSignal;
  /** Called after each batch with what is scored so far; a document and its bytes count once all its windows do. */
  readonly onProgress?: (done: { readonly documents: number; readonly tokens: number; readonly bytes: number }) => void;
}

/** What the losses of a document are divided by. */
export interface DocumentSize {
  readonly tokens: number;
  /** UTF-8 bytes of the original document, which bits per byte divides by. */
  readonly bytes: number;
  /** Words of the original document, which word perplexity divides by. */
  readonly words: number;
}

/** A window to be run, and what is collected about its document. */
export interface DocumentWindow<T> {
  readonly document: T;
  readonly window: Window;
  /** The window's tokens, from the one before its first: what follows `row[i]` is `row[i + 1]`. */
  readonly row: Uint32Array;
}

interface Pending<T> extends DocumentWindow<T> {
  readonly progress: { windowsLeft: number };
}

/** Windows collected before they are sorted by length and run, so that a batch holds windows of about equal length. */
const windowsInFlight = 512;

/**
 * Cuts documents into windows and runs them in batches, such that every token of every document is scored once. A
 * document starts after the end-of-text mark, which is context and never scored; no token sees another document. Memory
 * is bounded by the longest document, not by the text, besides what is collected.
 *
 * @param collect - Makes what is collected about a document, before any of its windows is run.
 * @param runBatch - Scores windows; those of one document come in any order.
 * @returns What was collected, in the order of the documents, without those that have no token.
 * @throws {@link IteraError} `INVALID_ARGUMENT`, `TEXT_EMPTY` if there is nothing to score, `ABORTED`, and what
 *   `runBatch` throws.
 */
export async function runWindows<T extends DocumentSize>(
  documents: AsyncIterable<TextDocument> | Iterable<TextDocument>,
  tokenizer: Tokenizer,
  options: ScoringOptions,
  collect: (size: DocumentSize) => T,
  runBatch: (batch: readonly DocumentWindow<T>[]) => Promise<void>,
): Promise<readonly T[]> {
  const { contextLength, stride, batchSize, signal, onProgress } = checkOptions(options);
  const collected: T[] = [];
  const done = { documents: 0, tokens: 0, bytes: 0 };
  let pending: Pending<T>[] = [];

  const flush = async (): Promise<void> => {
    pending.sort((a, b) => a.row.length - b.row.length);
    for (let from = 0; from < pending.length; from += batchSize) {
      throwIfAborted(signal);
      const batch = pending.slice(from, from + batchSize);
      await runBatch(batch);
      for (const { document, window, progress } of batch) {
        done.tokens += window.end - window.scoreFrom;
        progress.windowsLeft -= 1;
        if (progress.windowsLeft > 0) continue;
        done.documents += 1;
        done.bytes += document.bytes;
      }
      onProgress?.({ ...done });
    }
    pending = [];
  };

  for await (const { text, originalBytes, originalWords } of documents) {
    throwIfAborted(signal);
    const ids = tokenizer.encode(text);
    if (ids.length === 0) continue;
    const inputs = new Uint32Array(ids.length + 1);
    inputs[0] = tokenizer.eosId;
    inputs.set(ids, 1);
    const windows = planWindows(ids.length, contextLength, stride);
    const document = collect({ tokens: ids.length, bytes: originalBytes, words: originalWords });
    const progress = { windowsLeft: windows.length };
    collected.push(document);
    for (const window of windows) {
      pending.push({ document, window, row: inputs.subarray(window.start, window.end + 1), progress });
      if (pending.length >= windowsInFlight) await flush();
    }
  }
  await flush();
  if (collected.length === 0) {
    throw new IteraError('TEXT_EMPTY', 'Expected text to score, got none. Give a longer text.');
  }
  return collected;
}

function checkOptions(options: ScoringOptions): ScoringOptions {
  const { contextLength, stride, batchSize } = options;
  const whole = [contextLength, stride, batchSize].every((value) => Number.isInteger(value) && value >= 1);
  if (!whole || stride > contextLength) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      'Expected contextLength, stride and batchSize to be whole numbers from 1, and stride at most contextLength, ' +
        `got ${contextLength}, ${stride} and ${batchSize}.`,
      { contextLength, stride, batchSize },
    );
  }
  return options;
}
