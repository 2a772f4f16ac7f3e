import { afterEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { createOrthogonalizer, type MatrixStack, type Orthogonalizer } from '../../../src/training/newton-schulz.ts';
import { countDifferentBits } from './toy-model.ts';

const opened: Orthogonalizer[] = [];

afterEach(async () => {
  for (const orthogonalizer of opened.splice(0)) await orthogonalizer.release();
});

async function orthogonalize(stack: MatrixStack, values: ArrayLike<number>): Promise<Float32Array> {
  const orthogonalizer = await createOrthogonalizer(stack);
  opened.push(orthogonalizer);
  orthogonalizer.input.set(values);
  await orthogonalizer.run();
  return orthogonalizer.output;
}

function drawNormal(length: number, seed = 3, scale = 1): Float32Array {
  const random = createRandom(seed, 1);
  return Float32Array.from({ length }, () => scale * random.normal());
}

type Matrix = number[][];

const cut = (values: Float32Array, [count, rows, columns]: MatrixStack): Matrix[] =>
  Array.from({ length: count }, (_, at) =>
    Array.from({ length: rows }, (__, row) => [
      ...values.subarray((at * rows + row) * columns, (at * rows + row + 1) * columns),
    ]),
  );
const turn = (x: Matrix): Matrix => (x[0] as number[]).map((_, column) => x.map((row) => row[column] as number));
const product = (x: Matrix, y: Matrix): Matrix => {
  const columns = turn(y);
  return x.map((row) =>
    columns.map((column) => row.reduce((sum, value, at) => sum + value * (column[at] as number), 0)),
  );
};
const combine = (...terms: [[number, Matrix], ...[number, Matrix][]]): Matrix =>
  terms[0][1].map((row, i) =>
    row.map((_, j) => terms.reduce((sum, [factor, x]) => sum + factor * (x[i]?.[j] as number), 0)),
  );

/** The published algorithm as it is written, in float64. */
function reference(matrix: Matrix): Matrix {
  const tall = matrix.length > (matrix[0] as number[]).length;
  const norm = Math.hypot(...matrix.flat());
  let x = combine([1 / norm, tall ? turn(matrix) : matrix]);
  for (let step = 0; step < 5; step++) {
    const a = product(x, turn(x));
    const b = combine([-4.775, a], [2.0315, product(a, a)]);
    x = combine([3.4445, x], [1, product(b, x)]);
  }
  return tall ? turn(x) : x;
}

/** By one-sided Jacobi rotations of the rows of the matrix, turned so that it is wide. */
function singularValues(matrix: Matrix): number[] {
  const x = (matrix.length > (matrix[0] as number[]).length ? turn(matrix) : matrix).map((row) => [...row]);
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);
  for (let sweep = 0; sweep < 12; sweep++) {
    for (let i = 0; i < x.length; i++) {
      for (let j = i + 1; j < x.length; j++) {
        const [a, b] = [x[i] as number[], x[j] as number[]];
        const angle = 0.5 * Math.atan2(2 * dot(a, b), dot(a, a) - dot(b, b));
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        x[i] = a.map((value, at) => cos * value + sin * (b[at] as number));
        x[j] = b.map((value, at) => cos * value - sin * (a[at] as number));
      }
    }
  }
  return x.map((row) => Math.sqrt(dot(row, row)));
}

/** Of the largest value. */
const worstGap = (a: Matrix, b: Matrix): number =>
  Math.max(...combine([1, a], [-1, b]).flat().map(Math.abs)) / Math.max(...b.flat().map(Math.abs));

const stacks: [string, MatrixStack][] = [
  ['a wide matrix', [1, 12, 40]],
  ['a tall matrix', [1, 40, 12]],
  ['a square matrix', [1, 16, 16]],
  ['a single row', [1, 1, 9]],
  ['wide matrices', [5, 8, 24]],
  ['tall matrices', [3, 24, 8]],
];
const sizeOf = ([count, rows, columns]: MatrixStack) => count * rows * columns;

describe('the singular values', () => {
  it.each(stacks)('come near 1: %s', async (_, stack) => {
    const values = drawNormal(sizeOf(stack));
    for (const matrix of cut(await orthogonalize(stack, values), stack)) {
      const singular = singularValues(matrix);
      expect(Math.min(...singular)).toBeGreaterThan(0.65);
      expect(Math.max(...singular)).toBeLessThan(1.25);
    }
    // The test could tell: they are not near 1 before.
    expect(Math.max(...cut(values, stack).flatMap(singularValues))).toBeGreaterThan(2);
  });
});

describe('an orthogonalizer', () => {
  it.each(stacks)('follows the published algorithm: %s', async (_, stack) => {
    const values = drawNormal(sizeOf(stack));
    const [found, given] = [cut(await orthogonalize(stack, values), stack), cut(values, stack)];
    for (const [index, matrix] of found.entries()) {
      expect(worstGap(matrix, reference(given[index] as Matrix))).toBeLessThan(1e-5);
    }
  });

  it.each([1e-30, 1e-8, 1e15])('does not mind the scale of its input: %s', async (scale) => {
    const stack: MatrixStack = [2, 6, 10];
    const values = drawNormal(sizeOf(stack), 4);
    const [small, usual] = [
      cut(
        await orthogonalize(
          stack,
          values.map((value) => value * scale),
        ),
        stack,
      ),
      cut(await orthogonalize(stack, values), stack),
    ];
    for (const [index, matrix] of small.entries()) expect(worstGap(matrix, usual[index] as Matrix)).toBeLessThan(1e-5);
  });

  it('gives zeros for a matrix of zeros and does not let it touch its neighbours', async () => {
    const values = drawNormal(3 * 48);
    const all = (await orthogonalize([3, 6, 8], values)).slice();
    const output = await orthogonalize([3, 6, 8], values.fill(0, 48, 96));
    expect(output.subarray(48, 96).every((value) => value === 0)).toBe(true);
    expect(countDifferentBits(output.slice(0, 48), all.slice(0, 48))).toBe(0);
    expect(countDifferentBits(output.slice(96), all.slice(96))).toBe(0);
  });

  it('gives the same bits at every run', async () => {
    const values = drawNormal(2 * 20 * 12);
    const first = (await orthogonalize([2, 20, 12], values)).slice();
    expect(countDifferentBits(await orthogonalize([2, 20, 12], values), first)).toBe(0);
  });
});
