import { IteraError, throwIfAborted } from '../core/errors.ts';
import { byteCharacters } from './byte-alphabet.ts';
import { maximumVocabSize, pairKey } from './fast-encoder.ts';
import { detachPiece, forEachPiece } from './pre-tokenizer.ts';
import { createPriorityQueue } from './priority-queue.ts';
import { buildTokenizerConfig, buildTokenizerJson, endOfText } from './tokenizer-json.ts';
import { assertWellFormed } from './utf8.ts';

/** How many tokens are wanted, and which. */
export interface BpeTrainingOptions {
  /** Tokens wanted in all, special and byte tokens included; fewer come out if the texts have no more pairs. */
  readonly vocabSize: number;
  /** Take the first identifiers; the first is the end-of-text mark. Default `['<|endoftext|>']`. */
  readonly specialTokens?: readonly string[];
  /** Pairs seen less often are not merged. Default 2. */
  readonly minFrequency?: number;
  /** While texts are read, and after merges. */
  readonly onProgress?: (progress: BpeTrainingProgress) => void;
  readonly signal?: AbortSignal;
}

/** While counting, `done` is the number of texts and `total` unknown; while merging, both count tokens. */
export interface BpeTrainingProgress {
  readonly phase: 'counting' | 'merging';
  readonly done: number;
  readonly total?: number;
}

/** A tokenizer as the files that hold it. */
export interface TrainedTokenizer {
  /** Content of `tokenizer.json`. */
  readonly tokenizerJson: Record<string, unknown>;
  /** Content of `tokenizer_config.json`. */
  readonly tokenizerConfig: Record<string, unknown>;
  /** Tokens in the vocabulary. */
  readonly vocabSize: number;
}

/** A distinct piece of the texts: its tokens so far and how often it occurs. */
interface Word {
  ids: number[];
  readonly count: number;
}

interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  /** Words that held the pair at some time; a superset of those that hold it now. */
  readonly words: number[];
}

/** A pair with the count it had when it was queued. */
interface Candidate {
  readonly pair: Pair;
  readonly count: number;
}

const workBetweenPausesMs = 50;

/**
 * Trains a byte-level byte-pair tokenizer: repeatedly makes a token of the most frequent pair of neighbours; among
 * equally frequent pairs the one with the lowest identifiers wins.
 *
 * @param texts - Documents; a special token written in one counts as plain text.
 * @returns The tokenizer files' content; the same texts and options give the same bytes on every machine.
 * @throws {@link IteraError} `INVALID_ARGUMENT` on impossible options, `TEXT_EMPTY` without text, `TEXT_INVALID_UTF8` on
 * a lone surrogate, `ABORTED`.
 * @remarks Pauses between steps so that `signal` can fire. Gives the merges of Hugging Face's Rust trainer.
 * @see Sennrich et al. 2016, arXiv:1508.07909, Algorithm 1.
 */
export async function trainBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: BpeTrainingOptions,
): Promise<TrainedTokenizer> {
  const { vocabSize, specialTokens = [endOfText], minFrequency = 2, onProgress, signal } = options;
  checkOptions(vocabSize, specialTokens, minFrequency);
  const pause = createPause(signal);
  const tokens = [...specialTokens, ...[...byteCharacters].sort()];
  const byteIds = byteCharacters.map((character) => tokens.indexOf(character, specialTokens.length));
  const counts = await countPieces(texts, pause, onProgress);
  const words = Array.from(counts, ([piece, count]): Word => {
    return { ids: Array.from(detachPiece(piece).bytes, (byte) => byteIds[byte] as number), count };
  });

  const pairs = new Map<number, Pair>();
  words.forEach((word, index) => {
    addPairs(pairs, word, index);
  });
  const queue = createPriorityQueue(comesBefore);
  for (const pair of pairs.values()) queue.push({ pair, count: pair.count });

  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: [string, string][] = [];
  const mergedKeys = new Set<number>();
  while (tokens.length < vocabSize) {
    const candidate = queue.pop();
    if (candidate === undefined || candidate.count < minFrequency) break;
    const { pair, count } = candidate;
    if (pair.count !== count) {
      // The count fell since it was queued; with a higher one it would have been queued again.
      if (pair.count < count) queue.push({ pair, count: pair.count });
      continue;
    }
    const left = tokens[pair.left] as string;
    const right = tokens[pair.right] as string;
    if (specialTokens.includes(left + right)) continue;
    const id = ids.get(left + right) ?? tokens.push(left + right) - 1;
    ids.set(left + right, id);
    // A pair comes up again when a second pair yields the same string as one of its parts: the rule stands already.
    const key = pairKey(pair.left, pair.right);
    if (!mergedKeys.has(key)) merges.push([left, right]);
    mergedKeys.add(key);
    for (const grown of mergeEverywhere(pair, id, words, pairs)) queue.push({ pair: grown, count: grown.count });
    if (await pause()) onProgress?.({ phase: 'merging', done: tokens.length, total: vocabSize });
  }
  onProgress?.({ phase: 'merging', done: tokens.length, total: tokens.length });
  return {
    tokenizerJson: buildTokenizerJson(tokens, merges, specialTokens),
    tokenizerConfig: buildTokenizerConfig(specialTokens[0] as string),
    vocabSize: tokens.length,
  };
}

