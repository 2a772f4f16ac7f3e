import { createHash } from 'node:crypto';
import { IteraError } from '../core/errors.ts';
import { type Dataset, openDataset } from '../data/dataset-files.ts';
import { findDatasetEntry } from '../data/dataset-registry.ts';
import { sampleDocuments } from '../data/document-sample.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import type { ModelContents } from '../models/model-folder.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import { type CalibrationSize, cutWindows } from './calibration-text.ts';
import { writeWindows } from './generated-text.ts';

/** What rounding is fitted to. */
export interface CalibrationOptions {
  /**
   * Names of datasets, whose train split is read, or paths of texts, in equal parts. Default: none, and the model writes
   * the text itself.
   */
  readonly texts?: readonly string[];
  /** Folder with `<dataset>/<split>.txt`; default `ITERA_DATA_DIR`, then the cache. */
  readonly dataDir?: string;
  /** Tokens in all, about. Default 32768. */
  readonly tokens?: number;
  /** Tokens in a window, at most. Default 256, of text that the model writes 128: more beginnings, more variety. */
  readonly windowTokens?: number;
  /** Of what is drawn from the texts, or of what the model writes. */
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** As the text is read or written. */
  readonly onProgress?: (doneTokens: number, totalTokens: number) => void;
}

/** A calibration text as tokens, and what is said of it. */
export interface CalibrationText {
  readonly windows: readonly Uint32Array[];
  readonly facts: CalibrationFacts;
}

/** Kept with the variants. */
export interface CalibrationFacts {
  /** The texts read; empty if the model wrote its own. */
  readonly texts: readonly { readonly name: string; readonly split?: string; readonly sha256: string }[];
  readonly windows: number;
  readonly tokens: number;
  readonly seed: number;
  /** sha256 of all windows' tokens, as little-endian 32-bit numbers. */
  readonly tokensSha256: string;
}

export const defaultCalibrationTokens = 32_768;

const defaultWindowTokens = { read: 256, written: 128 } as const;

/** Documents held at once to draw windows from; enough for the default number of tokens of any text. */
const drawnDocuments = 4096;

/**
 * Reads, or lets the model write, the text that rounding is fitted to.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for a dataset without a train split, what `openDataset` throws,
 *   `TEXT_EMPTY`, `TOKENIZER_INVALID`, `TOKENIZER_MISMATCH`, `RUNTIME_FAILED`, `ABORTED`.
 */
export async function readCalibration(
  model: Pick<ModelContents, 'config' | 'weights' | 'tokenizerJson' | 'tokenizerConfig'>,
  options: CalibrationOptions,
): Promise<CalibrationText> {
  const { texts = [], seed, signal, onProgress } = options;
  const usualWindow = texts.length === 0 ? defaultWindowTokens.written : defaultWindowTokens.read;
  const { tokens = defaultCalibrationTokens, windowTokens = usualWindow } = options;
  const size = { tokens, windowTokens };
  if (texts.length === 0) {
    const windows = await writeWindows(buildInferenceGraph(model.config, model.weights), model.config, size, seed, {
      anyBeginning: true,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    return { windows, facts: describe(windows, [], seed) };
  }
  const datasets: Dataset[] = [];
  const windows: Uint32Array[] = [];
  for (const [index, nameOrPath] of texts.entries()) {
    const dataset = await openTraining(nameOrPath, options);
    datasets.push(dataset);
    windows.push(...(await drawWindows(dataset, model, { ...size, tokens: tokens / texts.length }, options)));
    const read = windows.reduce((sum, window) => sum + window.length, 0);
    onProgress?.(read, index + 1 === texts.length ? read : Math.max(tokens, read));
  }
  return { windows, facts: describe(windows, datasets, seed) };
}

async function openTraining(nameOrPath: string, { dataDir, signal }: CalibrationOptions): Promise<Dataset> {
  const entry = findDatasetEntry(nameOrPath);
  if (entry && !entry.splits.includes('train')) {
    const message = `Expected a text to calibrate with that nothing is measured on, got ${entry.name}, which has only the splits ${entry.splits.join(', ')}. Name another text, or none.`;
    throw new IteraError('INVALID_ARGUMENT', message, { dataset: entry.name });
  }
  return openDataset(nameOrPath, { split: 'train', ...(dataDir && { dataDir }), ...(signal && { signal }) });
}

async function drawWindows(
  dataset: Dataset,
  model: Parameters<typeof createModelTokenizer>[0],
  size: CalibrationSize,
  { seed, signal }: CalibrationOptions,
): Promise<readonly Uint32Array[]> {
  const { sample } = await sampleDocuments(dataset.documents(), drawnDocuments, seed);
  return cutWindows(sample, createModelTokenizer(model), size, seed, signal);
}

function describe(windows: readonly Uint32Array[], datasets: readonly Dataset[], seed: number): CalibrationFacts {
  const hash = createHash('sha256');
  for (const window of windows) {
    const bytes = new DataView(new ArrayBuffer(4 * window.length));
    for (const [index, token] of window.entries()) bytes.setUint32(4 * index, token, true);
    hash.update(new Uint8Array(bytes.buffer));
  }
  return {
    texts: datasets.map(({ name, split, sha256 }) => ({ name, ...(split && { split }), sha256 })),
    windows: windows.length,
    tokens: windows.reduce((sum, window) => sum + window.length, 0),
    seed,
    tokensSha256: hash.digest('hex'),
  };
}
