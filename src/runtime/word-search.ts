import type { EngineStep, ModelState } from './engine.ts';
import { logSumExp } from './sampling.ts';
import { type Spelling, spell, type TokenSpelling } from './token-spelling.ts';
import { finishWords, readWords, type WordPlace } from './word-boundary.ts';

/** What to search, and how far. */
export interface WordSearch {
  readonly spelling: TokenSpelling;
  readonly eosId: number;
  /** Bytes with which the text must begin; they are not part of the words found. */
  readonly required: Uint8Array;
  /** One spelling of `required`, which the search never drops. */
  readonly requiredTokens: readonly number[];
  readonly place: WordPlace;
  /** How many of the most likely texts matter. */
  readonly count: number;
  readonly beamWidth: number;
  /** A beginning less likely than this share of the last text that matters is dropped. */
  readonly pruneRatio: number;
  /** At most so many tokens, one run of the model each, are put one after another. */
  readonly maxDepth: number;
  runToken(token: number, state: ModelState): Promise<EngineStep>;
}

/** Texts that may follow, each with ln of its probability given that the text begins as required. */
export type FoundWords = readonly { readonly text: string; readonly logProb: number }[];

/** The beginning of a text: some tokens, without the last one's run. */
interface Branch {
  readonly logProb: number;
  readonly required: Uint8Array;
  readonly text: string;
  readonly partial: Uint8Array;
  readonly place: WordPlace;
  /** How many tokens of `requiredTokens` this branch consists of; undefined if it spells otherwise. */
  readonly followed: number | undefined;
}

/** A branch that is yet to be run, by its last token. */
interface Candidate extends Branch {
  readonly token: number;
  readonly state: ModelState;
}

/**
 * Beam search over tokens that adds up the probability of every way to spell a text. A text counts once the next token
 * shows that its last word is over, so all tokens with which it may end are counted together, without running any.
 *
 * What the beam drops is missing from the sums: probabilities are exact if it is wide enough and nothing is pruned, and
 * otherwise a little too low.
 *
 * @param start - The step from which `required` is to be spelled.
 * @returns The most likely texts, at most `count`, most likely first, none empty.
 */
export async function searchWords(start: EngineStep, search: WordSearch): Promise<FoundWords> {
  const tally = createTally(search.required.length === 0 ? 0 : -Infinity);
  const { required, place } = search;
  const root = { logProb: 0, required, text: '', partial: new Uint8Array(), place, followed: 0 };
  let candidates = expand(root, start, search, tally, -Infinity);
  for (let depth = 0; depth < search.maxDepth; depth++) {
    const floor = tally.floor(search);
    const beam = keepBest(candidates, search, floor);
    if (beam.length === 0) break;
    candidates = [];
    for (const candidate of beam) {
      const step = await search.runToken(candidate.token, candidate.state);
      candidates = candidates.concat(expand(candidate, step, search, tally, floor));
    }
  }
  return tally.best(search.count);
}

/** Counts what ends with the next token, and gives the most likely ways to go on. */
function expand(branch: Branch, step: EngineStep, search: WordSearch, tally: Tally, floor: number): Candidate[] {
  const { logits, state } = step;
  const { bytes } = search.spelling;
  const base = branch.logProb - logSumExp(logits);
  const spellingOf = spellerFrom(branch, search.spelling);
  const stepThrough = search.spelling.stepsFrom(branch.place);
  const endsBefore = new Map<number, number>();
  let candidates: Candidate[] = [];
  let lowest = floor;
  for (let token = 0; token < bytes.length; token++) {
    const logProb = base + (logits[token] as number);
    if (logProb === -Infinity) continue;
    if (token === search.eosId && branch.required.length === 0 && branch.partial.length === 0) {
      tally.add(finishWords(branch.place, branch.text), logProb);
    }
    const tokenBytes = bytes[token] as Uint8Array;
    const shared = Math.min(tokenBytes.length, branch.required.length);
    if (tokenBytes.length === 0 || !agree(tokenBytes, branch.required, shared)) continue;
    if (branch.required.length > 0 && shared === branch.required.length) tally.addRequired(logProb);
    const spelling = spellingOf(token);
    if (!spelling) continue;
    const isWhole = spelling === search.spelling.spellings[token];
    const next = isWhole ? stepThrough(token, spelling) : readWords(branch.place, spelling.text);
    if ('end' in next) {
      if (next.end > 0) tally.add(branch.text + spelling.text.slice(0, next.end), logProb);
      else endsBefore.set(next.end, (endsBefore.get(next.end) ?? 0) + Math.exp(logProb - branch.logProb));
      continue;
    }
    const follows = branch.followed !== undefined && search.requiredTokens[branch.followed] === token;
    if (logProb < lowest && !follows) continue;
    candidates.push({
      logProb,
      required: branch.required.subarray(shared),
      text: branch.text + spelling.text,
      partial: spelling.partial,
      place: next.place,
      followed: follows ? (branch.followed as number) + 1 : undefined,
      token,
      state,
    });
    // Cutting now and then is faster than sorting the whole vocabulary at the end.
    if (candidates.length >= 4 * search.beamWidth) {
      candidates = keepBest(candidates, search, lowest);
      lowest = Math.max(lowest, candidates[search.beamWidth - 1]?.logProb ?? -Infinity);
    }
  }
  for (const [end, mass] of endsBefore) {
    tally.add(branch.text.slice(0, branch.text.length + end), branch.logProb + Math.log(mass));
  }
  return keepBest(candidates, search, lowest);
}

