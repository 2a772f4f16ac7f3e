import { describe, expect, test } from 'vitest';
import { type BitWidth, dequantize } from '../../../../src/core/quantized-matrix.ts';
import { tensor } from '../../../../src/core/tensor.ts';
import { Graph, type Value } from '../../../../src/graph/graph.ts';
import {
  gatherBlockQuantized,
  gemm,
  matMulNBits,
  type QuantizedParts,
  quantizedMoe,
} from '../../../../src/graph/ops/index.ts';
import { encodeOnnx } from '../../../../src/onnx/encoding.ts';
import { createSession } from '../../../../src/runtime/session.ts';
import { maxDifference, randomTensor } from '../../../parity/random-weights.ts';
import { roundMatrix } from '../passes/round-matrix.ts';

type Form = { bits: BitWidth; blockSize: number; asymmetric?: boolean };

/** Stores a rounded random matrix; its values, and its parts with levels in the layout of products or of tables. */
function store(graph: Graph, rows: number, columns: number, form: Form, layout: 'product' | 'table') {
  const matrix = roundMatrix(randomTensor([rows, columns], 3).data, rows, columns, form);
  const blocks = matrix.scales.length / rows;
  const bytes = matrix.levels.length / rows;
  const shape = layout === 'table' ? [rows, bytes] : [rows, blocks, bytes / blocks];
  const zeros = matrix.zeroPoints;
  const parts: QuantizedParts = {
    ...{ rows, columns, bits: form.bits, blockSize: form.blockSize },
    levels: graph.initializer('levels', tensor('uint8', shape, matrix.levels)),
    scales: graph.initializer('scales', tensor('float32', [rows, blocks], matrix.scales)),
    zeroPoints: zeros && graph.initializer('zeros', tensor('uint8', [rows, zeros.length / rows], zeros)),
  };
  return { parts, values: dequantize(matrix) };
}

async function runFor(graph: Graph, feeds: Parameters<Awaited<ReturnType<typeof createSession>>['run']>[0]) {
  const session = await createSession(encodeOnnx(graph));
  const results = await session.run(feeds);
  await session.release();
  return results;
}

const forms = ([2, 4, 8] as const).flatMap((bits) =>
  [16, 32, 128].flatMap((blockSize) => [false, true].map((asymmetric) => ({ bits, blockSize, asymmetric }))),
);

describe.each(forms)('$bits bits, blocks of $blockSize, asymmetric $asymmetric', (form) => {
  // 40 columns: the last block of a row is never full.
  const [rows, columns] = [7, 40];

  test('MatMulNBits multiplies by the rounded matrix', async () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['B', 'T', columns]);
    const { parts, values } = store(graph, rows, columns, form, 'product');
    const product = matMulNBits(x, parts);
    expect(product.shape).toEqual(['B', 'T', rows]);
    graph.output('y', product);
    graph.output('rounded input', matMulNBits(x, parts, { accuracyLevel: 4 }));
    const w = graph.initializer('w', tensor('float32', [rows, columns], values));
    const flat = graph.input('flat', 'float32', ['M', columns]);
    graph.output('expected', gemm(flat, w, { transB: true }));
    const data = randomTensor([2, 3, columns], 4);
    const results = await runFor(graph, { x: data, flat: tensor('float32', [6, columns], data.data) });
    const expected = results['expected']?.data as Float32Array;
    expect(maxDifference(results['y']?.data as Float32Array, expected)).toBeLessThan(1e-4);
    expect(maxDifference(results['rounded input']?.data as Float32Array, expected)).toBeLessThan(0.5);
  });

  test('GatherBlockQuantized picks rows of the rounded matrix', async () => {
    const graph = new Graph();
    const ids = graph.input('ids', 'int64', ['B', 'T']);
    const { parts, values } = store(graph, rows, columns, form, 'table');
    const picked = gatherBlockQuantized(parts, ids);
    expect(picked.shape).toEqual(['B', 'T', columns]);
    graph.output('y', picked);
    const chosen = [6, 0, 3, 6];
    const results = await runFor(graph, { ids: tensor('int64', [2, 2], BigInt64Array.from(chosen, BigInt)) });
    const expected = chosen.flatMap((row) => [...values.subarray(row * columns, (row + 1) * columns)]);
    const { data = [] } = results['y'] ?? {};
    expect(Array.from(data, Number)).toEqual(expected);
  });
});

describe('shapes that do not fit are refused', () => {
  const form: Form = { bits: 4, blockSize: 16, asymmetric: true };

  function build(change: (parts: QuantizedParts, graph: Graph) => Partial<QuantizedParts>): () => Value {
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['M', 32]);
    const { parts } = store(graph, 6, 32, form, 'product');
    return () => matMulNBits(x, { ...parts, ...change(parts, graph) });
  }

  test.each<[string, string, (parts: QuantizedParts, graph: Graph) => Partial<QuantizedParts>]>([
    ['rows', 'SHAPE_MISMATCH', () => ({ rows: 5 })],
    ['columns', 'SHAPE_MISMATCH', () => ({ columns: 31 })],
    ['a block size', 'SHAPE_MISMATCH', () => ({ blockSize: 32 })],
    ['bits', 'SHAPE_MISMATCH', () => ({ bits: 8 })],
    ['zero points', 'SHAPE_MISMATCH', ({ levels }) => ({ zeroPoints: levels })],
    ['levels that are no bytes', 'GRAPH_INVALID', ({ scales }) => ({ levels: scales })],
    [
      'scales of another type than the input',
      'GRAPH_INVALID',
      (_parts, graph) => ({ scales: graph.initializer('half', tensor('float16', [6, 2], new Uint16Array(12))) }),
    ],
  ])('%s', (_what, code, change) => {
    expect(build(change)).toThrow(expect.objectContaining({ name: 'IteraError', code }));
  });

  test('a table whose scales are not of its blocks', () => {
    const graph = new Graph();
    const ids = graph.input('ids', 'int64', ['T']);
    const { parts } = store(graph, 6, 32, form, 'table');
    expect(() => gatherBlockQuantized({ ...parts, blockSize: 32 }, ids)).toThrow(/scales of shape \[6, 1\]/);
  });

  test('experts of another number than the router chooses from', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['M', 32]);
    const router = graph.input('router', 'float32', ['M', 3]);
    const bytes = (name: string, shape: readonly number[]) =>
      graph.initializer(name, tensor('uint8', shape, new Uint8Array(shape.reduce((a, b) => a * b))));
    const scales = (name: string, shape: readonly number[]) => graph.initializer(name, randomTensor(shape, 1));
    const input = { levels: bytes('l1', [2, 32, 16]), scales: scales('s1', [2, 32, 2]) };
    const output = { levels: bytes('l2', [2, 32, 8]), scales: scales('s2', [2, 32, 1]) };
    const options = { k: 1, bits: 4, blockSize: 16 } as const;
    expect(() => quantizedMoe(x, router, input, output, options)).toThrow(/Router \[M, 3\] does not fit/);
    const two = graph.input('two', 'float32', ['M', 2]);
    expect(() => quantizedMoe(x, two, input, output, { ...options, blockSize: 32 })).toThrow(/scales of shape/);
    expect(quantizedMoe(x, two, input, output, options).shape).toEqual(['M', 32]);
  });
});
