import type { Conditions } from '../core/measurement.ts';
import { openDataset } from '../data/dataset-files.ts';
import type { Split } from '../data/dataset-registry.ts';
import { type SampleLimits, sampleWithin } from '../data/document-sample.ts';
import type { TextDocument } from '../data/documents.ts';

/** Which text is scored, and how. */
export interface TextOptions {
  /** Of a named dataset. */
  readonly split: Split;
  /** Folder with `<dataset>/<split>.txt`; default `ITERA_DATA_DIR`, then the cache. */
  readonly dataDir?: string;
  /** Tokens of a window; the model sees at most this many before a token. */
  readonly contextLength: number;
  /** New tokens that each window after a document's first scores; at most `contextLength`. */
  readonly stride: number;
  /** Scores a seeded sample instead of the whole text. */
  readonly sample?: SampleLimits;
  /** Of the sample and of the intervals. */
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** What is said of a text that was scored. */
export interface TextDescription {
  /** Name of the text in the records and in provenance: that of the dataset with its split, or of the file. */
  readonly text: string;
  /** sha256 of the text. */
  readonly sha256: string;
  readonly documents: number;
  readonly totalDocuments?: number;
  /** Files of a folder that were not read. */
  readonly skipped?: readonly string[];
}

export interface SelectedText {
  readonly documents: AsyncIterable<TextDocument> | Iterable<TextDocument>;
  /** What all measurements of this text have in common. */
  readonly conditions: Conditions;
  /** The text, once it is known how many documents were scored. */
  described(documents: number): TextDescription;
  /** The scoring protocol in words, likewise. */
  method(documents: number): string;
}

/**
 * Opens a dataset and draws the sample of it, if one is asked for.
 *
 * @param nameOrPath - A dataset's name, or the path of a text: see {@link openDataset}.
 * @throws {@link IteraError} what {@link openDataset} throws.
 */
export async function selectText(nameOrPath: string, options: TextOptions): Promise<SelectedText> {
  const { split, dataDir, contextLength, stride, sample, seed, signal } = options;
  const dataset = await openDataset(nameOrPath, { split, ...(dataDir && { dataDir }), ...(signal && { signal }) });
  const chosen = sample ? await sampleWithin(dataset.documents(), sample, seed) : undefined;
  const isSample = chosen !== undefined && chosen.sample.length < chosen.total;
  return {
    documents: chosen?.sample ?? dataset.documents(),
    conditions: {
      dataset: dataset.name,
      ...(dataset.split && { split: dataset.split }),
      runtime: 'onnxruntime-node',
      contextLength,
      stride,
      text: isSample ? 'sample' : 'whole',
    },
    described: (documents) => ({
      text: dataset.split ? `${dataset.name}/${dataset.split}` : dataset.name,
      sha256: dataset.sha256,
      documents,
      ...(chosen && { totalDocuments: chosen.total }),
      ...(dataset.skipped && { skipped: dataset.skipped }),
    }),
    method: (documents) => {
      const scope = isSample
        ? `${documents} of ${chosen.total} documents, drawn at random with seed ${seed}`
        : `all ${documents} documents`;
      return `every token of ${scope} scored once, windows of ${contextLength} tokens, stride ${stride}`;
    },
  };
}
