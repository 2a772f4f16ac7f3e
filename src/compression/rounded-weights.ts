import { measureColumns, scaleColumns, unscaleColumns } from '../core/column-scaling.ts';
import { IteraError } from '../core/errors.ts';
import { blocksPerRow, packLevels, type QuantizedMatrix, unpackLevels } from '../core/quantized-matrix.ts';
import { elementCount, type Tensor } from '../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import { listStoredProducts } from '../graph/passes/stored-products.ts';
import type { ModelConfig } from '../models/config.ts';
import { parameterShapes } from '../models/parameters.ts';
import type { WeightRounder } from '../training/stepper.ts';
import { invertScale, nearestLevel } from './rounding-format.ts';

/** The rounded matrices of a compressed graph whose mixtures were expanded (`expandExperts`), by product. */
export type RoundedProducts = ReadonlyMap<string, QuantizedMatrix>;

export interface RoundedWeightsOptions {
  /** Whether the matrix of the embedding is that of `centerEmbedding`. */
  readonly centered: boolean;
}

/**
 * The matrix whose levels are nearest to other weights, scales and zero points kept.
 *
 * @param values - `[rows, columns]`, in the order of the matrix.
 * @throws {@link IteraError} `SHAPE_MISMATCH` for another number of weights.
 */
export function replaceLevels(values: Float32Array, matrix: QuantizedMatrix): QuantizedMatrix {
  const { rows, columns, bits, blockSize } = matrix;
  if (values.length !== rows * columns) {
    const message = `Expected ${rows} x ${columns} weights, as the rounded matrix has, got ${values.length}.`;
    throw new IteraError('SHAPE_MISMATCH', message, { rows, columns, length: values.length });
  }
  const { scales, zeroPoints, largest, blocks } = readScales(matrix);
  const padded = blocks * blockSize;
  const levels = new Uint8Array(rows * padded);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < padded; column++) {
      const block = row * blocks + Math.floor(column / blockSize);
      const zeroPoint = zeroPoints[block] as number;
      const inverse = invertScale(scales[block] as number);
      // Padding stands for 0.
      levels[row * padded + column] =
        column < columns
          ? nearestLevel(values[row * columns + column] as number, inverse, zeroPoint, largest)
          : zeroPoint;
    }
  }
  return { ...matrix, levels: packLevels(levels, rows, bits) };
}

/**
 * The products of a prepared graph with their scales and zero points kept and the levels that are nearest to the graph's
 * weights: what tuned weights are stored as.
 *
 * @param graph - Of the tuned weights, in the form that the products were rounded in.
 * @throws {@link IteraError} `SHAPE_MISMATCH` if a product has another size there.
 */
export function roundToProducts(graph: Graph, products: RoundedProducts): Map<string, QuantizedMatrix> {
  return new Map(
    listStoredProducts(graph).flatMap(({ name, weights }): [string, QuantizedMatrix][] => {
      const matrix = products.get(name);
      return matrix ? [[name, replaceLevels(weights, matrix)]] : [];
    }),
  );
}

/**
 * Makes the function that rounds a model's weights in training: each to the nearest of the levels that the products'
 * scales and zero points give it, as {@link replaceLevels} does in the compressed graph. Weights that no product holds
 * stay as they are.
 *
 * @throws {@link IteraError} `SHAPE_MISMATCH` for a product that the model has not, or not of this size.
 */
export function createWeightRounder(
  config: ModelConfig,
  products: RoundedProducts,
  { centered }: RoundedWeightsOptions,
): WeightRounder {
  const grids = createGrids(config, products);
  return (weights, rounded) => {
    for (const [name, { data }] of weights) tensorOf(rounded, name).set(data);
    for (const grid of grids) {
      const values = tensorOf(rounded, grid.name);
      inColumns(grid, values, centered, () => roundToGrid(grid, values));
    }
  };
}

/**
 * Moves weights as little as needed for {@link createWeightRounder} to round them to the levels that the products have:
 * levels that were not chosen as the nearest ones, such as those of error feedback, are thus where training starts.
 *
 * @throws {@link IteraError} as {@link createWeightRounder} does.
 */
export function settleWeights(
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
  products: RoundedProducts,
  { centered }: RoundedWeightsOptions,
): Map<string, Tensor<'float32'>> {
  const settled = new Map(
    [...parameterShapes(config)].map(([name, shape]): [string, Tensor<'float32'>] => {
      const data = Float32Array.from(weights.get(name)?.data as Float32Array);
      return [name, { dtype: 'float32', shape, data }];
    }),
  );
  for (const grid of createGrids(config, products)) {
    const values = tensorOf(settled, grid.name);
    const matrix = products.get(grid.name) as QuantizedMatrix;
    for (let turn = 0; turn < (isCentered(grid, centered) ? settlingTurns : 1); turn++) {
      inColumns(grid, values, centered, () => settleOnLevels(grid, values, matrix));
    }
  }
  return settled;
}

/** Moving weights of a centred table moves its means and deviations, and so all of it: a few turns settle it. */
const settlingTurns = 4;

/** The values that a parameter's weights may be rounded to. */
interface Grid {
  readonly name: string;
  readonly columns: number;
  /** Numbers of a row of the matrix that lie together in the parameter. */
  readonly width: number;
  /** Where each such stretch begins in the parameter, row by row. */
  readonly starts: Int32Array;
  /** log2 of the block size. */
  readonly shift: number;
  readonly blocks: number;
  readonly largest: number;
  /** Of each block of each row. */
  readonly scales: Float32Array;
  readonly inverses: Float64Array;
  readonly zeroPoints: Uint8Array;
}

