import type { TextDocument } from '../data/documents.ts';
import type { TokenScorer } from '../runtime/token-scorer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { type DocumentSize, runWindows, type ScoringOptions } from './window-batches.ts';

export type { ScoringOptions } from './window-batches.ts';

/** What a model needs to say about one document. */
export interface DocumentLoss extends DocumentSize {
  /** Sum of the negative log-probabilities of all its tokens. */
  readonly nats: number;
}

/**
 * Scores every token of every document once; see `runWindows` for what each token sees.
 *
 * @returns One entry per document, in order, without those that have no token.
 * @throws {@link IteraError} `INVALID_ARGUMENT`, `TEXT_EMPTY` if there is nothing to score, `ABORTED`, `RUNTIME_FAILED`.
 */
export async function scoreDocuments(
  documents: AsyncIterable<TextDocument> | Iterable<TextDocument>,
  tokenizer: Tokenizer,
  scorer: TokenScorer,
  options: ScoringOptions,
): Promise<readonly DocumentLoss[]> {
  return runWindows(
    documents,
    tokenizer,
    options,
    (size) => ({ nats: 0, ...size }),
    async (batch) => {
      const nats = await scorer.score(batch.map(({ row }) => row));
      for (const [index, { document, window }] of batch.entries()) {
        const scores = nats[index] as Float32Array;
        let sum = 0;
        for (let at = window.scoreFrom; at < window.end; at++) sum += scores[at - window.start] as number;
        document.nats += sum;
      }
    },
  );
}
