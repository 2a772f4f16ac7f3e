import type { TeacherRows } from './teacher-rows.ts';

/**
 * What several teachers predict together: the mean of their probabilities, of which the K highest are kept. A token that
 * only some of them name gets nothing from the others, where it has less than each of their own K tokens.
 *
 * Source: Hinton et al., "Distilling the Knowledge in a Neural Network" (arXiv:1503.02531), on ensembles as teachers.
 *
 * @param teachers - What each says of the same batch, at least one, all of the same K.
 * @param targets - The true next tokens, `int64[B*T]`.
 */
export function averageTeachers(teachers: readonly TeacherRows[], targets: BigInt64Array): TeacherRows {
  const [first] = teachers as readonly [TeacherRows];
  if (teachers.length === 1) return first;
  const topK = first.ids.length / targets.length;
  const ids = new BigInt64Array(first.ids.length);
  const weights = new Float32Array(first.ids.length);
  const targetWeights = new Float32Array(targets.length);
  // Big integers are slow to compare. The low halves tell tokens apart, on the little-endian machines there are.
  const halves = teachers.map((rows) => new Int32Array(rows.ids.buffer, rows.ids.byteOffset, 2 * rows.ids.length));
  const resultHalves = new Int32Array(ids.buffer);
  for (let position = 0; position < targets.length; position++) {
    const start = position * topK;
    const named = new Map<number, number>();
    for (const [which, { weights: own }] of teachers.entries()) {
      for (let at = start; at < start + topK; at++) {
        const id = (halves[which] as Int32Array)[2 * at] as number;
        named.set(id, (named.get(id) ?? 0) + (own[at] as number) / teachers.length);
      }
    }
    const ranked = [...named].sort(([, a], [, b]) => b - a);
    const target = Number(targets[position]);
    targetWeights[position] = 1;
    for (let rank = 0; rank < topK; rank++) {
      const [id, weight] = ranked[rank] as [number, number];
      resultHalves[2 * (start + rank)] = id;
      weights[start + rank] = weight;
      if (id === target) targetWeights[position] = 0;
    }
  }
  return { ids, weights, targetWeights };
}
