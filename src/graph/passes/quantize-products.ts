import { IteraError } from '../../core/errors.ts';
import { roundToFloat16, toFloat16 } from '../../core/float16.ts';
import { blocksPerRow, packLevels, type QuantizedMatrix, unpackLevels } from '../../core/quantized-matrix.ts';
import { type Tensor, tensor } from '../../core/tensor.ts';
import type { Graph, GraphNode, Value } from '../graph.ts';
import { required } from '../operator.ts';
import {
  add,
  cast,
  gatherBlockQuantized,
  matMulNBits,
  type QuantizedExperts,
  type QuantizedParts,
  quantizedMoe,
  reshape,
} from '../ops/index.ts';
import { readExperts } from './expand-experts.ts';
import { pruneGraph } from './prune.ts';
import { rewriteNodes } from './rewrite.ts';
import { createUseFinder, groupProducts, productKey, type StoredProduct } from './stored-products.ts';

export interface QuantizeOptions {
  /**
   * Of the products; see `matMulNBits`. Default 4: for one token of `small`, ONNX Runtime 1.30 took 12 times as long as
   * float32 at level 0 with 8 bits, whose matrix it widens at every call, and 0.8 times at level 4; with 4 bits 1.06 and
   * 0.7 times.
   */
  readonly accuracyLevel?: 0 | 4 | undefined;
  /**
   * How scales are stored. Default `float16`, which rounds scales that half precision cannot hold; the runtime widens
   * them once, when it loads the file.
   */
  readonly scales?: 'float16' | 'float32' | undefined;
}

/**
 * Replaces stored float matrices by quantised ones, in place: linear products by `MatMulNBits`; the embedding by
 * `GatherBlockQuantized`, sharing one stored table with a tied output layer; fused mixtures by `QMoE` (after
 * `expandExperts`, experts are linear products). What nothing needs any more is removed.
 *
 * @param choose - The quantised form of a product of `listStoredProducts`; undefined leaves it as it is. Called once for
 *   each. Both matrices of a fused mixture must be chosen, with the same bits and block size, or neither.
 * @throws {@link IteraError} `SHAPE_MISMATCH` if a quantised matrix is not of its product's size or its parts do not fit
 *   together, `INVALID_ARGUMENT` for a block size or scales that the runtime or half precision cannot take and for
 *   experts that QMoE cannot; the graph is then as before.
 */
export function quantizeProducts(
  graph: Graph,
  choose: (product: StoredProduct) => QuantizedMatrix | undefined,
  { accuracyLevel = 4, scales = 'float16' }: QuantizeOptions = {},
): void {
  const chosen = new Map<string, { product: StoredProduct; matrix: QuantizedMatrix }>();
  for (const [key, product] of groupProducts(graph)) {
    const matrix = choose(product);
    if (!matrix) continue;
    checkMatrix(product, matrix, scales);
    chosen.set(key, { product, matrix });
  }
  const findUses = createUseFinder(graph.nodes.slice());
  const stored = new Map<string, QuantizedParts>();
  const partsOf = (key: string): QuantizedParts | undefined => {
    const found = chosen.get(key);
    if (found && !stored.has(key)) stored.set(key, storeMatrix(graph, found.product, found.matrix, scales));
    return stored.get(key);
  };
  rewriteNodes(graph, (node) => {
    const uses = findUses([node]);
    const [use, second] = uses.map(productKey);
    if (use === undefined) return undefined;
    if (second !== undefined) return replaceExperts(graph, node, chosen.get(use), chosen.get(second), scales);
    const parts = partsOf(use);
    if (!parts) return undefined;
    if (node.operator.opType === 'Gather') return [gatherBlockQuantized(parts, required(node.inputs, 1))];
    const blocks = blocksPerRow(parts);
    // The runtime does this once, when it loads the file, so that the table of the embedding serves both.
    const levels = reshape(parts.levels, [parts.rows, blocks, (parts.blockSize * parts.bits) / 8]);
    const product = matMulNBits(required(node.inputs, 0), { ...parts, levels }, { accuracyLevel });
    return [node.inputs[2] ? add(product, node.inputs[2]) : product];
  });
  pruneGraph(graph);
}

type ScaleType = 'float16' | 'float32';

