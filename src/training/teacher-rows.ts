import { IteraError } from '../core/errors.ts';
import type { Batch } from '../data/batches.ts';

/** What a teacher predicts in a batch of B rows of T tokens: its K most probable tokens after each input. */
export interface TeacherRows {
  /** Different tokens at each position, `int64[B*T, K]`. */
  readonly ids: BigInt64Array;
  /** Their probabilities, above 0, `float32[B*T, K]`. */
  readonly weights: Float32Array;
  /** 1 where the true next token is not among them, else 0, `float32[B*T]`. */
  readonly targetWeights: Float32Array;
}

/** What a teacher predicts after each token of a text. */
export interface TeacherPredictions {
  readonly tokenCount: number;
  /** K. */
  readonly topK: number;
  /**
   * Reads a stretch of positions.
   *
   * @returns Ids and the cost of each, {@link encodeNats}, `[count, K]` each.
   */
  read(start: number, count: number): Promise<StoredPredictions>;
}

export interface StoredPredictions {
  readonly ids: Uint16Array | Uint32Array;
  readonly costs: Uint16Array;
}

/** Steps per nat: probabilities are kept to a quarter of a thousandth of themselves, down to e^-32. */
const stepsPerNat = 2048;

/** A negative log-probability as 16 bits. */
export const encodeNats = (logProb: number): number => Math.min(Math.round(-logProb * stepsPerNat), 2 ** 16 - 1);

/** The probability of each encoded cost. */
const probabilities = Float32Array.from({ length: 2 ** 16 }, (_, cost) => Math.exp(-cost / stepsPerNat));

/**
 * Looks up what a teacher predicts in a batch.
 *
 * @param sources - Of each source of the batch's sampler, in its order; all of the same K.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if a row comes from elsewhere, and what `read` throws.
 */
export async function readTeacherRows(
  { targets, origins }: Pick<Batch, 'targets' | 'origins'>,
  sources: readonly TeacherPredictions[],
): Promise<TeacherRows> {
  const length = targets.length / origins.length;
  const topK = sources[0]?.topK ?? 0;
  const ids = new BigInt64Array(targets.length * topK);
  // The low halves, on the little-endian machines that ONNX Runtime supports: making big integers takes longer.
  const halves = new Int32Array(ids.buffer);
  const weights = new Float32Array(targets.length * topK);
  const targetWeights = new Float32Array(targets.length);
  await Promise.all(
    origins.map(async ({ source, start }, row) => {
      const predictions = sources[source];
      if (predictions === undefined || start + length > predictions.tokenCount) {
        throw new IteraError('INVALID_ARGUMENT', `The teacher has no predictions for tokens ${start} of ${source}.`);
      }
      const stored = await predictions.read(start, length);
      for (let column = 0; column < length; column++) {
        const at = row * length + column;
        const isKnown = copyPosition(stored, column, topK, { halves, weights, at, target: Number(targets[at]) });
        targetWeights[at] = isKnown ? 0 : 1;
      }
    }),
  );
  return { ids, weights, targetWeights };
}

/** Copies the predictions of one position; says whether the true token is among them. */
function copyPosition(
  stored: StoredPredictions,
  column: number,
  topK: number,
  to: { halves: Int32Array; weights: Float32Array; at: number; target: number },
): boolean {
  let isKnown = false;
  let mass = 0;
  for (let rank = 0; rank < topK; rank++) {
    const id = stored.ids[column * topK + rank] as number;
    const probability = probabilities[stored.costs[column * topK + rank] as number] as number;
    to.halves[2 * (to.at * topK + rank)] = id;
    to.weights[to.at * topK + rank] = probability;
    mass += probability;
    if (id === to.target) isKnown = true;
  }
  // Rounded up, they may come to a little more than everything.
  if (mass > 1)
    for (let index = to.at * topK; index < (to.at + 1) * topK; index++)
      to.weights[index] = (to.weights[index] as number) / mass;
  return isKnown;
}
