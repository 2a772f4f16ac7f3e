import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { TextDocument } from '../data/documents.ts';
import type { TokenScorer } from '../runtime/token-scorer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { planWindows, type Window } from './windows.ts';

/** What a model needs to say about one document. */
export interface DocumentLoss {
  /** Sum of the negative log-probabilities of all its tokens. */
  readonly nats: number;
  readonly tokens: number;
  /** UTF-8 bytes of the original document, which bits per byte divides by. */
  readonly bytes: number;
  /** Words of the original document, which word perplexity divides by. */
  readonly words: number;
}

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

interface ScoredDocument extends DocumentLoss {
  nats: number;
  /** Windows not scored yet. */
  windowsLeft: number;
}

interface Pending {
  readonly document: ScoredDocument;
  readonly window: Window;
  readonly inputs: Uint32Array;
}

/** Windows collected before they are sorted by length and run, so that a batch holds windows of about equal length. */
const windowsInFlight = 512;

/**
 * Scores every token of every document once. A document starts after the end-of-text mark, which is context and never
 * scored; no token sees another document. Memory is bounded by the longest document, not by the text.
 *
 * @returns One entry per document, in order.
 * @throws {@link IteraError} `INVALID_ARGUMENT`, `TEXT_EMPTY` if there is nothing to score, `ABORTED`, `RUNTIME_FAILED`.
 */
export async function scoreDocuments(
  documents: AsyncIterable<TextDocument> | Iterable<TextDocument>,
  tokenizer: Tokenizer,
  scorer: TokenScorer,
  options: ScoringOptions,
): Promise<readonly DocumentLoss[]> {
  const { contextLength, stride, batchSize, signal, onProgress } = checkOptions(options);
  const losses: ScoredDocument[] = [];
  const done = { documents: 0, tokens: 0, bytes: 0 };
  let pending: Pending[] = [];

  const flush = async (): Promise<void> => {
    pending.sort((a, b) => a.window.end - a.window.start - (b.window.end - b.window.start));
    for (let from = 0; from < pending.length; from += batchSize) {
      throwIfAborted(signal);
      const batch = pending.slice(from, from + batchSize);
      const nats = await scorer.score(batch.map(({ inputs, window }) => inputs.subarray(window.start, window.end + 1)));
      for (const [row, { document, window }] of batch.entries()) {
        const scores = nats[row] as Float32Array;
        let sum = 0;
        for (let at = window.scoreFrom; at < window.end; at++) sum += scores[at - window.start] as number;
        document.nats += sum;
        done.tokens += window.end - window.scoreFrom;
        document.windowsLeft -= 1;
        if (document.windowsLeft > 0) continue;
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
    const document = {
      nats: 0,
      tokens: ids.length,
      bytes: originalBytes,
      words: originalWords,
      windowsLeft: windows.length,
    };
    losses.push(document);
    for (const window of windows) {
      pending.push({ document, window, inputs });
      if (pending.length >= windowsInFlight) await flush();
    }
  }
  await flush();
  if (losses.length === 0) throw new IteraError('TEXT_EMPTY', 'Expected text to score, got none. Give a longer text.');
  return losses.map(({ nats, tokens, bytes, words }) => ({ nats, tokens, bytes, words }));
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
