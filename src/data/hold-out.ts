import type { TextDocument } from './documents.ts';

/** Which documents are kept from training, to validate on: those whose hash is below a bound. */
export interface HoldOut {
  /** Of hashes, from 0 to 2^32. */
  readonly bound: number;
}

/** One document in 50. */
const usualBound = Math.floor(2 ** 32 / 50);

/**
 * Decides which documents of a text without splits are held out: about 2%, by a hash of their content, so that equal
 * documents stay together and others may be added without moving them. If that leaves nothing on one side, at least one
 * document is held out and at least one is not.
 *
 * @returns `undefined` if all documents are equal, or there is only one.
 */
export async function findHoldOut(documents: AsyncIterable<TextDocument>): Promise<HoldOut | undefined> {
  let smallest = Number.POSITIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  for await (const { text } of documents) {
    const hash = hashText(text);
    smallest = Math.min(smallest, hash);
    largest = Math.max(largest, hash);
  }
  if (smallest >= largest) return undefined;
  return { bound: Math.min(Math.max(usualBound, smallest + 1), largest) };
}

/** Whether a document is held out. */
export function isHeldOut({ bound }: HoldOut, { text }: TextDocument): boolean {
  return hashText(text) < bound;
}

/** FNV-1a over UTF-16 units, 32 bits, its bits then mixed by the last steps of MurmurHash3. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
