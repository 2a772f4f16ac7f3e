import type { Batch } from '../data/batches.ts';
import type { Teacher } from './teacher.ts';
import type { TeacherRows } from './teacher-rows.ts';

/**
 * Asks a teacher about a batch of B rows of T tokens. It sees what the student sees: each position from the start of its
 * row.
 *
 * @param teacher - Knows K tokens of each position.
 */
export async function askTeacher(
  teacher: Teacher,
  { inputIds, targets, origins }: Pick<Batch, 'inputIds' | 'targets' | 'origins'>,
): Promise<TeacherRows> {
  const length = inputIds.length / origins.length;
  const tokens = Uint32Array.from(inputIds, Number);
  const rows = origins.map((_, row) => tokens.subarray(row * length, (row + 1) * length));
  const { ids, logProbs } = await teacher.predict(rows, length);
  const topK = ids.length / inputIds.length;
  const weights = logProbs.map(Math.exp);
  const targetWeights = Float32Array.from(targets, (target, at) => {
    const found = ids.subarray(at * topK, (at + 1) * topK).includes(target);
    return found ? 0 : 1;
  });
  for (let start = 0; start < weights.length; start += topK) scaleToOne(weights.subarray(start, start + topK));
  return { ids, weights, targetWeights };
}

/** Probabilities may, by rounding, come to a little more than everything. */
function scaleToOne(weights: Float32Array): void {
  const mass = weights.reduce((sum, weight) => sum + weight, 0);
  if (mass > 1) for (let at = 0; at < weights.length; at++) weights[at] = (weights[at] as number) / mass;
}
