import { tensor } from '../core/tensor.ts';
import { Graph, type Value } from '../graph/graph.ts';
import { add, matMul, mul, transpose } from '../graph/ops/index.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { createSession } from '../runtime/session.ts';

/** n matrices of one size, one after the other in memory. */
export type MatrixStack = readonly [count: number, rows: number, columns: number];

const iterations = 5;
/** Of p(s) = a s + b s^3 + c s^5: chosen for a steep start, at the price that values end near 1 and not at it. */
const [a, b, c] = [3.4445, -4.775, 2.0315];

/** Floating-point operations of {@link Orthogonalizer.run} on a stack. */
export function newtonSchulzFlops([count, rows, columns]: MatrixStack): number {
  const [small, large] = [Math.min(rows, columns), Math.max(rows, columns)];
  return count * iterations * (4 * small * small * large + 2 * small ** 3);
}

/** Makes the matrices of stacks of one shape orthogonal, in memory of its own. */
export interface Orthogonalizer {
  /** To be filled before a run. */
  readonly input: Float32Array;
  /** Holds the result after it. */
  readonly output: Float32Array;
  /**
   * Replaces the singular values of each matrix by ones near 1 (about 0.7 to 1.2) and keeps its singular vectors. A
   * matrix of zeros stays so, and values below about a thousandth of the matrix's norm stay smaller than that.
   */
  run(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Loads the graph for stacks of one shape. It works on one thread, so that the bits do not depend on how many there are.
 *
 * @throws {@link IteraError} `RUNTIME_FAILED` if ONNX Runtime refuses the graph.
 */
export async function createOrthogonalizer(stack: MatrixStack): Promise<Orthogonalizer> {
  const session = await createSession(encodeOnnx(buildNewtonSchulz(stack)));
  const [count, rows, columns] = stack;
  const input = new Float32Array(count * rows * columns);
  const output = new Float32Array(count * rows * columns);
  const feeds = { matrices: tensor('float32', stack, input) };
  const fetches = { orthogonal: tensor('float32', stack, output) };
  return {
    input,
    output,
    async run() {
      normalizeEach(input, rows * columns);
      await session.run(feeds, fetches);
    },
    release: () => session.release(),
  };
}

/**
 * Five steps of Newton-Schulz, X <- a X + b (X X^T) X + c (X X^T)^2 X, on `float32[n, rows, columns]` of Frobenius norm
 * at most 1. Tall matrices are multiplied from the other side, so that the square matrices have the smaller size.
 *
 * @see Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
 */
function buildNewtonSchulz(stack: MatrixStack): Graph {
  const [, rows, columns] = stack;
  const wide = rows <= columns;
  const size = Math.min(rows, columns);
  const graph = new Graph();
  const diagonal = (name: string, value: number): Value => {
    const content = Float32Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? value : 0));
    return graph.initializer(name, tensor('float32', [size, size], content));
  };
  const [diagonalA, diagonalB] = [diagonal('a', a), diagonal('b', b)];
  let x = graph.input('matrices', 'float32', stack);
  for (let iteration = 0; iteration < iterations; iteration++) {
    const turned = transpose(x, [0, 2, 1]);
    const gram = wide ? matMul(x, turned) : matMul(turned, x);
    // a I + b G + c G^2, so that the large matrices are only multiplied, never added.
    const factor = add(matMul(gram, add(mul(gram, c), diagonalB)), diagonalA);
    x = wide ? matMul(factor, x) : matMul(x, factor);
  }
  graph.output('orthogonal', x);
  return graph;
}

/** Divides each matrix by its Frobenius norm, at which no singular value is above 1; in float64, at any scale. */
function normalizeEach(values: Float32Array, size: number): void {
  for (let start = 0; start < values.length; start += size) {
    let squares = 0;
    for (let index = start; index < start + size; index++) squares += (values[index] as number) ** 2;
    const factor = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let index = start; index < start + size; index++) values[index] = (values[index] as number) * factor;
  }
}
