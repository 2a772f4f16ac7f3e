import { IteraError } from '../core/errors.ts';
import type { TextDocument } from '../data/documents.ts';
import type { LogitComparer } from '../runtime/logit-comparer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { DocumentLoss } from './document-loss.ts';
import { type DocumentSize, runWindows, type ScoringOptions } from './window-batches.ts';

/** Tokens in a block, the unit that a text of few documents is resampled by. The last one of a document may be shorter. */
export const blockTokens = 64;

/** What several variants of a model say of one document of T tokens, which are K blocks. */
export interface ComparedDocument extends DocumentSize {
  /** Negative log-probabilities summed over each block, `float64[K]` for each variant, the baseline first. */
  readonly blockNats: readonly Float64Array[];
  /** KL(baseline || candidate) of each token in nats, `float32[T]` for each candidate. */
  readonly divergences: readonly Float32Array[];
  /** Tokens of each block where the candidate's first choice is the baseline's, `uint8[K]` for each candidate. */
  readonly blockAgreements: readonly Uint8Array[];
}

/** A text as several variants of one model see it. */
export interface TextComparison {
  /** Names of the variants, the baseline first. */
  readonly variants: readonly string[];
  readonly documents: readonly ComparedDocument[];
}

/**
 * Scores a text by all variants of a model in one pass; windows and batches are those of `scoreDocuments`. What is kept
 * is about 4 bytes for each token and candidate.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT`, `TEXT_EMPTY` if there is nothing to score, `ABORTED`, `RUNTIME_FAILED`.
 */
export async function compareDocuments(
  documents: AsyncIterable<TextDocument> | Iterable<TextDocument>,
  tokenizer: Tokenizer,
  comparer: LogitComparer,
  options: ScoringOptions,
): Promise<TextComparison> {
  const variants = comparer.names;
  const compared = await runWindows(
    documents,
    tokenizer,
    options,
    (size) => emptyDocument(size, variants.length),
    async (batch) => {
      const results = await comparer.compare(
        batch.map(({ row, window }) => ({ tokens: row, scoreFrom: window.scoreFrom - window.start + 1 })),
      );
      for (const [index, { document, window }] of batch.entries()) {
        const { nats, divergences, agreements } = results[index] as (typeof results)[number];
        nats.forEach((scores, variant) => {
          addToBlocks(document.blockNats[variant] as Float64Array, scores, window.scoreFrom);
        });
        divergences.forEach((scores, candidate) => {
          document.divergences[candidate]?.set(scores, window.scoreFrom);
        });
        agreements.forEach((same, candidate) => {
          addToBlocks(document.blockAgreements[candidate] as Uint8Array, same, window.scoreFrom);
        });
      }
    },
  );
  return { variants, documents: compared };
}

/**
 * The losses of one variant, as `scoreDocuments` gives them.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for a variant that was not compared.
 */
export function variantLosses({ variants, documents }: TextComparison, variant: string): readonly DocumentLoss[] {
  const index = variants.indexOf(variant);
  if (index < 0) {
    throw new IteraError('INVALID_ARGUMENT', `Expected one of the variants ${variants.join(', ')}, got "${variant}".`, {
      variant,
    });
  }
  return documents.map(({ tokens, bytes, words, blockNats }) => {
    const nats = (blockNats[index] as Float64Array).reduce((sum, block) => sum + block, 0);
    return { nats, tokens, bytes, words };
  });
}

function emptyDocument(size: DocumentSize, models: number): ComparedDocument {
  const blocks = Math.ceil(size.tokens / blockTokens);
  const make = <A>(count: number, create: () => A): A[] => Array.from({ length: count }, create);
  return {
    ...size,
    blockNats: make(models, () => new Float64Array(blocks)),
    divergences: make(models - 1, () => new Float32Array(size.tokens)),
    blockAgreements: make(models - 1, () => new Uint8Array(blocks)),
  };
}

/** Adds values of consecutive tokens to the blocks they fall into. */
function addToBlocks(blocks: Float64Array | Uint8Array, values: ArrayLike<number>, firstToken: number): void {
  for (let at = 0; at < values.length; at++) {
    const block = Math.floor((firstToken + at) / blockTokens);
    blocks[block] = (blocks[block] as number) + (values[at] as number);
  }
}
