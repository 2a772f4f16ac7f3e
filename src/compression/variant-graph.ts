import { IteraError } from '../core/errors.ts';
import type { BitWidth, QuantizedMatrix } from '../core/quantized-matrix.ts';
import type { Graph } from '../graph/graph.ts';
import { centerEmbedding } from '../graph/passes/center-embedding.ts';
import { computeFloat16 } from '../graph/passes/compute-float16.ts';
import { type ExpandedExperts, expandExperts } from '../graph/passes/expand-experts.ts';
import { foldConstants } from '../graph/passes/fold-constants.ts';
import { quantizeProducts } from '../graph/passes/quantize-products.ts';
import { storeFloat16 } from '../graph/passes/store-float16.ts';
import { listStoredProducts, type StoredProduct } from '../graph/passes/stored-products.ts';
import { addLengthOutput, buildInferenceGraph } from '../models/inference-graph.ts';
import type { ModelContents } from '../models/model-folder.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import type { CalibrationStatistics, RowStatistics } from './calibration-statistics.ts';
import { quantizeProduct } from './product-quantization.ts';
import type { ProductBits, RoundingScheme, VariantScheme } from './variant-schemes.ts';

/** What a graph is built from. */
export type GraphSource = Pick<ModelContents, 'config' | 'weights'>;

/** A model's inference graph in the form that its products are rounded in. */
export interface PreparedGraph {
  readonly graph: Graph;
  /** What became of its mixtures, if they were stacked. */
  readonly experts: readonly ExpandedExperts[];
}

/** Brings a model's inference graph into the form of a scheme, nothing rounded yet. */
export function prepareGraph({ config, weights }: GraphSource, scheme: VariantScheme): PreparedGraph {
  const graph = buildInferenceGraph(config, weights);
  foldConstants(graph);
  if (scheme.rounding?.centered) centerEmbedding(graph);
  return { graph, experts: scheme.experts === 'stacked' ? expandExperts(graph) : [] };
}

/** Schemes of which this is equal have the same products with the same inputs, and so the same statistics. */
export const preparedForm = ({ rounding, experts }: VariantScheme): string =>
  `${experts} ${rounding?.centered ? 'centered' : 'plain'}`;

/** Bits and block size that a scheme stores a product in. */
function productFormat(
  { bits, blockSize, exceptions = {} }: RoundingScheme,
  { name, kind, columns }: StoredProduct,
): { readonly bits: ProductBits; readonly blockSize: number } {
  const own = Object.hasOwn(exceptions, name) ? exceptions[name] : undefined;
  const [, alike] = Object.entries(exceptions).find(([key]) => isPattern(key) && name.endsWith(key.slice(1))) ?? [];
  const chosen = own ?? alike ?? bits;
  if (typeof chosen === 'object') return chosen;
  // Both matrices of a mixture in one operator need the same blocks.
  const isFused = kind === 'expertsInput' || kind === 'expertsOutput';
  return { bits: chosen, blockSize: isFused ? blockSize : fittingBlock(blockSize, columns) };
}

/** The largest size of blocks up to one that pads rows no further than blocks of 16 do: padding is stored as well. */
function fittingBlock(blockSize: number, columns: number): number {
  const padded = (size: number): number => Math.ceil(columns / size) * size;
  return blockSize > 16 && padded(blockSize) > padded(16) ? fittingBlock(blockSize / 2, columns) : blockSize;
}

const isPattern = (key: string): boolean => key.startsWith('*');

/**
 * Rounds the stored products of a prepared graph.
 *
 * @returns The rounded matrices by the name of the product, without those that keep 16 bits.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an exception that names no product, and what `quantizeMatrix` throws.
 */
export function roundProducts(
  graph: Graph,
  rounding: RoundingScheme,
  statistics?: CalibrationStatistics,
): Map<string, QuantizedMatrix> {
  const products = listStoredProducts(graph);
  checkExceptions(rounding, products);
  return new Map(
    products.flatMap((product): [string, QuantizedMatrix][] => {
      const { bits, blockSize } = productFormat(rounding, product);
      const matrix = bits !== 16 && roundProduct(product, rounding, { bits, blockSize }, statistics);
      return matrix ? [[product.name, matrix]] : [];
    }),
  );
}

/**
 * Rounds one product to given bits and blocks, otherwise as a scheme says.
 *
 * @returns Undefined for a product that keeps 16 bits in the scheme.
 * @throws {@link IteraError} what `quantizeMatrix` throws.
 */
export function roundProduct(
  product: StoredProduct,
  rounding: RoundingScheme,
  format: { readonly bits: BitWidth; readonly blockSize: number },
  statistics?: CalibrationStatistics,
): QuantizedMatrix | undefined {
  if (productFormat(rounding, product).bits === 16) return undefined;
  const own = statistics?.get(product.name);
  const known = own && product.kind === 'embedding' ? own.map((part) => addLookup(part, rounding.lookupShare)) : own;
  return quantizeProduct(product, { ...rounding, ...format, scalePrecision: 'float16' }, known);
}

/**
 * The ONNX file of a variant.
 *
 * @param prepared - From {@link prepareGraph} with the same scheme; it is used up.
 * @param matrices - Of {@link roundProducts}, or others for the same products; those without one stay in half precision.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for weights that half precision cannot hold, and what `quantizeProducts`
 *   throws.
 */
export function encodeVariant(
  { graph }: PreparedGraph,
  { rounding, float16 }: VariantScheme,
  matrices: ReadonlyMap<string, QuantizedMatrix>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  addLengthOutput(graph);
  quantizeProducts(graph, ({ name }) => matrices.get(name), { accuracyLevel: rounding?.accuracyLevel });
  if (float16 === 'stored') storeFloat16(graph);
  return encodeOnnx(float16 === 'stored' ? graph : computeFloat16(graph), metadata, { shortNames: true });
}

/** Adds a share of the inputs' mean square to every column, as if each were also read alone. */
function addLookup({ from, to, statistics }: RowStatistics, share: number): RowStatistics {
  const { columns } = statistics;
  const products = statistics.products.slice();
  let trace = 0;
  for (let column = 0; column < columns; column++) trace += products[column * (columns + 1)] as number;
  for (let column = 0; column < columns; column++) {
    const at = column * (columns + 1);
    products[at] = (products[at] as number) + (share * trace) / columns;
  }
  return { from, to, statistics: { ...statistics, products } };
}

function checkExceptions({ exceptions = {} }: RoundingScheme, products: readonly StoredProduct[]): void {
  const names = products.map(({ name }) => name);
  const unknown = Object.keys(exceptions).find((name) => !isPattern(name) && !names.includes(name));
  if (unknown === undefined) return;
  const message = `Expected bits for products of the model, got some for ${unknown}. Its products are ${names.join(', ')}.`;
  throw new IteraError('INVALID_ARGUMENT', message, { unknown, names });
}
