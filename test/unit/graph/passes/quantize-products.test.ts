import { describe, expect, test } from 'vitest';
import { type BitWidth, dequantize, type QuantizedMatrix } from '../../../../src/core/quantized-matrix.ts';
import type { Graph, Value } from '../../../../src/graph/graph.ts';
import { expandExperts } from '../../../../src/graph/passes/expand-experts.ts';
import { foldConstants } from '../../../../src/graph/passes/fold-constants.ts';
import { pruneGraph } from '../../../../src/graph/passes/prune.ts';
import { quantizeProducts } from '../../../../src/graph/passes/quantize-products.ts';
import { listStoredProducts, type StoredProduct } from '../../../../src/graph/passes/stored-products.ts';
import type { ModelConfig } from '../../../../src/models/config.ts';
import { buildInferenceGraph } from '../../../../src/models/inference-graph.ts';
import { decodeOnnx } from '../../../../src/onnx/decoding.ts';
import { encodeOnnx } from '../../../../src/onnx/encoding.ts';
import { randomWeights } from '../../../parity/random-weights.ts';
import { toyConfig } from '../../../parity/toy-config.ts';
import { roundMatrix } from './round-matrix.ts';
import { models, runGraph, worstDifference } from './run-graph.ts';

type Form = { bits: BitWidth; blockSize: number; asymmetric?: boolean };

/** A folded graph, its experts expanded or not, and its products. */
function build(config: ModelConfig, experts: 'fused' | 'stacked'): Graph {
  const graph = buildInferenceGraph(config, randomWeights(config, 21));
  foldConstants(graph);
  if (experts === 'stacked') expandExperts(graph);
  pruneGraph(graph);
  return graph;
}

const round = ({ weights, rows, columns }: StoredProduct, form: Form): QuantizedMatrix =>
  roundMatrix(weights, rows, columns, form);

/** The same graph in float, whose weights are what their quantised forms stand for. */
function buildRounded(config: ModelConfig, experts: 'fused' | 'stacked', form: Form): Graph {
  const graph = build(config, experts);
  for (const product of listStoredProducts(graph)) {
    const { rows, columns } = product;
    const rounded = dequantize(round(product, form));
    const stored = graph.initializers.find(
      ({ name }) => name.replace(/\.(interleaved|stacked)$|\/Transpose$/, '') === product.name,
    ) as Value;
    const data = stored.constant?.data as Float32Array;
    if (stored.name.endsWith('/Transpose')) {
      rounded.forEach((value, at) => {
        data[(at % columns) * rows + Math.floor(at / columns)] = value;
      });
    } else data.set(rounded);
  }
  return graph;
}

const opTypes = (graph: Graph): string[] => graph.nodes.map(({ operator }) => operator.opType);

const forms: readonly Form[] = [
  { bits: 4, blockSize: 16 },
  { bits: 4, blockSize: 32, asymmetric: true },
  { bits: 8, blockSize: 16, asymmetric: true },
  { bits: 8, blockSize: 64 },
  { bits: 2, blockSize: 16, asymmetric: true },
  { bits: 2, blockSize: 32 },
];

describe.each(models)('$name', ({ config }) => {
  describe.each(config.numLocalExperts > 0 ? (['fused', 'stacked'] as const) : (['fused'] as const))(
    'with %s experts',
    (experts) => {
      const possible = forms.filter(({ bits, asymmetric }) => experts === 'stacked' || (bits > 2 && !asymmetric));
      test.each(config.numLocalExperts > 0 ? possible : forms)(
        '$bits bits in blocks of $blockSize give what the rounded weights give',
        async (form) => {
          const graph = build(config, experts);
          const float = await runGraph(graph, config);
          quantizeProducts(graph, (product) => round(product, form), { accuracyLevel: 0 });
          const actual = await runGraph(graph, config);
          const expected = await runGraph(buildRounded(config, experts, form), config);
          expect(worstDifference(actual, expected)).toBeLessThan(2e-4);
          // Rounding is visible, so the comparison above is of the right things.
          expect(worstDifference(actual, float)).toBeGreaterThan(1e-3);
          expect(listStoredProducts(graph)).toEqual([]);
        },
      );
    },
  );

  test('survives being written with short names and read again', async () => {
    const graph = build(config, 'fused');
    quantizeProducts(graph, (product) => round(product, { bits: 4, blockSize: 16 }));
    const expected = await runGraph(graph, config);
    const again = decodeOnnx(encodeOnnx(graph, {}, { shortNames: true })).graph;
    expect(opTypes(again)).toEqual(opTypes(graph));
    expect(worstDifference(await runGraph(again, config, { encode: { shortNames: true } }), expected)).toBe(0);
  });
});

const tied = models[0]?.config as ModelConfig;