function checkOptions(vocabSize: number, specialTokens: readonly string[], minFrequency: number): void {
  const smallest = byteCharacters.length + specialTokens.length;
  if (!Number.isInteger(vocabSize) || vocabSize < smallest || vocabSize > maximumVocabSize) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected vocabSize to be a whole number from ${smallest} (256 bytes and the special tokens) to ` +
        `${maximumVocabSize}, got ${vocabSize}.`,
      { vocabSize, smallest },
    );
  }
  if (!Number.isInteger(minFrequency) || minFrequency < 1) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected minFrequency to be a whole number from 1, got ${minFrequency}.`,
      {
        minFrequency,
      },
    );
  }
  const distinct = new Set(specialTokens);
  const clash = specialTokens.find((token) => token === '' || byteCharacters.includes(token));
  if (specialTokens.length === 0 || distinct.size < specialTokens.length || clash !== undefined) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected specialTokens to be at least one distinct string of several characters, got ${JSON.stringify(specialTokens)}.`,
      { specialTokens },
    );
  }
}

async function countPieces(
  texts: Iterable<string> | AsyncIterable<string>,
  pause: () => Promise<boolean>,
  onProgress: BpeTrainingOptions['onProgress'],
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let done = 0;
  for await (const text of texts) {
    assertWellFormed(text);
    forEachPiece(text, (piece) => {
      const count = counts.get(piece);
      if (count === undefined) counts.set(detachPiece(piece).copy, 1);
      else counts.set(piece, count + 1);
    });
    done++;
    if (await pause()) onProgress?.({ phase: 'counting', done });
  }
  if (counts.size === 0) {
    throw new IteraError('TEXT_EMPTY', 'Expected text to train a tokenizer on, got none. Give at least one document.');
  }
  return counts;
}

/** Counts the neighbours of one word. */
function addPairs(pairs: Map<number, Pair>, word: Word, index: number): void {
  for (let position = 0; position + 1 < word.ids.length; position++) {
    const pair = obtainPair(pairs, word.ids[position] as number, word.ids[position + 1] as number);
    pair.count += word.count;
    if (pair.words.at(-1) !== index) pair.words.push(index);
  }
}

function obtainPair(pairs: Map<number, Pair>, left: number, right: number): Pair {
  const key = pairKey(left, right);
  let pair = pairs.get(key);
  if (pair === undefined) {
    pair = { left, right, count: 0, words: [] };
    pairs.set(key, pair);
  }
  return pair;
}

/**
 * Replaces a pair by its token in every word and keeps the counts of all pairs exact.
 *
 * @returns The pairs whose count may have grown: those that hold the token.
 */
function mergeEverywhere(merged: Pair, id: number, words: readonly Word[], pairs: Map<number, Pair>): Set<Pair> {
  const grown = new Set<Pair>();
  for (const index of merged.words) {
    const word = words[index] as Word;
    const ids = replacePair(word.ids, merged, id);
    if (ids.length === word.ids.length) continue;
    for (let position = 0; position + 1 < word.ids.length; position++) {
      obtainPair(pairs, word.ids[position] as number, word.ids[position + 1] as number).count -= word.count;
    }
    for (let position = 0; position + 1 < ids.length; position++) {
      const left = ids[position] as number;
      const right = ids[position + 1] as number;
      const pair = obtainPair(pairs, left, right);
      pair.count += word.count;
      if (left !== id && right !== id) continue;
      if (pair.words.at(-1) !== index) pair.words.push(index);
      grown.add(pair);
    }
    word.ids = ids;
  }
  pairs.delete(pairKey(merged.left, merged.right));
  return grown;
}

function replacePair(ids: readonly number[], { left, right }: Pair, id: number): number[] {
  const replaced: number[] = [];
  for (let position = 0; position < ids.length; position++) {
    if (ids[position] === left && ids[position + 1] === right) {
      replaced.push(id);
      position++;
    } else {
      replaced.push(ids[position] as number);
    }
  }
  return replaced;
}

function comesBefore(first: Candidate, second: Candidate): boolean {
  if (first.count !== second.count) return first.count > second.count;
  if (first.pair.left !== second.pair.left) return first.pair.left < second.pair.left;
  return first.pair.right < second.pair.right;
}

/** Gives other work a turn every 50 ms, and tells when it did; checks the signal on every call. */
function createPause(signal: AbortSignal | undefined): () => Promise<boolean> {
  let resumedMs = performance.now();
  return async () => {
    throwIfAborted(signal);
    if (performance.now() - resumedMs < workBetweenPausesMs) return false;
    await new Promise((resolve) => setTimeout(resolve));
    throwIfAborted(signal);
    resumedMs = performance.now();
    return true;
  };
}