function createGrids(config: ModelConfig, products: RoundedProducts): readonly Grid[] {
  const shapes = parameterShapes(config);
  return [...products].map(([name, matrix]) => {
    const shape = shapes.get(name);
    const starts = shape && findStretches(name, shape, config);
    const width = shape?.at(-1) ?? 1;
    if (!starts || (starts.length * width) / matrix.rows !== matrix.columns) {
      const message = `Expected a product of the model, got ${name} [${matrix.rows}, ${matrix.columns}].`;
      throw new IteraError('SHAPE_MISMATCH', `${message} Expand its experts, and round it anew.`, { name });
    }
    const read = readScales(matrix);
    const inverses = Float64Array.from(read.scales, invertScale);
    return { ...read, inverses, name, columns: matrix.columns, width, starts, shift: Math.log2(matrix.blockSize) };
  });
}

function readScales(matrix: QuantizedMatrix) {
  const { rows, bits, scales } = matrix;
  const blocks = blocksPerRow(matrix);
  const zeroPoints = matrix.zeroPoints
    ? unpackLevels(matrix.zeroPoints, rows, blocks, bits)
    : new Uint8Array(rows * blocks).fill(2 ** (bits - 1));
  return { scales, zeroPoints, blocks, largest: 2 ** bits - 1 };
}

/** Where the rows of a product lie in its parameter: those of experts are stacked as `expandExperts` does. */
function findStretches(name: string, shape: readonly number[], config: ModelConfig): Int32Array {
  const width = shape.at(-1) as number;
  const count = elementCount(shape) / width;
  const { numLocalExperts: experts, intermediateSize, hiddenSize } = config;
  const at = (place: (index: number) => number): Int32Array =>
    Int32Array.from({ length: count }, (_, index) => place(index) * width);
  if (name.endsWith('block_sparse_moe.input_linear.weight')) {
    // Rows of the matrix: all gates, then all ups; of the parameter: gates and ups of the first expert, of the second...
    const half = experts * intermediateSize;
    return at((row) => {
      const [isUp, rest] = row < half ? [0, row] : [1, row - half];
      return (2 * Math.floor(rest / intermediateSize) + isUp) * intermediateSize + (rest % intermediateSize);
    });
  }
  if (name.endsWith('block_sparse_moe.output_linear.weight')) {
    // A row of the matrix: that of the first expert, of the second...
    return at((index) => (index % experts) * hiddenSize + Math.floor(index / experts));
  }
  return at((index) => index);
}

function roundToGrid(grid: Grid, values: Float32Array): void {
  const { width, starts, shift, scales, inverses, zeroPoints, largest, columns, blocks } = grid;
  const stretches = columns / width;
  for (let index = 0; index < starts.length; index++) {
    const start = starts[index] as number;
    const firstBlock = Math.floor(index / stretches) * blocks;
    const firstColumn = (index % stretches) * width;
    for (let at = 0; at < width; at++) {
      const block = firstBlock + ((firstColumn + at) >> shift);
      const zeroPoint = zeroPoints[block] as number;
      const level = nearestLevel(values[start + at] as number, inverses[block] as number, zeroPoint, largest);
      values[start + at] = (scales[block] as number) * (level - zeroPoint);
    }
  }
}

/** Distance of settled weights from their levels, in levels: less than half, so that no rounding brings them over. */
const reach = 0.49;

function settleOnLevels(grid: Grid, values: Float32Array, { rows, columns, bits, blockSize, levels }: QuantizedMatrix) {
  const { width, starts, shift, scales, inverses, zeroPoints, largest, blocks } = grid;
  const padded = blocks * blockSize;
  const wanted = unpackLevels(levels, rows, padded, bits);
  const stretches = columns / width;
  for (let index = 0; index < starts.length; index++) {
    const start = starts[index] as number;
    const row = Math.floor(index / stretches);
    for (let at = 0; at < width; at++) {
      const column = (index % stretches) * width + at;
      const block = row * blocks + (column >> shift);
      const level = wanted[row * padded + column] as number;
      const zeroPoint = zeroPoints[block] as number;
      const exact = (values[start + at] as number) * (inverses[block] as number) + zeroPoint;
      // Beyond the outermost levels a weight may be as far as it likes.
      const low = level === 0 ? Number.NEGATIVE_INFINITY : level - reach;
      const high = level === largest ? Number.POSITIVE_INFINITY : level + reach;
      if (exact < low) values[start + at] = (scales[block] as number) * (low - zeroPoint);
      else if (exact > high) values[start + at] = (scales[block] as number) * (high - zeroPoint);
    }
  }
}

const isCentered = ({ name }: Grid, centered: boolean): boolean => centered && name === 'model.embed_tokens.weight';

/** Changes a matrix in place; a centred embedding while its columns are less their means and over their deviations. */
function inColumns(grid: Grid, values: Float32Array, centered: boolean, change: () => void): void {
  const scaling = isCentered(grid, centered) ? measureColumns(values, grid.columns) : undefined;
  if (scaling) scaleColumns(values, scaling, values);
  change();
  if (scaling) unscaleColumns(values, scaling);
}

function tensorOf(tensors: ReadonlyMap<string, Tensor<'float32'>>, name: string): Float32Array {
  const found = tensors.get(name);
  if (!found) throw new IteraError('WEIGHTS_MISMATCH', `Weight ${name} is missing.`, { name });
  return found.data;
}
