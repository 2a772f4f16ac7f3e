import { IteraError } from '../core/errors.ts';
import type { Batch, TokenizedDataset } from '../data/batches.ts';
import { askTeacher } from './live-teacher.ts';
import type { Recipe } from './recipe.ts';
import type { PreparedTokenizer } from './run-tokenizer-file.ts';
import type { SourceModel } from './source-models-file.ts';
import { createTeacher } from './teacher.ts';
import { loadTeacherPredictions } from './teacher-cache-file.ts';
import type { CachedPredictions } from './teacher-predictions-file.ts';
import { readTeacherRows, type TeacherRows } from './teacher-rows.ts';

/** How far a teacher's predictions of one source of the mixture are. */
export interface TeacherProgress {
  /** Name of the dataset, or path of the text. */
  readonly source: string;
  /** Tokens of the source. */
  readonly done: number;
  readonly total: number;
}

export interface RunTeacherOptions {
  readonly threads: number;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
  readonly onTeacher?: (progress: TeacherProgress) => void;
}

/** The teacher of a run: its predictions for all sources, made before training, or for each batch as it comes. */
export interface RunTeacher {
  teach(batch: Batch): Promise<TeacherRows>;
  close(): Promise<void>;
}

/**
 * Has a teacher predict all texts of a run, or finds that it has done so before; a live one is only loaded.
 *
 * @throws {@link IteraError} `CONFIG_INVALID` if there are fewer tokens than `topK`, and what `loadTeacherPredictions`
 *   throws.
 */
export async function prepareTeacher(
  { distillation, sequenceLength }: Recipe,
  { folder, sha256 }: SourceModel,
  { tokenizer, sha256: tokenizerSha256 }: PreparedTokenizer,
  sources: readonly TokenizedDataset[],
  { threads, signal, onStage, onTeacher }: RunTeacherOptions,
): Promise<RunTeacher> {
  const topK = distillation?.topK ?? 1;
  const { vocabSize } = tokenizer;
  if (topK > vocabSize) {
    throw new IteraError('CONFIG_INVALID', `Recipe: distillation.topK must be at most ${vocabSize}, got ${topK}.`);
  }
  const open = () => createTeacher(folder.config, folder.weights, { topK, vocabSize, threads });
  if (distillation?.live) {
    const teacher = await open();
    return { teach: (batch) => askTeacher(teacher, batch), close: () => teacher.release() };
  }
  const identity = { sha256, tokenizerSha256, vocabSize, topK, stride: sequenceLength };
  const predictions: CachedPredictions[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(predictions.map((one) => one.close()));
  };
  onStage?.("preparing the teacher's predictions");
  try {
    for (const source of sources) {
      const onProgress = (progress: Omit<TeacherProgress, 'source'>) =>
        onTeacher?.({ source: source.name, ...progress });
      predictions.push(await loadTeacherPredictions(source, identity, open, { signal, onProgress }));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { teach: (batch) => readTeacherRows(batch, predictions), close };
}
