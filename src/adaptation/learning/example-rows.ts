import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Example } from './example.ts';

/** One text of an example as tokens: the end-of-text mark, the prompt, the answer. */
export interface ExampleRow {
  readonly tokens: Uint32Array;
  /** Place in `tokens` of the first that counts, and of the one after the last. */
  readonly from: number;
  readonly to: number;
  /** Whether the answer is wanted; an unwanted one is to become less probable. */
  readonly wanted: boolean;
}

/** Tokens that a row has at most. */
export const longestRow = 128;
/** Tokens of it that an answer has at most; more of it is not learnt. */
const longestAnswer = 96;

/**
 * The texts of an example that something is learnt from, at most two. A prompt that is too long loses its beginning, an
 * answer its end. Where both are given, of the unwanted answer only what differs from the wanted one counts: what they
 * begin and end with in common is not at fault.
 */
export function exampleRows({ prompt, wanted, unwanted }: Example, tokenizer: Tokenizer): readonly ExampleRow[] {
  const before = tokenizer.encode(prompt);
  const [good, bad] = [wanted, unwanted].map((text) =>
    text === undefined ? new Uint32Array() : tokenizer.encode(text).subarray(0, longestAnswer),
  ) as [Uint32Array, Uint32Array];
  const rows: ExampleRow[] = [];
  const add = (answer: Uint32Array, isWanted: boolean, from: number, to: number): void => {
    if (to <= from) return;
    const room = longestRow - 1 - answer.length;
    const kept = before.subarray(Math.max(0, before.length - room));
    const tokens = Uint32Array.of(tokenizer.eosId, ...kept, ...answer);
    const start = 1 + kept.length;
    rows.push({ tokens, from: start + from, to: start + to, wanted: isWanted });
  };
  add(good, true, 0, good.length);
  const [first, last] = good.length > 0 ? differingPart(bad, good) : [0, bad.length];
  add(bad, false, first, last);
  return rows;
}

/** From where to where a differs from b. */
function differingPart(a: Uint32Array, b: Uint32Array): readonly [number, number] {
  let first = 0;
  while (first < Math.min(a.length, b.length) && a[first] === b[first]) first += 1;
  let common = 0;
  while (common < Math.min(a.length, b.length) - first && a.at(-1 - common) === b.at(-1 - common)) common += 1;
  return [first, a.length - common];
}
