import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { BitWidth, QuantizedMatrix } from '../core/quantized-matrix.ts';
import { bootstrapRatioInterval, type Interval } from '../core/statistics.ts';
import type { TextDocument } from '../data/documents.ts';
import { blockTokens, type ComparedDocument, compareDocuments } from '../evaluation/variant-comparison.ts';
import type { Graph } from '../graph/graph.ts';
import { listStoredProducts, type ProductKind, type StoredProduct } from '../graph/passes/stored-products.ts';
import type { ModelConfig } from '../models/config.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { InputStatistics } from './input-statistics.ts';
import { outputError } from './output-error.ts';
import { createRoundedComparer } from './sensitivity-comparer.ts';

/** What rounding one tensor to one format does to a model, all else in float32. */
export interface RoundingEffect {
  readonly bits: BitWidth;
  readonly blockSize: number;
  readonly matrix: QuantizedMatrix;
  /** See {@link storedBytes}. */
  readonly bytes: number;
  /** Relative squared error of the product's own output: see `outputError`. */
  readonly outputError: number;
  /** Mean KL(float32 || rounded) in nats per token. */
  readonly divergence: number;
  readonly divergenceInterval?: Interval;
  /** Change of the mean loss in nats per token; below 0 the rounded model happens to be better. */
  readonly lossChange: number;
  readonly lossChangeInterval?: Interval;
}

/** What a stored product is, and what rounding it does. */
export interface TensorSensitivity {
  readonly name: string;
  readonly kind: ProductKind;
  readonly rows: number;
  readonly columns: number;
  /** By rising bits, then from large blocks to small ones: about by rising bytes. */
  readonly effects: readonly RoundingEffect[];
}

/** A model and the text that it is measured on. */
export interface SensitivitySubject {
  /** From `buildInferenceGraph`, folded and with its experts expanded; it is used up. */
  readonly graph: Graph;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Not of a text that is judged on later. */
  readonly documents: AsyncIterable<TextDocument> | Iterable<TextDocument>;
}

export interface SensitivityOptions {
  /** Default 2, 4 and 8. */
  readonly bits?: readonly BitWidth[];
  /** Columns that share a scale. Default 32 alone. */
  readonly blockSizes?: readonly number[];
  /** Inputs of a product by its name, for its output error. */
  readonly statistics?: (name: string) => InputStatistics | undefined;
  /** As the file will store them. Default `float16`. */
  readonly scales?: 'float16' | 'float32';
  /** Tokens of a window. Default 512. Windows do not overlap. */
  readonly contextLength?: number;
  readonly threads?: number;
  /** Of the intervals. Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Called after each product is rounded, and after each batch of windows with the tokens scored so far. */
  readonly onProgress?: (done: {
    readonly rounded: number;
    readonly products: number;
    readonly tokens: number;
  }) => void;
}

/** Rounds a product's weights; undefined where it cannot be stored so. */
export type ProductRounder = (product: StoredProduct, bits: BitWidth, blockSize: number) => QuantizedMatrix | undefined;

/** Logits of a batch at most, 64 MiB, for each of two models. */
const mostLogits = 2 ** 24;

/** With fewer blocks, a bootstrap understates how much a mean varies. */
const leastBlocks = 10;

/**
 * Rounds each stored product alone, to each width and block size, and measures what that does to the model's predictions on a text:
 * one pass over the text, one run of the model for each product and format. Intervals (95%) are bootstrapped over blocks
 * of {@link blockTokens} tokens; a text of fewer than 10 has none.
 *
 * @param round - The way of rounding of the variant that is to be made, calibration included.
 * @returns The products in the order of the graph, without those that `round` never rounded.
 * @throws {@link IteraError} `INVALID_ARGUMENT` if nothing is rounded or a matrix has another format than asked for,
 *   `SHAPE_MISMATCH`, `TEXT_EMPTY`, `ABORTED`, `RUNTIME_FAILED`, and what `round` throws.
 */
