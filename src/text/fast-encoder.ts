import { detachPiece, forEachPiece } from './pre-tokenizer.ts';
import { createPriorityQueue } from './priority-queue.ts';

/** The merges of a byte-pair tokenizer by the identifiers of their parts. */
export interface MergeTable {
  /** Identifier of each single byte, `[256]`. */
  readonly byteIds: ArrayLike<number>;
  /** Rank (0 first) and resulting identifier of a merge, by {@link pairKey}. */
  readonly merges: ReadonlyMap<number, { readonly rank: number; readonly id: number }>;
}

/** Identifiers lie below this, so that a pair of them is one exact number. */
export const maximumVocabSize = 2 ** 21;

export function pairKey(left: number, right: number): number {
  return left * maximumVocabSize + right;
}

const cachedPieces = 2 ** 16;
const cachedPieceLength = 64;
/** Up to this many bytes, looking at every pair again costs less than keeping a queue. */
const shortPieceBytes = 48;
const positionRange = 2 ** 32;

/**
 * An encoder of text by byte-pair merges, with the pieces seen before kept in a bounded cache.
 *
 * @returns A function from well-formed text to identifiers, `uint32[tokens]`.
 * @remarks Checked against `@huggingface/tokenizers` on random Unicode, exactly.
 */
export function createFastEncoder(table: MergeTable): (text: string) => Uint32Array {
  const cache = new Map<string, readonly number[]>();

  function encodePiece(piece: string): readonly number[] {
    const known = cache.get(piece);
    if (known !== undefined) return known;
    const { bytes, copy } = detachPiece(piece);
    const ids = mergeBytes(bytes, table);
    if (piece.length <= cachedPieceLength) {
      if (cache.size >= cachedPieces) cache.clear();
      cache.set(copy, ids);
    }
    return ids;
  }

  return (text) => {
    let ids = new Uint32Array(Math.max(16, text.length >> 1));
    let count = 0;
    forEachPiece(text, (piece) => {
      const pieceIds = encodePiece(piece);
      if (count + pieceIds.length > ids.length) {
        const larger = new Uint32Array(2 * ids.length + pieceIds.length);
        larger.set(ids);
        ids = larger;
      }
      for (const id of pieceIds) ids[count++] = id;
    });
    return ids.slice(0, count);
  };
}

/** Merges the bytes of one piece: always the pair of lowest rank, leftmost first, until none is left. */
export function mergeBytes(bytes: Uint8Array, table: MergeTable): readonly number[] {
  const ids = Array.from(bytes, (byte) => table.byteIds[byte] as number);
  return ids.length <= shortPieceBytes ? mergeShort(ids, table) : mergeLong(ids, table);
}

function mergeShort(ids: number[], { merges }: MergeTable): readonly number[] {
  for (;;) {
    let best: { rank: number; id: number } | undefined;
    let position = 0;
    for (let index = 0; index + 1 < ids.length; index++) {
      const merge = merges.get(pairKey(ids[index] as number, ids[index + 1] as number));
      if (merge !== undefined && (best === undefined || merge.rank < best.rank)) {
        best = merge;
        position = index;
      }
    }
    if (best === undefined) return ids;
    ids.splice(position, 2, best.id);
  }
}

/** O(n log n) for pieces without a break, such as a long run of one letter. */
function mergeLong(ids: number[], { merges }: MergeTable): readonly number[] {
  const next = Int32Array.from(ids, (_, index) => (index + 1 < ids.length ? index + 1 : -1));
  const previous = Int32Array.from(ids, (_, index) => index - 1);
  // A merged-away position keeps -1 in place of its identifier.
  const live = Int32Array.from(ids);
  // An entry is rank * 2^32 + position, so that the order of numbers is the order of merging.
  const queue = createPriorityQueue<number>((first, second) => first < second);

  function mergeAt(position: number): { readonly rank: number; readonly id: number } | undefined {
    const after = next[position] as number;
    return after < 0 ? undefined : merges.get(pairKey(live[position] as number, live[after] as number));
  }
  function enqueue(position: number): void {
    const merge = position < 0 ? undefined : mergeAt(position);
    if (merge !== undefined) queue.push(merge.rank * positionRange + position);
  }

  for (let position = 0; position < ids.length; position++) enqueue(position);
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    const position = entry % positionRange;
    if ((live[position] as number) < 0) continue;
    const merge = mergeAt(position);
    // The pair that was queued here may have been changed by a merge beside it.
    if (merge === undefined || merge.rank !== Math.floor(entry / positionRange)) continue;
    const absorbed = next[position] as number;
    const after = next[absorbed] as number;
    live[position] = merge.id;
    live[absorbed] = -1;
    next[position] = after;
    if (after >= 0) previous[after] = position;
    enqueue(previous[position] as number);
    enqueue(position);
  }
  return Array.from(live.filter((id) => id >= 0));
}
