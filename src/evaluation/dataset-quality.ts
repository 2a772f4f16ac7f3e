import { basename, resolve } from 'node:path';
import { IteraError } from '../core/errors.ts';
import type { MeasurementRecord, NotRunRecord } from '../core/measurement.ts';
import { recordId } from '../core/measurement.ts';
import { openDataset } from '../data/dataset-files.ts';
import { findDatasetEntry, type Split } from '../data/dataset-registry.ts';
import { type SampleLimits, sampleWithin } from '../data/document-sample.ts';
import type { TextDocument } from '../data/documents.ts';
import type { TokenScorer } from '../runtime/token-scorer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { scoreDocuments } from './document-loss.ts';
import { qualityMetricUnits, qualityRecords } from './quality.ts';

/** The model under evaluation. */
export interface EvaluatedModel {
  readonly name: string;
  readonly variant: string;
  readonly tokenizer: Tokenizer;
  readonly scorer: TokenScorer;
  readonly threads: number;
}

export interface EvaluationOptions {
  readonly split: Split;
  readonly dataDir?: string;
  readonly contextLength: number;
  readonly stride: number;
  /** Scores a seeded sample instead of the whole text. */
  readonly sample?: SampleLimits;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: { readonly documents: number; readonly tokens: number; readonly bytes: number }) => void;
}

export interface DatasetQuality {
  readonly records: readonly MeasurementRecord[];
  /** Name of the text in the records and in provenance: that of the dataset with its split, or of the file. */
  readonly text: string;
  /** sha256 of the text. */
  readonly sha256: string;
  readonly documents: number;
  readonly totalDocuments?: number;
  /** Files of a folder that were not read. */
  readonly skipped?: readonly string[];
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
  const { split, dataDir, contextLength, stride, sample, seed, signal, onProgress } = options;
  const dataset = await openDataset(nameOrPath, { split, ...(dataDir && { dataDir }), ...(signal && { signal }) });
  const chosen = sample ? await sampleWithin(dataset.documents(), sample, seed) : undefined;
  const documents: AsyncIterable<TextDocument> | Iterable<TextDocument> = chosen?.sample ?? dataset.documents();
  const losses = await scoreDocuments(documents, model.tokenizer, model.scorer, {
    contextLength,
    stride,
    batchSize,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  const isSample = chosen !== undefined && chosen.sample.length < chosen.total;
  const scope = isSample
    ? `${losses.length} of ${chosen.total} documents, drawn at random with seed ${seed}`
    : `all ${losses.length} documents`;
  return {
    text: dataset.split ? `${dataset.name}/${dataset.split}` : dataset.name,
    sha256: dataset.sha256,
    documents: losses.length,
    ...(chosen && { totalDocuments: chosen.total }),
    ...(dataset.skipped && { skipped: dataset.skipped }),
    records: qualityRecords(losses, {
      subject: model.name,
      conditions: {
        model: model.name,
        variant: model.variant,
        dataset: dataset.name,
        ...(dataset.split && { split: dataset.split }),
        runtime: 'onnxruntime-node',
        threads: model.threads,
        contextLength,
        stride,
        text: isSample ? 'sample' : 'whole',
      },
      method: `every token of ${scope} scored once, windows of ${contextLength} tokens, stride ${stride}`,
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
  return qualityMetricUnits.map(({ metric, unit }) => ({
    id: recordId(model.name, metric, conditions),
    subject: model.name,
    metric,
    unit,
    method: 'not run',
    conditions,
    status: 'notRun',
    reason: error.message,
  }));
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