function checkMatrix({ name, rows, columns }: StoredProduct, matrix: QuantizedMatrix, scaleType: ScaleType): void {
  const { bits, blockSize, levels, scales, zeroPoints } = matrix;
  if (matrix.rows !== rows || matrix.columns !== columns) {
    const message = `Expected a matrix [${rows}, ${columns}] for ${name}, got [${matrix.rows}, ${matrix.columns}].`;
    throw new IteraError('SHAPE_MISMATCH', message, { name });
  }
  if (blockSize < 16 || !Number.isInteger(Math.log2(blockSize))) {
    const message = `Expected blocks of 16, 32, 64, ... columns for ${name}, got ${blockSize}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { name, blockSize });
  }
  const blocks = blocksPerRow(matrix);
  const parts = [
    ['bytes of levels', levels.length, (rows * blocks * blockSize * bits) / 8],
    ['scales', scales.length, rows * blocks],
    ['bytes of zero points', zeroPoints?.length, zeroPoints && rows * Math.ceil((blocks * bits) / 8)],
  ] as const;
  for (const [what, got, expected] of parts) {
    if (got === expected) continue;
    throw new IteraError('SHAPE_MISMATCH', `Expected ${expected} ${what} for ${name}, got ${got}.`, { name });
  }
  const stored = scaleType === 'float16' ? roundToFloat16(scales) : scales;
  const bad = stored.findIndex((scale) => !Number.isFinite(scale));
  if (bad >= 0) {
    const message = `Expected scales of ${name} that ${scaleType} can hold, got ${scales[bad]}. Check its weights.`;
    throw new IteraError('INVALID_ARGUMENT', message, { name, scale: scales[bad] });
  }
}

/** Stores a matrix for a plain product, or, two-dimensional, for an embedding. */
function storeMatrix(
  graph: Graph,
  { name, kind }: StoredProduct,
  matrix: QuantizedMatrix,
  scaleType: ScaleType,
): QuantizedParts {
  const { rows, columns, bits, blockSize, levels, scales, zeroPoints } = matrix;
  const blocks = blocksPerRow(matrix);
  const bytes = (blockSize * bits) / 8;
  const shape = kind === 'embedding' ? [rows, blocks * bytes] : [rows, blocks, bytes];
  const storedScales = graph.store(`${name}.scales`, packScales(scales, [rows, blocks], scaleType));
  return {
    ...{ rows, columns, bits, blockSize },
    levels: graph.store(`${name}.levels`, tensor('uint8', shape, levels)),
    // MatMulNBits takes no float16 scales beside float32 inputs.
    scales: cast(storedScales, 'float32'),
    zeroPoints:
      zeroPoints && graph.store(`${name}.zeros`, tensor('uint8', [rows, zeroPoints.length / rows], zeroPoints)),
  };
}

function packScales(scales: Float32Array, shape: readonly number[], scaleType: ScaleType): Tensor {
  return scaleType === 'float16'
    ? tensor('float16', shape, toFloat16(scales))
    : tensor('float32', shape, scales.slice());
}

type Chosen = { product: StoredProduct; matrix: QuantizedMatrix };

function replaceExperts(
  graph: Graph,
  node: GraphNode,
  input: Chosen | undefined,
  output: Chosen | undefined,
  scaleType: ScaleType,
): readonly Value[] | undefined {
  if (!input && !output) return undefined;
  const alike = input?.matrix.bits === output?.matrix.bits && input?.matrix.blockSize === output?.matrix.blockSize;
  if (!input || !output || !alike) {
    const message = `Expected both matrices of ${node.name}'s experts with the same bits and block size. Choose both alike, or expand the experts first.`;
    throw new IteraError('INVALID_ARGUMENT', message, { node: node.name });
  }
  const { bits, blockSize } = input.matrix;
  const { k } = readExperts(node);
  const experts = Number(required(node.inputs, 2).shape[0]);
  const [x, router] = [required(node.inputs, 0), required(node.inputs, 1)];
  const first = storeExperts(graph, input, experts, scaleType);
  const last = storeExperts(graph, output, experts, scaleType);
  return [quantizedMoe(x, router, first, last, { k, bits, blockSize })];
}

function storeExperts(
  graph: Graph,
  { product: { name }, matrix }: Chosen,
  experts: number,
  scaleType: ScaleType,
): QuantizedExperts {
  const { rows, columns, bits, scales, zeroPoints } = matrix;
  const blocks = blocksPerRow(matrix);
  // At 2 bits, and at 4 with a zero point for a whole row, its results are wrong (ONNX Runtime 1.30 on a CPU).
  if (bits === 2 || (columns * bits) % 8 !== 0 || (zeroPoints && blocks === 1)) {
    const message = `Expected experts ${name} of 4 or 8 bits that fill whole bytes, with zero points only for several blocks in a row, for QMoE. Expand the experts first.`;
    throw new IteraError('INVALID_ARGUMENT', message, { name, columns, bits, blocks });
  }
  // QMoE's rows have no padding.
  const packed = packLevels(unpackLevels(matrix.levels, rows, columns, bits), rows, bits);
  const each = (width: number): readonly number[] => [experts, rows / experts, width];
  return {
    levels: graph.store(`${name}.levels`, tensor('uint8', each(packed.length / rows), packed)),
    scales: graph.store(`${name}.scales`, packScales(scales, each(blocks), scaleType)),
    zeroPoints: zeroPoints && graph.store(`${name}.zeros`, tensor('uint8', each(zeroPoints.length / rows), zeroPoints)),
  };
}
