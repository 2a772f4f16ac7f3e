import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { TokenizedDataset } from '../data/batches.ts';
import type { Teacher } from './teacher.ts';
import { encodeNats, type StoredPredictions } from './teacher-rows.ts';

/** What a teacher's predictions depend on besides the text. */
export interface TeacherIdentity {
  /** Of `config.json` and `model.safetensors`. */
  readonly sha256: string;
  readonly tokenizerSha256: string;
  /** Tokens of the tokenizer. */
  readonly vocabSize: number;
  /** K. */
  readonly topK: number;
  /** S: positions that are predicted together; each sees at least S tokens before it, or the whole text. */
  readonly stride: number;
}

/** How predictions lie in memory and in the cache: in blocks, the unit that is stored and checked. */
export interface BlockLayout {
  readonly tokenCount: number;
  readonly identity: TeacherIdentity;
  /** 16-bit words of an id. */
  readonly idWords: number;
  readonly positionBytes: number;
  readonly blockPositions: number;
}

/** Logits that a run of the teacher may make, to bound memory: 32 MiB. */
const maximumLogits = 2 ** 23;

/** Positions of a block; the last may be shorter. */
export const blockLength = ({ blockPositions, tokenCount }: BlockLayout, block: number): number =>
  Math.min(blockPositions, tokenCount - block * blockPositions);

/** A stretch of the text that the teacher reads, and how many of its last positions are wanted. */
interface Window {
  readonly start: number;
  readonly end: number;
  readonly keep: number;
}

/**
 * Asks the teacher for the predictions of a block, as they are stored.
 *
 * @throws {@link IteraError} `ABORTED`, and what the teacher throws.
 */
export async function predictBlock(
  teacher: Teacher,
  { tokens }: TokenizedDataset,
  layout: BlockLayout,
  block: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { stride, topK, vocabSize } = layout.identity;
  const first = block * layout.blockPositions;
  const end = first + blockLength(layout, block);
  const words = new Uint16Array(((end - first) * layout.positionBytes) / 2);
  const windows: Window[] = [];
  for (let at = first; at < end; at += stride) {
    const last = Math.min(at + stride, end);
    windows.push({ start: Math.max(0, last - 2 * stride), end: last, keep: last - at });
  }
  const limit = Math.max(1, Math.floor(maximumLogits / (stride * vocabSize)));
  let written = 0;
  for (const batch of batchAlike(windows, limit)) {
    throwIfStopped(signal);
    const keep = batch[0]?.keep ?? 0;
    const { ids, logProbs } = await teacher.predict(
      batch.map((window) => tokens.subarray(window.start, window.end)),
      keep,
    );
    for (let position = 0; position < batch.length * keep; position++) {
      for (let rank = 0; rank < topK; rank++) {
        const id = Number(ids[position * topK + rank]);
        words[written + rank * layout.idWords] = id & 0xffff;
        if (layout.idWords === 2) words[written + 2 * rank + 1] = id >>> 16;
        words[written + topK * layout.idWords + rank] = encodeNats(logProbs[position * topK + rank] as number);
      }
      written += topK * (layout.idWords + 1);
    }
  }
  return new Uint8Array(words.buffer);
}

/** Windows in their order, those of one size together. */
function batchAlike(windows: readonly Window[], limit: number): Window[][] {
  const batches: Window[][] = [];
  for (const window of windows) {
    const batch = batches.at(-1);
    const [head] = batch ?? [];
    const isAlike = head?.keep === window.keep && head.end - head.start === window.end - window.start;
    if (batch && isAlike && batch.length < limit) batch.push(window);
    else batches.push([window]);
  }
  return batches;
}

function throwIfStopped(signal: AbortSignal | undefined): void {
  try {
    throwIfAborted(signal);
  } catch (cause) {
    throw new IteraError(
      'ABORTED',
      'Stopped while the teacher predicted. What it has done is kept: give the same command again to go on.',
      {},
      { cause },
    );
  }
}

/** Reads stored predictions into arrays, from position `first` of them on. */
export function unpack(bytes: Buffer, { identity, idWords }: BlockLayout, to: StoredPredictions, first: number): void {
  const { topK } = identity;
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const wordsEach = topK * (idWords + 1);
  for (let at = 0, out = first * topK; at < words.length; at += wordsEach) {
    for (let rank = 0; rank < topK; rank++, out++) {
      const low = words[at + rank * idWords] as number;
      to.ids[out] = idWords === 1 ? low : low + 2 ** 16 * (words[at + 2 * rank + 1] as number);
      to.costs[out] = words[at + topK * idWords + rank] as number;
    }
  }
}
