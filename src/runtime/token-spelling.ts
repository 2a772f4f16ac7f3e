import type { TokenText } from './engine.ts';
import { readWords, type WordPlace, type WordStep } from './word-boundary.ts';

/** Bytes as the characters they complete and the beginning of one that they do not. */
export interface Spelling {
  readonly text: string;
  readonly partial: Uint8Array;
}

/** What the tokens spell, worked out once, and what each does to a word in progress, worked out when first met. */
export interface TokenSpelling {
  /** By token id; empty for special tokens. */
  readonly bytes: readonly Uint8Array[];
  /** By token id; undefined where the bytes cannot begin a character. */
  readonly spellings: readonly (Spelling | undefined)[];
  /** How reading goes on from a place through a spelling, by its token id. */
  stepsFrom(place: WordPlace): (id: number, spelling: Spelling) => WordStep;
}

const nothing = new Uint8Array();

/** Looks up every token of a tokenizer. */
export function createTokenSpelling(text: TokenText): TokenSpelling {
  const bytes = Array.from({ length: text.vocabSize }, (_, id) => text.tokenBytes(id));
  const spellings = bytes.map((tokenBytes) => spell(nothing, tokenBytes));
  const tables = new Map<string, (WordStep | undefined)[]>();
  return {
    bytes,
    spellings,
    stepsFrom(place) {
      const key = `${place.kind} ${place.wordsLeft}`;
      const steps = tables.get(key) ?? [];
      tables.set(key, steps);
      return (id, spelling) => {
        const known = steps[id] ?? readWords(place, spelling.text);
        steps[id] = known;
        return known;
      };
    },
  };
}

/** Joins bytes to those of an unfinished character; undefined if they cannot be UTF-8, whatever follows. */
export function spell(partial: Uint8Array, bytes: Uint8Array): Spelling | undefined {
  const first = bytes[0];
  // Cheap, and true of most tokens that are tried after an unfinished character.
  if (partial.length > 0 && first !== undefined && (first & 0xc0) !== 0x80) return undefined;
  const all = new Uint8Array(partial.length + bytes.length);
  all.set(partial);
  all.set(bytes, partial.length);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(all, { stream: true });
    return { text, partial: all.subarray(new TextEncoder().encode(text).length) };
  } catch {
    return undefined;
  }
}
