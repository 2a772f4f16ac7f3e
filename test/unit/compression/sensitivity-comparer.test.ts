import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoundedComparer, type RoundedCandidate } from '../../../src/compression/sensitivity-comparer.ts';
import { dequantize } from '../../../src/core/quantized-matrix.ts';
import { createRandom } from '../../../src/core/random.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { quantizeProducts } from '../../../src/graph/passes/quantize-products.ts';
import { listStoredProducts } from '../../../src/graph/passes/stored-products.ts';
import { type ComparedRow, createLogitComparer, type LogitComparer } from '../../../src/runtime/logit-comparer.ts';
import { maxDifference } from '../../parity/random-weights.ts';
import { config, productGraph, roundNearest } from './toy-products.ts';

const products = listStoredProducts(productGraph());

const candidateOf = (name: string, choose: (productName: string) => 2 | 4 | 8 | undefined): RoundedCandidate => ({
  name,
  matrices: new Map(
    products.flatMap((product) => {
      const bits = choose(product.name);
      return bits ? [[product.name, roundNearest(product, bits)] as const] : [];
    }),
  ),
});

const candidates = [
  candidateOf('nothing', () => undefined),
  candidateOf('all', () => 4),
  candidateOf('mixers', (name) => (name.includes('proj') ? 4 : undefined)),
  candidateOf('again nothing', () => undefined),
];

/** The same as a graph of its own, which computes with the rounded weights in float32 precision. */
function quantizedGraph({ matrices }: RoundedCandidate): Graph {
  const graph = productGraph();
  quantizeProducts(graph, ({ name }) => matrices.get(name), { accuracyLevel: 0, scales: 'float32' });
  return graph;
}

const rowOf = (length: number, seed: number, scoreFrom?: number): ComparedRow => {
  const random = createRandom(seed, 3);
  const tokens = Uint32Array.from({ length }, () => random.integer(config.vocabSize));
  return scoreFrom === undefined ? { tokens } : { tokens, scoreFrom };
};

describe('createRoundedComparer', () => {
  let comparer: LogitComparer;
  let expected: LogitComparer;
  beforeAll(async () => {
    comparer = await createRoundedComparer(productGraph(), config, candidates);
    expected = await createLogitComparer(
      config,
      { name: 'fp32', model: productGraph() },
      candidates.map((candidate) => ({ name: candidate.name, model: quantizedGraph(candidate) })),
    );
  });
  afterAll(async () => {
    await comparer.release();
    await expected.release();
  });

  it('rounds matrices stored either way, the tied embedding among them', () => {
    expect(products.some(({ kind }) => kind === 'embedding')).toBe(true);
    expect(candidates[1]?.matrices.size).toBe(products.length);
    const rounded = candidates[1]?.matrices.get(products[0]?.name as string);
    expect(maxDifference(dequantize(rounded as never), products[0]?.weights as Float32Array)).toBeGreaterThan(0.01);
  });

  it('says what a graph of its own says of every candidate, row and token', async () => {
    const rows = [rowOf(30, 1), rowOf(5, 2, 3), rowOf(17, 3, 9), rowOf(3, 4, 3)];
    const [own, others] = [await comparer.compare(rows), await expected.compare(rows)];
    expect(comparer.names).toEqual(expected.names);
    for (const [index, row] of own.entries()) {
      const other = others[index] as typeof row;
      for (const [model, nats] of row.nats.entries()) {
        expect(maxDifference(nats, other.nats[model] as Float32Array)).toBeLessThan(2e-5);
      }
      for (const candidate of [1, 2]) {
        const [divergences, same] = [row.divergences, other.divergences].map((all) => all[candidate] as Float32Array);
        expect(divergences).toHaveLength(same?.length as number);
        divergences?.forEach((value, at) => {
          expect(Math.abs(value - (same?.[at] as number))).toBeLessThan(1e-6 + 1e-3 * value);
        });
      }
      expect(row.agreements).toEqual(other.agreements);
    }
  });

  it('finds nothing where nothing is rounded, whichever candidate came before', async () => {
    const [row] = await comparer.compare([rowOf(40, 5)]);
    for (const candidate of [0, 3]) {
      expect(row?.divergences[candidate]).toEqual(new Float32Array(39));
      expect(row?.nats[candidate + 1]).toEqual(row?.nats[0]);
    }
    expect(row?.divergences[1]?.every((value) => value > 0)).toBe(true);
  });

  it('stops between candidates when it is aborted', async () => {
    const controller = new AbortController();
    const aborted = await createRoundedComparer(productGraph(), config, candidates, { signal: controller.signal });
    controller.abort();
    await expect(aborted.compare([rowOf(4, 6)])).rejects.toMatchObject({ code: 'ABORTED' });
    await aborted.release();
  });

  it('refuses candidates that it cannot tell apart or that are not of this model', async () => {
    const [product] = products;
    if (!product) throw new Error('The toy model has products.');
    const matrix = roundNearest(product, 4);
    const wrong: readonly [string, readonly RoundedCandidate[]][] = [
      ['INVALID_ARGUMENT', []],
      ['INVALID_ARGUMENT', [candidateOf('twice', () => 4), candidateOf('twice', () => 8)]],
      ['INVALID_ARGUMENT', [candidateOf('fp32', () => 4)]],
      ['INVALID_ARGUMENT', [{ name: 'other', matrices: new Map([['no such product', matrix]]) }]],
      [
        'SHAPE_MISMATCH',
        [{ name: 'other', matrices: new Map([[product.name, { ...matrix, rows: matrix.rows + 1 }]]) }],
      ],
    ];
    for (const [code, list] of wrong) {
      await expect(createRoundedComparer(productGraph(), config, list)).rejects.toMatchObject({ code });
    }
  });
});
