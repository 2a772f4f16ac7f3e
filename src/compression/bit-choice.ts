import type { QuantizedMatrix } from '../core/quantized-matrix.ts';
import { plainDocument } from '../data/documents.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import type { CalibrationStatistics } from './calibration-statistics.ts';
import { assignedMatrices, type MeasuredOption, planMixedPrecision } from './mixed-precision.ts';
import { measureSensitivity, type TensorSensitivity } from './sensitivity.ts';
import { findSensitiveTensors } from './sensitivity-outliers.ts';
import { prepareGraph, roundProduct } from './variant-graph.ts';
import type { RoundingScheme, VariantScheme } from './variant-schemes.ts';

/** What rounding is fitted to and judged on while bits are chosen. */
export interface FittedText {
  readonly statistics: CalibrationStatistics;
  /** The calibration text's tokens. */
  readonly windows: readonly Uint32Array[];
}

/** How a product may be stored. */
export type ProductFormat = Pick<MeasuredOption, 'bits' | 'blockSize'>;

export interface BitChoiceOptions {
  /** Predicted divergence from float32 allowed, summed over all products, nats per token. Default {@link defaultBudgetNats}. */
  readonly budgetNats?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Tokens that have been scored in every format, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface BitChoice {
  /** With the bits and block size of every product in its exceptions. */
  readonly scheme: VariantScheme;
  readonly products: ReadonlyMap<string, QuantizedMatrix>;
  /** What was measured and predicted, for `itera.json`. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** About 2% of perplexity. */
export const defaultBudgetNats = 0.02;

/** By rising bytes; each takes as many runs of the model as there are products, so they are few. */
const formats: readonly ProductFormat[] = [
  // Not in blocks of 16: one product of these takes ONNX Runtime 1.30 as long as all else of `small`'s tokens.
  { bits: 2, blockSize: 32 },
  { bits: 4, blockSize: 64 },
  { bits: 4, blockSize: 32 },
  { bits: 4, blockSize: 16 },
  { bits: 8, blockSize: 32 },
];

/** Tokens of the calibration text on which each product and format is measured alone. */
const measuredTokens = 4096;

/**
 * Chooses bits and block size for each product of a model: the smallest file whose predicted divergence from float32
 * stays within a budget. Each product is rounded alone in every format, and what that does to the model's predictions
 * is measured on a part of the calibration text; the sum over products is the prediction for all.
 *
 * @param scheme - Of the variant; its own bits and blocks are replaced.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for a budget that not even the best formats keep, naming the least one
 *   that works; `RUNTIME_FAILED`, `ABORTED`.
 */
export async function chooseBits(
  folder: ModelFolder,
  scheme: VariantScheme & { readonly rounding: RoundingScheme },
  fitted: FittedText,
  { budgetNats = defaultBudgetNats, ...options }: BitChoiceOptions = {},
): Promise<BitChoice> {
  const sensitivities = await measureFormats(folder, scheme, fitted, () => formats, options);
  const { assignment, bytes, predictedLoss } = planMixedPrecision(sensitivities, { loss: budgetNats });
  return {
    scheme: withFormats(scheme, assignment),
    products: assignedMatrices(assignment),
    facts: {
      budgetNats,
      predictedNats: predictedLoss,
      productBytes: bytes,
      sensitivity: describeSensitivities(sensitivities),
    },
  };
}

/** Measures products in the formats that each may have; routers and whatever else keeps 16 bits are left out. */
export function measureFormats(
  folder: ModelFolder,
  scheme: VariantScheme & { readonly rounding: RoundingScheme },
  { statistics, windows }: FittedText,
  formatsOf: (product: string) => readonly ProductFormat[],
  { threads, signal, onProgress }: Omit<BitChoiceOptions, 'budgetNats'> = {},
): Promise<readonly TensorSensitivity[]> {
  const { config } = folder;
  const tokenizer = createModelTokenizer(folder);
  const documents = takeTokens(windows, measuredTokens).map((window) => plainDocument(tokenizer.decode(window)));
  const total = documents.reduce((sum, { text }) => sum + tokenizer.encode(text).length, 0);
  return measureSensitivity(
    { graph: prepareGraph(folder, scheme).graph, config, tokenizer, documents },
    (product, bits, blockSize) => {
      const wanted = formatsOf(product.name).some((each) => each.bits === bits && each.blockSize === blockSize);
      // A table that is looked up has no kernel for 2 bits.
      if (!wanted || (product.kind === 'embedding' && bits === 2)) return undefined;
      return roundProduct(product, scheme.rounding, { bits, blockSize }, statistics);
    },
    {
      bits: [2, 4, 8],
      blockSizes: [16, 32, 64, 128],
      ...(threads !== undefined && { threads }),
      ...(signal && { signal }),
      ...(onProgress && { onProgress: ({ tokens }) => onProgress(Math.min(tokens, total), total) }),
    },
  );
}

/** A scheme that stores each product as it was assigned. */
export function withFormats(
  scheme: VariantScheme & { readonly rounding: RoundingScheme },
  assignment: ReadonlyMap<string, ProductFormat>,
): VariantScheme {
  const own = [...assignment].map(([name, { bits, blockSize }]) => [name, { bits, blockSize }] as const);
  const { exceptions = {} } = scheme.rounding;
  return { ...scheme, rounding: { ...scheme.rounding, exceptions: { ...exceptions, ...Object.fromEntries(own) } } };
}

/** What each product costs in each format, and which stand out at 4 bits. */
function describeSensitivities(sensitivities: readonly TensorSensitivity[]): Record<string, unknown> {
  const atFour = sensitivities.flatMap(({ name, effects }) => {
    const effect = effects.find(({ bits, blockSize }) => bits === 4 && blockSize === 32);
    return effect ? [{ name, error: effect.divergence }] : [];
  });
  return {
    divergenceNats: Object.fromEntries(
      sensitivities.map(({ name, effects }) => [
        name,
        Object.fromEntries(effects.map(({ bits, blockSize, divergence }) => [`${bits}x${blockSize}`, divergence])),
      ]),
    ),
    ...(atFour.length > 0 && { outliers: findSensitiveTensors(atFour) }),
  };
}

function takeTokens(windows: readonly Uint32Array[], most: number): readonly Uint32Array[] {
  let taken = 0;
  return windows.filter(({ length }) => {
    if (taken >= most) return false;
    taken += length;
    return true;
  });
}

/** Bits and block size of a rounded matrix. */
export const formatOf = ({ bits, blockSize }: QuantizedMatrix): ProductFormat => ({ bits, blockSize });