test('a tied embedding is stored once and read by both ends', () => {
  const graph = build(tied, 'fused');
  const before = listStoredProducts(graph).filter(({ kind }) => kind === 'embedding');
  expect(before.map(({ name, inputs }) => [name, inputs.length])).toEqual([['model.embed_tokens.weight', 1]]);
  quantizeProducts(graph, (product) => {
    return product.kind === 'embedding' ? round(product, { bits: 4, blockSize: 16, asymmetric: true }) : undefined;
  });
  const parts = graph.initializers.filter(({ name }) => name.startsWith('model.embed_tokens'));
  expect(parts.map(({ name, dtype, shape }) => `${name} ${dtype} ${shape}`)).toEqual([
    'model.embed_tokens.weight.scales float16 29,2',
    'model.embed_tokens.weight.levels uint8 29,16',
    'model.embed_tokens.weight.zeros uint8 29,1',
  ]);
  expect(opTypes(graph).filter((type) => type === 'GatherBlockQuantized')).toHaveLength(1);
  const head = graph.nodes.findLast(({ operator }) => operator.opType === 'MatMulNBits');
  expect(head?.outputs[0]?.shape.at(-1)).toBe(tied.vocabSize);
});

test('experts of 8 bits with several zero points in a row go through QMoE', async () => {
  const config = toyConfig({ hiddenSize: 32, intermediateSize: 32 });
  const form: Form = { bits: 8, blockSize: 16, asymmetric: true };
  const graph = build(config, 'fused');
  quantizeProducts(graph, (product) => round(product, form), { accuracyLevel: 0 });
  expect(opTypes(graph)).toContain('QMoE');
  const expected = await runGraph(buildRounded(config, 'fused', form), config);
  expect(worstDifference(await runGraph(graph, config), expected)).toBeLessThan(2e-4);
});

test('products that are not chosen stay as they are, and bits may differ from one to the next', async () => {
  const graph = build(tied, 'fused');
  const asked: string[] = [];
  quantizeProducts(graph, (product) => {
    asked.push(product.name);
    const bits = product.name.includes('layers.0') ? 8 : 4;
    return product.name.includes('mamba') ? round(product, { bits, blockSize: 16 }) : undefined;
  });
  expect(asked).toEqual([...new Set(asked)]);
  const kept = ['Gather', 'MoE', 'Gemm', 'MatMul'];
  expect(opTypes(graph)).toEqual(expect.arrayContaining(kept));
  const products = graph.nodes.filter(({ operator }) => operator.opType === 'MatMulNBits');
  expect(products.map(({ attributes }) => [attributes['bits'], attributes['accuracy_level']])).toEqual([
    [8, 4],
    [8, 4],
    [4, 4],
    [4, 4],
  ]);
  await runGraph(graph, tied);
});

test('scales stay in float32 when asked', () => {
  const graph = build(tied, 'fused');
  const options = { scales: 'float32', accuracyLevel: 0 } as const;
  quantizeProducts(graph, (product) => round(product, { bits: 8, blockSize: 16 }), options);
  const scales = graph.initializers.filter(({ name }) => name.endsWith('.scales'));
  expect(new Set(scales.map(({ dtype }) => dtype))).toEqual(new Set(['float32']));
  expect(graph.nodes.filter(({ attributes }) => attributes['accuracy_level'] !== undefined)).toEqual([]);
});

describe('refuses', () => {
  const good = (product: StoredProduct) => round(product, { bits: 4, blockSize: 16 });
  const bad: readonly [string, string, (product: StoredProduct) => QuantizedMatrix | undefined][] = [
    ['a matrix of another size', 'SHAPE_MISMATCH', (product) => ({ ...good(product), rows: product.rows + 1 })],
    ['too few levels', 'SHAPE_MISMATCH', (product) => ({ ...good(product), levels: new Uint8Array(3) })],
    ['too few scales', 'SHAPE_MISMATCH', (product) => ({ ...good(product), scales: new Float32Array(3) })],
    [
      'zero points of another size',
      'SHAPE_MISMATCH',
      (product) => ({ ...good(product), zeroPoints: new Uint8Array(3) }),
    ],
    ['blocks of 24', 'INVALID_ARGUMENT', (product) => ({ ...good(product), blockSize: 24 })],
    ['blocks of 8', 'INVALID_ARGUMENT', (product) => ({ ...good(product), blockSize: 8 })],
    [
      'scales above half precision',
      'INVALID_ARGUMENT',
      (product) => ({ ...good(product), scales: good(product).scales.fill(7e4) }),
    ],
    [
      'scales that are no numbers',
      'INVALID_ARGUMENT',
      (product) => ({ ...good(product), scales: good(product).scales.fill(Number.NaN) }),
    ],
    [
      'one matrix of a mixture without the other',
      'INVALID_ARGUMENT',
      (product) => (product.kind === 'expertsInput' ? good(product) : undefined),
    ],
    [
      'a mixture of two widths',
      'INVALID_ARGUMENT',
      (product) => round(product, { bits: product.kind === 'expertsInput' ? 8 : 4, blockSize: 16 }),
    ],
    ['fused experts of 2 bits', 'INVALID_ARGUMENT', (product) => round(product, { bits: 2, blockSize: 16 })],
    [
      'fused experts with a zero point for a whole row',
      'INVALID_ARGUMENT',
      (product) => round(product, { bits: 4, blockSize: 16, asymmetric: true }),
    ],
  ];

  test.each(bad)('%s, and leaves the graph alone', (_what, code, choose) => {
    const graph = build(tied, 'fused');
    const before = encodeOnnx(graph);
    expect(() => quantizeProducts(graph, choose)).toThrow(expect.objectContaining({ name: 'IteraError', code }));
    expect(Buffer.compare(encodeOnnx(graph), before)).toBe(0);
  });
});
