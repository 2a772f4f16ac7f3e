import type { MeasurementRecord } from '../core/measurement.ts';
import type { Split } from '../data/dataset-registry.ts';
import { compareDataset } from '../evaluation/dataset-comparison.ts';
import { defaultWindow } from '../evaluation/dataset-quality.ts';
import type { DegradationBounds } from '../evaluation/degradation-bounds.ts';
import { type GateVerdict, judgeVariants, passesGate } from '../evaluation/gate.ts';
import { encodeInferenceModel } from '../models/inference-model.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { readVariant } from '../models/variant-file.ts';
import type { CompressedVariant } from '../models/variants.ts';
import { createLogitComparer } from '../runtime/logit-comparer.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import type { RaisedMeasurement } from './bit-raising.ts';
import { measureSizes } from './variant-size.ts';

/** What variants are measured on, and how. */
export interface VariantMeasurementOptions {
  /** Names of datasets or paths of texts; whole texts are measured. */
  readonly datasets: readonly string[];
  /** Of named datasets. */
  readonly split: Split;
  /** Folder with `<dataset>/<split>.txt`; default `ITERA_DATA_DIR`, then the cache. */
  readonly dataDir?: string;
  /** Of the intervals. */
  readonly seed: number;
  /** Of the runtime, 1 or more. */
  readonly threads: number;
  readonly signal?: AbortSignal;
  /** After each batch, with what is done of this dataset. */
  readonly onProgress?: (dataset: string, done: { readonly documents: number; readonly tokens: number }) => void;
}

/** What was measured, and on which texts. */
export interface VariantMeasurements {
  readonly records: readonly MeasurementRecord[];
  /** sha256 of each text, as `dataset/<its name>`. */
  readonly hashes: Readonly<Record<string, string>>;
}

/**
 * Measures variants of a model folder against its weights in float32: size on disk and in memory, and on each dataset
 * quality, ratio of perplexities, divergence and agreement, all variants in one pass. All files are checked before
 * anything is measured.
 *
 * @param name - Of the model, in the records.
 * @throws {@link IteraError} what `readVariant`, `measureSizes` and `compareDataset` throw; `MODEL_INVALID` if a variant does
 *   not run.
 */
export async function measureVariants(
  folder: ModelFolder,
  name: string,
  variants: readonly CompressedVariant[],
  options: VariantMeasurementOptions,
): Promise<VariantMeasurements> {
  const { signal } = options;
  const candidates = [];
  for (const variant of variants) {
    candidates.push({ name: variant, model: await readVariant(folder, variant, signal ? { signal } : {}) });
  }
  const all = [{ name: 'fp32', model: encodeInferenceModel(folder) }, ...candidates];
  const sizes = await measureSizes(folder.config, name, all, signal ? { signal } : {});
  const { records, hashes } = await compareFiles(folder, name, candidates, options);
  return { records: [...sizes, ...records], hashes };
}

async function compareFiles(
  folder: ModelFolder,
  name: string,
  candidates: readonly { readonly name: string; readonly model: Uint8Array }[],
  { datasets, threads, signal, onProgress, ...text }: VariantMeasurementOptions,
): Promise<VariantMeasurements> {
  const baseline = { name: 'fp32', model: encodeInferenceModel(folder) };
  const records: MeasurementRecord[] = [];
  const hashes: Record<string, string> = {};
  const tokenizer = createModelTokenizer(folder);
  const comparer = await createLogitComparer(folder.config, baseline, candidates, { threads });
  try {
    for (const dataset of datasets) {
      const compared = await compareDataset(
        dataset,
        { name, tokenizer, comparer, threads },
        {
          ...text,
          ...defaultWindow,
          ...(signal && { signal }),
          ...(onProgress && { onProgress: (done) => onProgress(dataset, done) }),
        },
      );
      records.push(...compared.records);
      hashes[`dataset/${compared.text}`] = compared.sha256;
    }
  } finally {
    await comparer.release();
  }
  return { records, hashes };
}

/**
 * Judges the bytes of one variant as {@link measureVariants} and the gate would, on all datasets: the one where it does
 * worst decides.
 *
 * @throws {@link IteraError} as {@link measureVariants}.
 */
export async function judgeCandidate(
  folder: ModelFolder,
  name: string,
  { variant, bytes }: { readonly variant: CompressedVariant; readonly bytes: Uint8Array },
  bounds: DegradationBounds,
  options: VariantMeasurementOptions,
): Promise<RaisedMeasurement> {
  const { records } = await compareFiles(folder, name, [{ name: variant, model: bytes }], options);
  const verdicts = judgeVariants(records, bounds, { variants: [variant] });
  const upper = ({ interval }: GateVerdict): number => interval?.[1] ?? Number.POSITIVE_INFINITY;
  const [worst] = verdicts.toSorted((a, b) => upper(b) - upper(a));
  return {
    passed: passesGate(verdicts),
    ...(worst?.ratio !== undefined && { ratio: worst.ratio }),
    ...(worst?.interval && { upper: worst.interval[1] }),
  };
}