export async function measureSensitivity(
  { graph, config, tokenizer, documents }: SensitivitySubject,
  round: ProductRounder,
  options: SensitivityOptions = {},
): Promise<readonly TensorSensitivity[]> {
  const { contextLength = 512, scales = 'float16', seed = 0, signal, threads, onProgress } = options;
  const products = listStoredProducts(graph);
  const candidates = products.flatMap((product, index) => {
    throwIfAborted(signal);
    const rounded = roundToFormats(product, round, options);
    onProgress?.({ rounded: index + 1, products: products.length, tokens: 0 });
    return rounded;
  });
  const comparer = await createRoundedComparer(
    graph,
    config,
    candidates.map(({ product: { name }, matrix }) => ({
      name: `${name} ${matrix.bits} ${matrix.blockSize}`,
      matrices: new Map([[name, matrix]]),
    })),
    { ...(threads !== undefined && { threads }), ...(signal && { signal }) },
  );
  try {
    const comparison = await compareDocuments(documents, tokenizer, comparer, {
      contextLength,
      stride: contextLength,
      batchSize: Math.max(1, Math.floor(mostLogits / (contextLength * config.vocabSize))),
      ...(signal && { signal }),
      ...(onProgress && {
        onProgress: ({ tokens }) => onProgress({ rounded: products.length, products: products.length, tokens }),
      }),
    });
    const effects = candidates.map(
      ({ matrix, error }, index): RoundingEffect => ({
        bits: matrix.bits,
        blockSize: matrix.blockSize,
        matrix,
        bytes: storedBytes(matrix, scales),
        outputError: error,
        ...summarize(comparison.documents, index, seed),
      }),
    );
    return products.flatMap((product) => {
      const { name, kind, rows, columns } = product;
      const own = effects.filter((_, index) => candidates[index]?.product === product);
      return own.length === 0 ? [] : [{ name, kind, rows, columns, effects: own }];
    });
  } finally {
    await comparer.release();
  }
}

/** Bytes that a rounded matrix takes in a file: levels, scales and zero points. */
export function storedBytes(
  { levels, scales, zeroPoints }: QuantizedMatrix,
  scaleType: 'float16' | 'float32' = 'float16',
): number {
  return levels.length + scales.length * (scaleType === 'float16' ? 2 : 4) + (zeroPoints?.length ?? 0);
}

interface Candidate {
  readonly product: StoredProduct;
  readonly matrix: QuantizedMatrix;
  readonly error: number;
}

function roundToFormats(
  product: StoredProduct,
  round: ProductRounder,
  { bits = [2, 4, 8], blockSizes = [32], statistics }: SensitivityOptions,
): readonly Candidate[] {
  const inputs = statistics?.(product.name);
  const widths = [...new Set(bits)].sort((a, b) => a - b);
  const sizes = [...new Set(blockSizes)].sort((a, b) => b - a);
  const formats = widths.flatMap((width) => sizes.map((size) => [width, size] as const));
  return formats.flatMap(([width, size]) => {
    const matrix = round(product, width, size);
    if (!matrix) return [];
    if (matrix.bits !== width || matrix.blockSize !== size) {
      const message = `Expected ${product.name} rounded to ${width} bits in blocks of ${size}, got ${matrix.bits} bits in blocks of ${matrix.blockSize}.`;
      throw new IteraError('INVALID_ARGUMENT', message, { name: product.name, bits: width, blockSize: size });
    }
    return [{ product, matrix, error: outputError(product.weights, matrix, inputs) }];
  });
}

type Summary = Pick<RoundingEffect, 'divergence' | 'divergenceInterval' | 'lossChange' | 'lossChangeInterval'>;

function summarize(documents: readonly ComparedDocument[], candidate: number, seed: number): Summary {
  const blocks = documents.flatMap((document) => {
    const baseline = document.blockNats[0] as Float64Array;
    const own = document.blockNats[candidate + 1] as Float64Array;
    const divergences = document.divergences[candidate] as Float32Array;
    return Array.from(own, (nats, block) => {
      const part = divergences.subarray(block * blockTokens, (block + 1) * blockTokens);
      return {
        divergence: part.reduce((sum, value) => sum + value, 0),
        lossChange: nats - (baseline[block] as number),
        tokens: part.length,
      };
    });
  });
  const ratioOf = (part: 'divergence' | 'lossChange') => {
    const ratios = blocks.map((block) => ({ numerator: block[part], denominator: block.tokens }));
    const sum = ratios.reduce((total, { numerator }) => total + numerator, 0);
    const value = sum / ratios.reduce((total, { denominator }) => total + denominator, 0);
    const shown = blocks.length >= leastBlocks && Number.isFinite(value);
    return { value, interval: shown ? bootstrapRatioInterval(ratios, { seed }) : undefined };
  };
  const [divergence, lossChange] = [ratioOf('divergence'), ratioOf('lossChange')];
  return {
    divergence: divergence.value,
    ...(divergence.interval && { divergenceInterval: divergence.interval }),
    lossChange: lossChange.value,
    ...(lossChange.interval && { lossChangeInterval: lossChange.interval }),
  };
}
