import type { Random } from '../../core/random.ts';
import type { TeacherRows } from '../../training/teacher-rows.ts';
import type { PositionWeights } from '../../training/training-memory.ts';
import type { ExampleRow } from './example-rows.ts';
import type { Replay } from './replay.ts';

/** B rows of T tokens: examples in the first half, replay in the second. */
export interface LearningBatch {
  readonly batch: { readonly inputIds: BigInt64Array; readonly targets: BigInt64Array };
  readonly teacher: TeacherRows;
  readonly positions: PositionWeights;
}

export interface LearningMix {
  /** B, even. */
  readonly batchRows: number;
  /** Weight of all unwanted tokens of a batch against that of the wanted ones. */
  readonly avoidWeight: number;
  readonly endOfText: number;
}

/**
 * Draws batches without end: all rows of the examples in a new random order time after time, and as many rows of replay.
 * In each batch the wanted, unwanted and replayed tokens have the same weight in all, times the weight of their kind.
 *
 * @param rows - At least one.
 * @returns Draws one, given the weight of the replay.
 */
export function createBatchDrawer(
  rows: readonly ExampleRow[],
  replay: Replay,
  { batchRows, avoidWeight, endOfText }: LearningMix,
  random: Random,
): (followWeight: number) => LearningBatch {
  const { length } = replay;
  const half = batchRows / 2;
  const topK = (replay.taught[0]?.ids.length ?? 0) / length;
  const drawExample = createDeck(rows, random);
  const drawReplay = createDeck([...replay.rows.keys()], random);
  return (followWeight) => {
    const positionsOf = (): Float32Array => new Float32Array(batchRows * length);
    const [imitate, avoid, follow] = [positionsOf(), positionsOf(), positionsOf()];
    const inputIds = new BigInt64Array(batchRows * length).fill(BigInt(endOfText));
    const targets = inputIds.slice();
    const teacher = emptyTeacher(batchRows * length, topK);
    const write = (row: number, tokens: Uint32Array): void => {
      for (let at = 0; at + 1 < tokens.length; at++) {
        inputIds[row * length + at] = BigInt(tokens[at] as number);
        targets[row * length + at] = BigInt(tokens[at + 1] as number);
      }
    };
    for (let row = 0; row < half; row++) {
      const { tokens, from, to, wanted } = drawExample();
      write(row, tokens);
      // The token at a place is the target of the place before.
      (wanted ? imitate : avoid).fill(1, row * length + from - 1, row * length + to - 1);
    }
    for (let row = half; row < batchRows; row++) {
      const index = drawReplay();
      write(row, replay.rows[index] as Uint32Array);
      follow.fill(1, row * length, (row + 1) * length);
      const taught = replay.taught[index] as TeacherRows;
      teacher.ids.set(taught.ids, row * length * topK);
      teacher.weights.set(taught.weights, row * length * topK);
      teacher.targetWeights.set(taught.targetWeights, row * length);
    }
    scaleTo(imitate, 1);
    scaleTo(avoid, avoidWeight);
    scaleTo(follow, followWeight);
    return { batch: { inputIds, targets }, teacher, positions: { imitate, avoid, follow } };
  };
}

/** Hands out everything once before anything twice. */
function createDeck<T>(items: readonly T[], random: Random): () => T {
  let deck: T[] = [];
  return () => {
    if (deck.length === 0) {
      deck = [...items];
      for (let at = deck.length - 1; at > 0; at--) {
        const other = random.integer(at + 1);
        [deck[at], deck[other]] = [deck[other] as T, deck[at] as T];
      }
    }
    return deck.pop() as T;
  };
}

/** For positions whose weight is 0: any tokens, with probabilities whose logarithm is finite. */
function emptyTeacher(positions: number, topK: number): TeacherRows {
  return {
    ids: BigInt64Array.from({ length: positions * topK }, (_, at) => BigInt(at % topK)),
    weights: new Float32Array(positions * topK).fill(1e-6),
    targetWeights: new Float32Array(positions),
  };
}

/** Makes the mean over all positions the given one, if any counts. */
function scaleTo(weights: Float32Array, mean: number): void {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum === 0) return;
  const scale = (mean * weights.length) / sum;
  for (let at = 0; at < weights.length; at++) weights[at] = (weights[at] as number) * scale;
}