/** What a token that agrees with the required bytes adds to a branch; undefined if that cannot be text. */
function spellerFrom(branch: Branch, tokens: TokenSpelling): (token: number) => Spelling | undefined {
  const { required, partial } = branch;
  const unchanged = { text: '', partial };
  const skipped = spell(partial, required);
  // Where the border between required and added text is one between characters, known spellings can be cut there.
  const skippedLength = skipped?.partial.length === 0 ? skipped.text.length : undefined;
  return (token) => {
    const bytes = tokens.bytes[token] as Uint8Array;
    if (bytes.length <= required.length) return unchanged;
    const known = tokens.spellings[token];
    if (skippedLength === 0) return known;
    if (skippedLength === undefined || !known) return spell(partial, bytes.subarray(required.length));
    return { text: known.text.slice(skippedLength), partial: known.partial };
  };
}

function agree(a: Uint8Array, b: Uint8Array, length: number): boolean {
  for (let index = 0; index < length; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** The most likely candidates, and the one that spells what is required as the tokenizer does. */
function keepBest(candidates: Candidate[], search: WordSearch, floor: number): Candidate[] {
  const isOwnSpelling = (candidate: Candidate) => candidate.followed !== undefined && candidate.required.length > 0;
  return candidates
    .filter((candidate) => candidate.logProb >= floor || isOwnSpelling(candidate))
    .sort((a, b) => b.logProb - a.logProb || a.token - b.token)
    .filter((candidate, rank) => rank < search.beamWidth || isOwnSpelling(candidate));
}

interface Tally {
  add(text: string, logProb: number): void;
  /** Adds to the probability of the required beginning. */
  addRequired(logProb: number): void;
  /** Below this a branch is not worth following. */
  floor(search: WordSearch): number;
  best(count: number): FoundWords;
}

function createTally(logRequired: number): Tally {
  const found = new Map<string, number>();
  let required = logRequired;
  return {
    add(text, logProb) {
      if (text !== '') found.set(text, addLogs(found.get(text) ?? -Infinity, logProb));
    },
    addRequired(logProb) {
      required = addLogs(required, logProb);
    },
    floor({ count, pruneRatio }) {
      // Asked for often, over many texts: the few highest are kept in order instead of sorting all.
      const highest: number[] = [];
      for (const logProb of found.values()) {
        if (highest.length === count && logProb <= (highest[count - 1] as number)) continue;
        const rank = highest.findIndex((other) => other < logProb);
        highest.splice(rank < 0 ? highest.length : rank, 0, logProb);
        highest.length = Math.min(highest.length, count);
      }
      return (highest[count - 1] ?? -Infinity) + Math.log(pruneRatio);
    },
    // Rounding may lift a text that is certain above its condition.
    best: (count) =>
      [...found]
        .sort(([a, p], [b, q]) => q - p || (a < b ? -1 : 1))
        .slice(0, count)
        .map(([text, logProb]) => ({ text, logProb: Math.min(0, logProb - required) })),
  };
}

/** ln(e^a + e^b), where both may be -Infinity. */
function addLogs(a: number, b: number): number {
  const higher = Math.max(a, b);
  return higher === -Infinity ? higher : higher + Math.log1p(Math.exp(Math.min(a, b) - higher));
}
