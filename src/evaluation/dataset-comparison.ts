import type { IteraError } from '../core/errors.ts';
import type { MeasurementRecord } from '../core/measurement.ts';
import type { Split } from '../data/dataset-registry.ts';
import type { LogitComparer } from '../runtime/logit-comparer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { comparisonRecords, unmeasuredVariant } from './comparison-records.ts';
import { type DatasetQuality, type EvaluationOptions, unmeasuredQuality } from './dataset-quality.ts';
import { selectText } from './text-selection.ts';
import { compareDocuments } from './variant-comparison.ts';

/** A model and its variants under comparison. */
export interface ComparedModel {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly comparer: LogitComparer;
  readonly threads: number;
}

/** Windows run at once, and the logits that they may give: 128 MiB for each of two models. */
const mostWindows = 16;
const mostLogits = 2 ** 25;

/**
 * Measures how well all variants of a model predict a dataset, and how far each departs from the baseline, in one pass
 * over the text.
 *
 * @param nameOrPath - A dataset's name, or the path of a text: see `openDataset`.
 * @throws {@link IteraError} what `openDataset` and {@link compareDocuments} throw; `RUNTIME_FAILED` if the baseline's
 *   losses are no finite numbers.
 */
export async function compareDataset(
  nameOrPath: string,
  model: ComparedModel,
  options: EvaluationOptions,
): Promise<DatasetQuality> {
  const { contextLength, stride, seed, signal, onProgress } = options;
  const text = await selectText(nameOrPath, options);
  const windowLogits = contextLength * model.tokenizer.vocabSize;
  const comparison = await compareDocuments(text.documents, model.tokenizer, model.comparer, {
    contextLength,
    stride,
    batchSize: Math.min(mostWindows, Math.max(1, Math.floor(mostLogits / windowLogits))),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  const documents = comparison.documents.length;
  return {
    ...text.described(documents),
    records: comparisonRecords(comparison, {
      subject: model.name,
      conditions: { ...text.conditions, model: model.name, threads: model.threads },
      method: text.method(documents),
      seed,
    }),
  };
}

/** Records that say a dataset was not measured, and why; the first of the variants is the baseline. */
export function unmeasuredComparison(
  dataset: string,
  { name, variants }: { readonly name: string; readonly variants: readonly string[] },
  split: Split,
  error: IteraError,
): MeasurementRecord[] {
  const [baseline, ...candidates] = variants;
  const about = { subject: name, conditions: { model: name, dataset, split } };
  return [
    ...(baseline === undefined ? [] : unmeasuredQuality(dataset, { name, variant: baseline }, split, error)),
    ...candidates.flatMap((variant) => unmeasuredVariant(variant, about, error.message)),
  ];
}
