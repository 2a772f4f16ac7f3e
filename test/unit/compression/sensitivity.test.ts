import { beforeAll, describe, expect, it } from 'vitest';
import { outputError } from '../../../src/compression/output-error.ts';
import { measureSensitivity, storedBytes, type TensorSensitivity } from '../../../src/compression/sensitivity.ts';
import { createRoundedComparer } from '../../../src/compression/sensitivity-comparer.ts';
import { compareDocuments, variantLosses } from '../../../src/evaluation/variant-comparison.ts';
import { listStoredProducts } from '../../../src/graph/passes/stored-products.ts';
import { correlatedStatistics } from './correlated-layer.ts';
import { config, productGraph, randomDocument, roundNearest, tokenizer } from './toy-products.ts';

const documents = [300, 150, 1, 400].map((length, index) => randomDocument(length, index));
const products = listStoredProducts(productGraph());
const subject = () => ({ graph: productGraph(), config, tokenizer, documents });

describe('measureSensitivity', () => {
  let measured: readonly TensorSensitivity[];
  const statistics = correlatedStatistics(200, 32, 4);
  beforeAll(async () => {
    measured = await measureSensitivity(
      subject(),
      (product, bits, blockSize) =>
        product.kind === 'embedding' && bits === 2 ? undefined : roundNearest(product, bits, blockSize),
      {
        bits: [8, 2, 4],
        blockSizes: [16],
        contextLength: 64,
        statistics: (name) => (name.includes('in_proj') ? statistics : undefined),
      },
    );
  });

  it('measures every product at every width it may have, in order', () => {
    expect(measured.map(({ name }) => name)).toEqual(products.map(({ name }) => name));
    for (const { kind, effects } of measured) {
      expect(effects.map(({ bits }) => bits)).toEqual(kind === 'embedding' ? [4, 8] : [2, 4, 8]);
    }
  });

  it('says what is stored, and the error of the layer by its own inputs', () => {
    for (const [index, { name, rows, columns, effects }] of measured.entries()) {
      const product = products[index] as (typeof products)[number];
      expect([rows, columns]).toEqual([product.rows, product.columns]);
      for (const { matrix, bytes, bits, outputError: error } of effects) {
        expect(matrix).toEqual(roundNearest(product, bits));
        expect(bytes).toBe(storedBytes(matrix));
        expect(error).toBe(outputError(product.weights, matrix, name.includes('in_proj') ? statistics : undefined));
      }
    }
  });

  it('gives the divergence and the change of the loss of rounding one product alone', async () => {
    const chosen = [0, 3, measured.length - 1].map((index) => measured[index] as TensorSensitivity);
    const comparer = await createRoundedComparer(
      productGraph(),
      config,
      chosen.map(({ name, effects }) => ({ name, matrices: new Map([[name, effects[0]?.matrix as never]]) })),
    );
    // Other batches than the measurement's.
    const options = { contextLength: 64, stride: 64, batchSize: 3 };
    const comparison = await compareDocuments(documents, tokenizer, comparer, options);
    await comparer.release();
    const tokens = 851;
    const totalOf = (variant: string) => variantLosses(comparison, variant).reduce((sum, { nats }) => sum + nats, 0);
    for (const [index, { name, effects }] of chosen.entries()) {
      const divergence = comparison.documents
        .flatMap(({ divergences }) => [...(divergences[index] as Float32Array)])
        .reduce((sum, value) => sum + value, 0);
      expect((effects[0]?.divergence as number) / (divergence / tokens)).toBeCloseTo(1, 5);
      expect(effects[0]?.lossChange).toBeCloseTo((totalOf(name) - totalOf('fp32')) / tokens, 5);
    }
  });

  it('finds less divergence with more bits, within its interval', () => {
    for (const { effects } of measured) {
      const divergences = effects.map(({ divergence }) => divergence);
      expect(divergences).toEqual([...divergences].sort((a, b) => b - a));
      for (const { divergence, divergenceInterval, lossChange, lossChangeInterval } of effects) {
        const [low, high] = divergenceInterval as readonly [number, number];
        expect(low).toBeLessThan(divergence);
        expect(high).toBeGreaterThan(divergence);
        expect(lossChangeInterval?.[0]).toBeLessThan(lossChange);
        expect(lossChangeInterval?.[1]).toBeGreaterThan(lossChange);
      }
    }
  });

  it('gives the same again, whatever else is measured, from large blocks to small ones', async () => {
    const chosen = measured[1] as TensorSensitivity;
    const again = await measureSensitivity(
      subject(),
      (product, bits, blockSize) => (product.name === chosen.name ? roundNearest(product, bits, blockSize) : undefined),
      { bits: [4, 8], blockSizes: [16, 32], contextLength: 64 },
    );
    expect(again).toHaveLength(1);
    const effects = again[0]?.effects ?? [];
    expect(effects.map(({ bits, blockSize }) => [bits, blockSize])).toEqual([
      [4, 32],
      [4, 16],
      [8, 32],
      [8, 16],
    ]);
    const known = chosen.effects.map(({ divergence, divergenceInterval }) => ({ divergence, divergenceInterval }));
    expect(effects[1]).toMatchObject(known[1] as object);
    expect(effects[3]).toMatchObject(known[2] as object);
  });

  it('leaves intervals out where the text is too short for them', async () => {
    const [result] = await measureSensitivity({ ...subject(), documents: [randomDocument(500, 9)] }, roundNearest, {
      bits: [4],
      contextLength: 64,
    });
    expect(result?.effects[0]?.divergence).toBeGreaterThan(0);
    expect(result?.effects[0]).not.toHaveProperty('divergenceInterval');
    expect(result?.effects[0]).not.toHaveProperty('lossChangeInterval');
  });

  it('reports progress, and stops when it is aborted', async () => {
    const controller = new AbortController();
    const reports: { rounded: number; products: number; tokens: number }[] = [];
    const onProgress = (done: (typeof reports)[number]) => {
      reports.push(done);
      if (done.rounded === 3) controller.abort();
    };
    const options = { bits: [4] as const, signal: controller.signal, onProgress };
    await expect(measureSensitivity(subject(), roundNearest, options)).rejects.toMatchObject({ code: 'ABORTED' });
    expect(reports).toEqual([1, 2, 3].map((rounded) => ({ rounded, products: products.length, tokens: 0 })));

    reports.length = 0;
    const first = products[0]?.name;
    await measureSensitivity(
      subject(),
      (product, bits) => (product.name === first ? roundNearest(product, bits) : undefined),
      {
        bits: [4],
        blockSizes: [16],
        onProgress: (done) => reports.push(done),
      },
    );
    expect(reports.at(-1)).toEqual({ rounded: products.length, products: products.length, tokens: 851 });
  });

  it('refuses a model of which nothing is rounded, other bits than asked for, and a text without tokens', async () => {
    await expect(measureSensitivity(subject(), () => undefined)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const other = measureSensitivity(subject(), (product) => roundNearest(product, 8), { bits: [4], blockSizes: [16] });
    await expect(other).rejects.toThrow(
      `Expected ${products[0]?.name} rounded to 4 bits in blocks of 16, got 8 bits in blocks of 16.`,
    );
    const empty = measureSensitivity({ ...subject(), documents: [] }, roundNearest, { bits: [4] });
    await expect(empty).rejects.toMatchObject({ code: 'TEXT_EMPTY' });
  });
});

describe('storedBytes', () => {
  it('counts levels, scales and zero points', () => {
    const matrix = {
      rows: 3,
      columns: 40,
      bits: 4 as const,
      blockSize: 16,
      levels: new Uint8Array(3 * 3 * 8),
      scales: new Float32Array(9),
    };
    expect(storedBytes(matrix)).toBe(72 + 18);
    expect(storedBytes(matrix, 'float32')).toBe(72 + 36);
    expect(storedBytes({ ...matrix, zeroPoints: new Uint8Array(6) })).toBe(72 + 18 + 6);
  });
});
