import type { Engine, EngineStep, ModelState, TokenText } from '../../../src/runtime/engine.ts';

const encoder = new TextEncoder();

/** A tokenizer of all bytes and some longer tokens, which takes the longest token that fits. Token 0 is end-of-text. */
export function createGreedyTokenizer(longTokens: readonly string[]): TokenText {
  const bytes = [
    new Uint8Array(),
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...longTokens.map((token) => encoder.encode(token)),
  ];
  const byLength = bytes.map((token, id) => ({ token, id })).sort((a, b) => b.token.length - a.token.length);
  const tokenBytes = (id: number) => bytes[id] as Uint8Array;
  const decode = (ids: Iterable<number>) =>
    new TextDecoder().decode(Uint8Array.from(Array.from(ids).flatMap((id) => [...tokenBytes(id)])));
  return {
    vocabSize: bytes.length,
    eosId: 0,
    encode(text) {
      const ids: number[] = [];
      const all = encoder.encode(text);
      for (let at = 0; at < all.length; ) {
        const fits = byLength.find(
          ({ token }) => token.length > 0 && token.every((byte, index) => byte === all[at + index]),
        );
        if (!fits) throw new Error('Every byte has a token.');
        ids.push(fits.id);
        at += fits.token.length;
      }
      return ids;
    },
    decode,
    tokenBytes,
    streamDecoder() {
      const decoder = new TextDecoder();
      return { push: (id) => decoder.decode(tokenBytes(id), { stream: true }), end: () => decoder.decode() };
    },
  };
}

/** An engine that notes what it was asked to run. */
export interface CountingEngine extends Engine {
  readonly runs: number[][];
}

interface TrigramState extends ModelState {
  readonly last: readonly [number, number];
}

/**
 * A trigram model of some texts, mixed with its bigram and unigram models: a real language model with an explicit state.
 * Tokens that the texts do not hold have no probability.
 *
 * @param shares - Of the trigrams, bigrams and unigrams. Without unigrams few tokens may follow one another.
 */
export function createTrigramEngine(
  vocabSize: number,
  spellings: readonly ArrayLike<number>[],
  shares: readonly [number, number, number] = [0.7, 0.2, 0.1],
): CountingEngine {
  const counts = new Map<string, Map<number, number>>();
  const count = (context: string, token: number) => {
    const following = counts.get(context) ?? new Map<number, number>();
    counts.set(context, following.set(token, (following.get(token) ?? 0) + 1));
  };
  for (const spelling of spellings) {
    const tokens = [0, 0, ...Array.from(spelling), 0];
    for (let at = 2; at < tokens.length; at++) {
      const token = tokens[at] as number;
      count('', token);
      count(`${tokens[at - 1]}`, token);
      count(`${tokens[at - 2]},${tokens[at - 1]}`, token);
    }
  }
  const logitsAfter = ([first, second]: readonly [number, number]): Float32Array => {
    const probabilities = new Float64Array(vocabSize);
    const known = [
      { weight: shares[0], following: counts.get(`${first},${second}`) },
      { weight: shares[1], following: counts.get(`${second}`) },
      { weight: shares[2], following: counts.get('') },
    ];
    for (const { weight, following } of known) {
      const total = [...(following?.values() ?? [])].reduce((sum, n) => sum + n, 0);
      for (const [token, n] of following ?? []) {
        probabilities[token] = (probabilities[token] as number) + (weight * n) / total;
      }
    }
    // A shift of all logits changes no probability, and shows who forgets to normalise.
    return Float32Array.from(probabilities, (probability) => Math.log(probability) + 3);
  };
  const runs: number[][] = [];
  return {
    vocabSize,
    runs,
    async run(tokens, state): Promise<EngineStep> {
      runs.push(Array.from(tokens));
      const all = [...((state as TrigramState | undefined)?.last ?? [0, 0]), ...Array.from(tokens)];
      const last = all.slice(-2) as [number, number];
      return { logits: logitsAfter(last), state: { last } satisfies TrigramState };
    },
  };
}

/** ln of the probability of a token after a run, worked out the plain way. */
export function logProbOf(logits: Float32Array, token: number): number {
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return (logits[token] as number) - Math.log(total);
}
