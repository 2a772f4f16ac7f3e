import type { TokenText } from './engine.ts';

/** A prefix, cut where its tokens can be relied on. */
export interface HealedPrefix {
  /** The tokens before the cut. */
  readonly kept: readonly number[];
  /** The tokens after it, as the tokenizer has them. */
  readonly removed: readonly number[];
  /** What the removed tokens spell: the bytes with which everything after the kept ones must begin. */
  readonly required: Uint8Array;
}

/** More tokens than this are not taken back: words longer than that are rare, and each one costs the search a level. */
const maxRemovedTokens = 8;

/**
 * Takes back the last tokens of a prefix, because a tokenizer that could have seen what follows might have cut them
 * otherwise: it has one token for ` Once`, but never lets ` Onc` be followed by `e`; and a space at the end would have
 * gone to the next word. The cut is before the last word and one white space before it, or before the white space at the
 * end, moved back to the border of a token.
 *
 * Where the tokens do not spell the prefix's own bytes (a normalising tokenizer) nothing is taken back.
 *
 * @see Lundberg 2023, "The Art of Prompt Design: Prompt Boundaries and Token Healing", where one token is taken back.
 */
export function healPrefix(text: TokenText, prefix: string): HealedPrefix {
  const tokens = Array.from(text.encode(prefix));
  const needed = new TextEncoder().encode(prefix.slice(lastWordStart(prefix)));
  let cut = tokens.length;
  let removedBytes = 0;
  while (cut > 0 && removedBytes < needed.length && tokens.length - cut < maxRemovedTokens) {
    const length = text.tokenBytes(tokens[cut - 1] as number).length;
    if (length === 0) break;
    removedBytes += length;
    cut--;
  }
  const removed = tokens.slice(cut);
  const required = joinBytes(removed.map((id) => text.tokenBytes(id)));
  const bytes = new TextEncoder().encode(prefix);
  const end = bytes.subarray(bytes.length - required.length);
  const spellsPrefix = required.length <= bytes.length && end.every((byte, index) => byte === required[index]);
  return spellsPrefix
    ? { kept: tokens.slice(0, cut), removed, required }
    : { kept: tokens, removed: [], required: new Uint8Array() };
}

function lastWordStart(prefix: string): number {
  const visible = prefix.trimEnd().length;
  if (visible < prefix.length) return visible;
  let start = prefix.length;
  while (start > 0 && !/\s/.test(prefix.charAt(start))) start--;
  return start;
}

/** One array of bytes out of several. */
function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
