import { basename, resolve } from 'node:path';
import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord, NotRunRecord } from '../core/measurement.ts';
import { findDatasetEntry, type Split } from '../data/dataset-registry.ts';
import type { TokenScorer } from '../runtime/token-scorer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { scoreDocuments } from './document-loss.ts';
import { notRunRecord, qualityMetricUnits, qualityRecords } from './quality.ts';
import { selectText, type TextDescription, type TextOptions } from './text-selection.ts';

/** The model under evaluation. */
export interface EvaluatedModel {
  readonly name: string;
  readonly variant: string;
  readonly tokenizer: Tokenizer;
  readonly scorer: TokenScorer;
  readonly threads: number;
}

/** Which text is scored, and how. */
export interface EvaluationOptions extends TextOptions {
  /** After each batch, with what is scored so far. */
  readonly onProgress?: (done: { readonly documents: number; readonly tokens: number; readonly bytes: number }) => void;
}

/** How well a model predicts a text, and which text it was. */
export interface DatasetQuality extends TextDescription {
  readonly records: readonly MeasurementRecord[];
}

/** Windows run at once. */
const batchSize = 16;

/** The window and stride that numbers are stated for unless others are asked for. */
export const defaultWindow = { contextLength: 512, stride: 256 } as const;

/**
 * Measures how well a model predicts a dataset.
 *
 * @param nameOrPath - A dataset's name, or the path of a text: see {@link openDataset}.
 * @throws {@link IteraError} what {@link openDataset} and {@link scoreDocuments} throw.
 */
export async function evaluateDataset(
  nameOrPath: string,
  model: EvaluatedModel,
  options: EvaluationOptions,
): Promise<DatasetQuality> {
  const { contextLength, stride, seed, signal, onProgress } = options;
  const text = await selectText(nameOrPath, options);
  const losses = await scoreDocuments(text.documents, model.tokenizer, model.scorer, {
    contextLength,
    stride,
    batchSize,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  return {
    ...text.described(losses.length),
    records: qualityRecords(losses, {
      subject: model.name,
      conditions: { ...text.conditions, model: model.name, variant: model.variant, threads: model.threads },
      method: text.method(losses.length),
      seed,
    }),
  };
}

/** Records that say a dataset was not measured, and why. */
export function unmeasuredQuality(
  dataset: string,
  model: Pick<EvaluatedModel, 'name' | 'variant'>,
  split: Split,
  error: IteraError,
): NotRunRecord[] {
  const conditions = { model: model.name, variant: model.variant, dataset, split };
  return qualityMetricUnits.map((metric) => notRunRecord(model.name, metric, conditions, error.message));
}

/**
 * The datasets of a list, each once. Records know a file by its name alone, so two files of one name are refused.
 *
 * @param namesOrPaths - Names of datasets or paths of texts.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for different files of one name.
 */
export function distinctDatasets(namesOrPaths: readonly string[]): readonly string[] {
  const known = new Map<string, string>();
  return namesOrPaths.filter((nameOrPath) => {
    const path = findDatasetEntry(nameOrPath) ? nameOrPath : resolve(nameOrPath);
    const name = basename(path);
    const other = known.get(name);
    known.set(name, path);
    if (other !== undefined && other !== path) {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected texts of different names, got ${other} and ${path}. Rename one, or evaluate them one at a time.`,
        { name, paths: [other, path] },
      );
    }
    return other === undefined;
  });
}

/** Whether a dataset is missing through no fault of the caller, so that the rest of a report goes on without it. */
export const isUnavailable = (error: unknown): error is IteraError =>
  error instanceof IteraError && error.code === 'DATASET_UNAVAILABLE';
