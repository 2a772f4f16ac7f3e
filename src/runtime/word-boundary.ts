/**
 * Where one is in a text that is read for its next words. A word here is a run of letters, digits and marks, in which an
 * apostrophe counts as a letter, or a run of other visible characters; white space before it belongs to it.
 *
 * `lead`: before a word. `joined`: at the beginning, right after the prefix's own letters. `letters`, `symbols`: in a
 * word. `apostrophe`: after one that may belong to the letters before it; `joinedApostrophe`: those are the prefix's.
 */
export interface WordPlace {
  readonly kind: 'lead' | 'joined' | 'letters' | 'symbols' | 'apostrophe' | 'joinedApostrophe';
  /** How many words are still to be completed, at least 1. */
  readonly wordsLeft: number;
}

/** Either the place after reading on, or the offset at which the last wanted word ended. */
export type WordStep =
  | { readonly place: WordPlace }
  /** In UTF-16 units from where reading went on; -1 if an apostrophe just before it turned out not to belong. */
  | { readonly end: number };

const letter = /^[\p{L}\p{N}\p{M}_]/u;
const mark = /^\p{M}/u;
const space = /^\s/u;
const endsInLetter = /[\p{L}\p{N}\p{M}_]$/u;

/** The place from which what follows a prefix is read. */
export function startPlace(prefix: string, words: number): WordPlace {
  return { kind: endsInLetter.test(prefix) ? 'joined' : 'lead', wordsLeft: words };
}

/** Reads on through whole characters, until the last wanted word has ended or the characters have. */
export function readWords(start: WordPlace, text: string): WordStep {
  let { kind, wordsLeft } = start;
  let offset = 0;
  for (const character of text) {
    // A mark belongs to what it follows: an accent to its letter, a variation selector to its symbol.
    const isLetter = letter.test(character) && !(kind === 'symbols' && mark.test(character));
    const isApostrophe = character === "'" || character === '\u2019';
    if (kind === 'apostrophe' && !isLetter) {
      if (--wordsLeft === 0) return { end: offset - 1 };
      kind = 'symbols';
    } else if (kind === 'joinedApostrophe' && !isLetter) {
      kind = 'symbols';
    }
    const next = kindOf(character, isLetter);
    const endsWord = (kind === 'letters' || kind === 'symbols') && next !== kind;
    if (endsWord && !(kind === 'letters' && isApostrophe)) {
      if (--wordsLeft === 0) return { end: offset };
    }
    if (isApostrophe && (kind === 'letters' || kind === 'joined')) {
      kind = kind === 'letters' ? 'apostrophe' : 'joinedApostrophe';
    } else {
      kind = next;
    }
    offset += character.length;
  }
  return { place: { kind, wordsLeft } };
}

function kindOf(character: string, isLetter: boolean): 'lead' | 'letters' | 'symbols' {
  if (isLetter) return 'letters';
  return space.test(character) ? 'lead' : 'symbols';
}

/**
 * The whole words of a text that ends here for good, though fewer may have been completed than wanted: without white
 * space after them, and without an apostrophe that belongs to none. Empty if there is no word.
 */
export function finishWords(place: WordPlace, text: string): string {
  const isOpen = place.kind === 'apostrophe' && place.wordsLeft === 1;
  return (isOpen ? text.slice(0, -1) : text).trimEnd();
}
