import { IteraError } from '../core/errors.ts';
import type { Batch, TokenizedDataset } from '../data/batches.ts';
import { askTeacher } from './live-teacher.ts';
import type { Recipe } from './recipe.ts';
import type { PreparedTokenizer } from './run-tokenizer-file.ts';
import type { SourceModel } from './source-models-file.ts';
import { createTeacher } from './teacher.ts';
import { averageTeachers } from './teacher-average.ts';
import { loadTeacherPredictions } from './teacher-cache-file.ts';
import type { CachedPredictions } from './teacher-predictions-file.ts';
import { readTeacherRows, type TeacherRows } from './teacher-rows.ts';

/** How far a teacher's predictions of one source of the mixture are. */
export interface TeacherProgress {
  /** Name of the teacher. */
  readonly teacher: string;
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

/** The teacher of a run, or several as one: predictions for all sources, made before training, or for each batch as it comes. */
export interface RunTeacher {
  teach(batch: Batch): Promise<TeacherRows>;
  close(): Promise<void>;
}

/**
 * Prepares the teachers of a run, one after the other.
 *
 * @throws {@link IteraError} what `prepareTeacher` throws.
 */
export async function prepareTeachers(
  recipe: Recipe,
  models: readonly SourceModel[],
  tokenizer: PreparedTokenizer,
  sources: readonly TokenizedDataset[],
  options: RunTeacherOptions,
): Promise<RunTeacher | undefined> {
  const teachers: RunTeacher[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(teachers.map((teacher) => teacher.close()));
  };
  try {
    for (const model of models) teachers.push(await prepareTeacher(recipe, model, tokenizer, sources, options));
  } catch (error) {
    await close();
    throw error;
  }
  if (teachers.length === 0) return undefined;
  return {
    teach: async (batch) =>
      averageTeachers(await Promise.all(teachers.map((teacher) => teacher.teach(batch))), batch.targets),
    close,
  };
}

/**
 * Has a teacher predict all texts of a run, or finds that it has done so before; a live one is only loaded.
 *
 * @throws {@link IteraError} `CONFIG_INVALID` if there are fewer tokens than `topK`, and what `loadTeacherPredictions`
 *   throws.
 */
async function prepareTeacher(
  { distillation, sequenceLength }: Recipe,
  { folder, facts, sha256 }: SourceModel,
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
  onStage?.(`preparing the predictions of ${facts.name}`);
  try {
    for (const source of sources) {
      const onProgress = (progress: { readonly done: number; readonly total: number }) =>
        onTeacher?.({ teacher: facts.name, source: source.name, ...progress });
      predictions.push(await loadTeacherPredictions(source, identity, open, { signal, onProgress }));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { teach: (batch) => readTeacherRows(batch, predictions), close };
}
