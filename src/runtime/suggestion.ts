import { checkSameVocabulary, type Engine, type TokenText } from './engine.ts';
import { checkCount, checkNumber } from './option-check.ts';
import { createPrefixCache } from './prefix-cache.ts';
import { healPrefix } from './prefix-healing.ts';
import { createTokenSpelling, type TokenSpelling } from './token-spelling.ts';
import { startPlace } from './word-boundary.ts';
import { searchWords } from './word-search.ts';

/** How to suggest what to write next. */
export interface SuggestOptions {
  /** At most so many suggestions. Default 3. */
  readonly count?: number | undefined;
  /** How many words a suggestion has, fewer only where the text would end. Default 1. */
  readonly maxWords?: number | undefined;
  /** Words that take more tokens than this are not suggested. Default 12. */
  readonly maxTokens?: number | undefined;
  /** How many beginnings of a suggestion are followed at a time. Default 8, or twice `count` if that is more. */
  readonly beamWidth?: number | undefined;
  /**
   * Beginnings less likely than this share of the last of `count` suggestions are dropped; from 0, for the most exact
   * probabilities, to 1, for the fastest answer. Default 0.1.
   */
  readonly pruneRatio?: number | undefined;
  /** Aborts within one run of the model. */
  readonly signal?: AbortSignal | undefined;
}

/** A text that may follow. */
export interface Suggestion {
  /** What is to be appended to the prefix as it was typed; may begin with white space, never ends with it. */
  readonly text: string;
  /** ln of `probability`. */
  readonly logProb: number;
  /**
   * How likely it is that exactly this comes after the prefix and its last word then ends. An estimate, mostly from below:
   * beginnings that the search dropped are missing from it.
   */
  readonly probability: number;
}

/** Suggests next words, and remembers between calls what the model has read. */
export interface Suggester {
  /**
   * @param prefix - All text before the cursor, back to the beginning of the document; may be empty.
   * @returns Distinct suggestions, most likely first; none if the text would end here.
   * @throws {@link IteraError} `INVALID_ARGUMENT` if an option is out of range; `ABORTED`; `RUNTIME_FAILED`.
   */
  suggest(prefix: string, options?: SuggestOptions): Promise<Suggestion[]>;
  /** How many tokens the model has run through for this suggester so far. */
  readonly tokensRun: number;
}

/** Typing goes on from the latest word; the others serve deleting, and other fields of the same form. */
const cachedPrefixes = 4;

/**
 * Makes a suggester for autocomplete. A suggestion is whole words: a run of letters, digits and inner apostrophes, or a
 * run of punctuation, with the white space before it. It completes the word at the end of the prefix, or, where that is
 * complete, gives the next one.
 *
 * 1. The prefix's last word is taken back from its tokens and made a condition on the bytes to come (token healing, see
 *    {@link healPrefix}).
 * 2. The model reads end-of-text and the tokens before it, going on from the longest prefix it remembers; while a word
 *    is being typed these do not change.
 * 3. A beam search spells the condition and the words in all ways, adding up the probabilities of equal texts (see
 *    {@link searchWords}), which are then divided by the probability of the condition.
 *
 * @throws {@link IteraError} `TOKENIZER_MISMATCH` if the tokenizer is not the model's.
 */
export function createSuggester(engine: Engine, text: TokenText): Suggester {
  checkSameVocabulary(engine, text);
  const cache = createPrefixCache(engine, cachedPrefixes);
  let spelling: TokenSpelling | undefined;
  return {
    async suggest(prefix, options = {}) {
      const count = checkCount('count', options.count ?? 3);
      const words = checkCount('maxWords', options.maxWords ?? 1);
      const maxTokens = checkCount('maxTokens', options.maxTokens ?? 12);
      const beamWidth = checkCount('beamWidth', options.beamWidth ?? Math.max(8, 2 * count));
      const isShare = (value: number) => value >= 0 && value <= 1;
      const pruneRatio = checkNumber('pruneRatio', options.pruneRatio ?? 0.1, 'a number from 0 to 1', isShare);
      const { signal } = options;

      const { kept, removed, required } = healPrefix(text, prefix);
      const start = await cache.runPrefix([text.eosId, ...kept], signal);
      spelling ??= createTokenSpelling(text);
      const found = await searchWords(start, {
        spelling,
        eosId: text.eosId,
        required,
        requiredTokens: removed,
        place: startPlace(prefix, words),
        count,
        beamWidth,
        pruneRatio,
        maxDepth: removed.length + maxTokens,
        runToken: (token, state) => cache.runToken(token, state, signal),
      });
      return found.map(({ text, logProb }) => ({ text, logProb, probability: Math.exp(logProb) }));
    },
    get tokensRun() {
      return cache.tokensRun();
    },
  };
}
