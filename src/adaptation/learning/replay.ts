import { writeWindows } from '../../compression/generated-text.ts';
import { buildInferenceGraph } from '../../models/inference-graph.ts';
import type { ModelContents } from '../../models/model-folder.ts';
import { askTeacher } from '../../training/live-teacher.ts';
import { createTeacher } from '../../training/teacher.ts';
import type { TeacherRows } from '../../training/teacher-rows.ts';

/** Texts of the base model and what it holds probable in them, so that a model that learns does not leave it. */
export interface Replay {
  /** T: tokens of a row without the one after its last. */
  readonly length: number;
  /** Rows of T + 1 tokens. */
  readonly rows: readonly Uint32Array[];
  /** The base model's most probable tokens of each row. */
  readonly taught: readonly TeacherRows[];
}

export interface ReplayOptions {
  readonly rows: number;
  readonly length: number;
  /** Tokens of each position that are known of the base model. */
  readonly topK: number;
  readonly seed: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneTokens: number, totalTokens: number) => void;
}

/** Rows that the base model is asked about at once. */
const askedAtOnce = 16;

/**
 * Lets the base model write texts, drawn as it holds them probable, and notes its predictions in them: no training text is
 * needed, and what the model knows comes up as often as it would say it.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED`, `ABORTED`.
 * @see Robins 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal".
 */
export async function writeReplay(
  { config, weights }: Pick<ModelContents, 'config' | 'weights'>,
  { rows: count, length, topK, seed, threads, signal, onProgress }: ReplayOptions,
): Promise<Replay> {
  const size = { tokens: count * (length + 1), windowTokens: length + 1 };
  const rows = await writeWindows(buildInferenceGraph(config, weights), config, size, seed, {
    threads,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  const teacher = await createTeacher(config, weights, { topK, vocabSize: config.vocabSize, threads });
  try {
    const taught: TeacherRows[] = [];
    for (let from = 0; from < rows.length; from += askedAtOnce) {
      const asked = rows.slice(from, from + askedAtOnce);
      const answer = await askTeacher(teacher, batchOf(asked, length));
      for (let row = 0; row < asked.length; row++) taught.push(cutRow(answer, row, length, topK));
    }
    return { length, rows, taught };
  } finally {
    await teacher.release();
  }
}

function batchOf(rows: readonly Uint32Array[], length: number): Parameters<typeof askTeacher>[1] {
  const ids = (shift: number): BigInt64Array =>
    BigInt64Array.from(
      rows.flatMap((row) => Array.from(row.subarray(shift, shift + length))),
      BigInt,
    );
  // Only their number matters.
  const origins = rows.map(() => ({ source: 0, start: 0 }));
  return { inputIds: ids(0), targets: ids(1), origins };
}

const cutRow = (
  { ids, weights, targetWeights }: TeacherRows,
  row: number,
  length: number,
  topK: number,
): TeacherRows => ({
  ids: ids.slice(row * length * topK, (row + 1) * length * topK),
  weights: weights.slice(row * length * topK, (row + 1) * length * topK),
  targetWeights: targetWeights.slice(row * length, (row + 1) * length),
});
