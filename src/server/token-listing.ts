import type { TokenLogProb } from '../runtime/sampling.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** Log-probabilities as OpenAI's completions give them. */
export interface TokenListing {
  readonly tokens: string[];
  readonly token_logprobs: number[];
  /** By token, the one that was drawn included. */
  readonly top_logprobs: Readonly<Record<string, number>>[];
  /** Where each token begins, in characters (UTF-16) of the text. */
  readonly text_offset: number[];
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A token's text; of one that is no whole characters, `bytes:` and its bytes. */
export function tokenText(tokenizer: Tokenizer, id: number): string {
  if (tokenizer.specialIds.has(id)) return '<|endoftext|>';
  const bytes = tokenizer.tokenBytes(id);
  try {
    return decoder.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}

/**
 * Lists tokens in order.
 *
 * @param start - Where the first one begins.
 * @returns A function that gives the listing of one more token.
 */
export function createTokenLister(tokenizer: Tokenizer, start = 0) {
  const stream = tokenizer.streamDecoder();
  let offset = start;
  return (id: number, logProb: number, alternatives: readonly TokenLogProb[] = []): TokenListing => {
    const text = tokenText(tokenizer, id);
    const top = alternatives.map((other) => [tokenText(tokenizer, other.id), other.logProb] as const);
    const listing = {
      tokens: [text],
      token_logprobs: [logProb],
      top_logprobs: [Object.fromEntries([[text, logProb], ...top].sort((a, b) => Number(b[1]) - Number(a[1])))],
      text_offset: [offset],
    };
    offset += stream.push(id).length;
    return listing;
  };
}

/** Listings one after the other. */
export function joinListings(listings: readonly TokenListing[]): TokenListing {
  return {
    tokens: listings.flatMap(({ tokens }) => tokens),
    token_logprobs: listings.flatMap(({ token_logprobs: logProbs }) => logProbs),
    top_logprobs: listings.flatMap(({ top_logprobs: top }) => top),
    text_offset: listings.flatMap(({ text_offset: offsets }) => offsets),
  };
}
