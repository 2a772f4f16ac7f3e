import { bootstrapRatioInterval } from '../../core/statistics.ts';
import { findDatasetEntry } from '../../data/dataset-registry.ts';
import { defaultWindow, isUnavailable } from '../../evaluation/dataset-quality.ts';
import { selectText } from '../../evaluation/text-selection.ts';
import { compareDocuments, variantLosses } from '../../evaluation/variant-comparison.ts';
import { encodeInferenceModel } from '../../models/inference-model.ts';
import type { ModelContents } from '../../models/model-folder.ts';
import { createLogitComparer } from '../../runtime/logit-comparer.ts';
import { createModelTokenizer } from '../../runtime/model.ts';
import type { BaseEvidence, CandidateMeasurements } from './candidate-evidence.ts';

export interface BaseTextOptions {
  /** Names of datasets or paths of texts; of named ones the split `valid` is read, of those without one `test`. */
  readonly texts: readonly string[];
  /** Bytes of each text that are scored, about. */
  readonly maxBytes: number;
  readonly dataDir?: string;
  readonly seed: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
}

const windowsAtOnce = 8;

/**
 * Measures how a model that has learnt predicts texts of the base model's domain, token by token beside the base model. A
 * dataset that is not on this machine is said not to have been measured.
 *
 * @throws {@link IteraError} what `selectText` and `compareDocuments` throw.
 */
export async function compareOnBaseText(
  base: ModelContents,
  candidate: ModelContents,
  { texts, maxBytes, dataDir, seed, threads, signal }: BaseTextOptions,
): Promise<Pick<CandidateMeasurements, 'base' | 'notRun'>> {
  const tokenizer = createModelTokenizer(base);
  const models = [base, candidate].map((model) => encodeInferenceModel(model)) as [Uint8Array, Uint8Array];
  const others = [{ name: 'candidate', model: models[1] }];
  const comparer = await createLogitComparer(base.config, { name: 'base', model: models[0] }, others, { threads });
  const measure = async (name: string): Promise<BaseEvidence> => {
    const text = await selectText(name, {
      ...defaultWindow,
      ...{ split: splitOf(name), seed, sample: { maxDocuments: 2000, maxBytes, minDocuments: 12 } },
      ...(dataDir && { dataDir }),
      ...(signal && { signal }),
    });
    const comparison = await compareDocuments(text.documents, tokenizer, comparer, {
      ...defaultWindow,
      batchSize: windowsAtOnce,
      ...(signal && { signal }),
    });
    const [before, after] = comparison.variants.map((variant) => variantLosses(comparison, variant)) as [
      ReturnType<typeof variantLosses>,
      ReturnType<typeof variantLosses>,
    ];
    const pairs = before.map(({ nats }, at) => ({ numerator: after[at]?.nats ?? Number.NaN, denominator: nats }));
    const bytes = before.reduce((sum, document) => sum + document.bytes, 0);
    const total = (name: 'numerator' | 'denominator'): number => pairs.reduce((sum, pair) => sum + pair[name], 0);
    const interval = pairs.length < 10 ? undefined : bootstrapRatioInterval(pairs, { seed });
    return {
      text: text.described(before.length).text,
      documents: before.length,
      bitsPerByte: [total('denominator') / Math.LN2 / bytes, total('numerator') / Math.LN2 / bytes],
      ratio: { value: total('numerator') / total('denominator'), ...(interval && { interval }) },
    };
  };
  const found: BaseEvidence[] = [];
  const notRun: { text: string; reason: string }[] = [];
  try {
    for (const name of texts) {
      try {
        found.push(await measure(name));
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        notRun.push({ text: name, reason: error.message });
      }
    }
    return { base: found, notRun };
  } finally {
    await comparer.release();
  }
}

/** What published numbers rest on decides nothing, where there is another split. */
const splitOf = (name: string): 'valid' | 'test' =>
  findDatasetEntry(name)?.splits.includes('valid') === false ? 'test' : 'valid';
