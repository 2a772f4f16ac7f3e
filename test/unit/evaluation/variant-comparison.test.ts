import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import { tensor } from '../../../src/core/tensor.ts';
import { plainDocument } from '../../../src/data/documents.ts';
import { scoreDocuments } from '../../../src/evaluation/document-loss.ts';
import {
  blockTokens,
  type ComparedDocument,
  compareDocuments,
  variantLosses,
} from '../../../src/evaluation/variant-comparison.ts';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import { createLogitComparer, type LogitComparer } from '../../../src/runtime/logit-comparer.ts';
import { createTokenScorer } from '../../../src/runtime/token-scorer.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../training/toy-model.ts';
import { scriptedComparer } from './scripted-comparer.ts';
import { codeTokenizer, documentOf } from './scripted-model.ts';

/** Prices for each token that float32 adds without rounding. */
const price = (token: number): number => (token % 64) / 8;
const dearer = (token: number): number => price(token) + (token % 3) / 16;
const divergence = (token: number): number => (token % 16) / 256;
const agrees = (token: number): boolean => token % 5 !== 0;

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

describe('compareDocuments', () => {
  it('collects every token of every document once, for all variants, whatever the windows and batches', async () => {
    const cases = fc
      .tuple(
        fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 90 }),
      )
      .chain(([lengths, contextLength]) =>
        fc.record({
          documents: fc.constant(lengths.map((length, index) => documentOf(index, length))),
          options: fc.record({
            contextLength: fc.constant(contextLength),
            stride: fc.integer({ min: 1, max: contextLength }),
            batchSize: fc.integer({ min: 1, max: 9 }),
          }),
        }),
      )
      .filter(({ documents }) => documents.some(({ text }) => text !== ''));
    await fc.assert(
      fc.asyncProperty(cases, async ({ documents, options }) => {
        const comparer = scriptedComparer(price, [
          { name: 'int8', nats: dearer, divergence, agrees },
          { name: 'int4', nats: (token) => 2 * price(token) },
        ]);
        const comparison = await compareDocuments(documents, codeTokenizer, comparer, options);
        expect(comparison.variants).toEqual(['fp32', 'int8', 'int4']);
        const texts = documents.filter(({ text }) => text !== '');
        expect(comparison.documents).toHaveLength(texts.length);
        for (const [index, { text, originalBytes, originalWords }] of texts.entries()) {
          const tokens = [...codeTokenizer.encode(text)];
          const document = comparison.documents[index] as ComparedDocument;
          expect(document).toMatchObject({ tokens: tokens.length, bytes: originalBytes, words: originalWords });
          const blocks = Array.from({ length: Math.ceil(tokens.length / blockTokens) }, (_, block) =>
            tokens.slice(block * blockTokens, (block + 1) * blockTokens),
          );
          for (const [variant, rule] of [price, dearer, (token: number) => 2 * price(token)].entries()) {
            expect([...(document.blockNats[variant] ?? [])]).toEqual(blocks.map((block) => sum(block.map(rule))));
          }
          expect([...(document.divergences[0] ?? [])]).toEqual(tokens.map(divergence));
          expect([...(document.blockAgreements[0] ?? [])]).toEqual(blocks.map((block) => block.filter(agrees).length));
        }
        expect(sum(comparer.batches.flat())).toBe(sum(texts.map(({ text }) => text.length)));
        for (const batch of comparer.batches) expect(batch.length).toBeLessThanOrEqual(options.batchSize);
      }),
      { seed: 8, numRuns: 40 },
    );
  });

  it('reports progress, and stops when it is aborted', async () => {
    const controller = new AbortController();
    const comparer = scriptedComparer(price, [{ name: 'int8', nats: dearer }]);
    const options = { contextLength: 16, stride: 8, batchSize: 2 };
    const reports: number[] = [];
    const onProgress = ({ tokens }: { readonly tokens: number }) => {
      reports.push(tokens);
      if (reports.length === 2) controller.abort();
    };
    await expect(
      compareDocuments([documentOf(0, 300)], codeTokenizer, comparer, {
        ...options,
        signal: controller.signal,
        onProgress,
      }),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    // The shortest windows go first: the one at the end of the document, which scores 4 tokens, and one of 8 or 16.
    expect(comparer.batches).toHaveLength(2);
  });

  it('refuses a text without tokens', async () => {
    const comparer = scriptedComparer(price, [{ name: 'int8', nats: dearer }]);
    const options = { contextLength: 16, stride: 8, batchSize: 2 };
    await expect(compareDocuments([plainDocument('')], codeTokenizer, comparer, options)).rejects.toMatchObject({
      code: 'TEXT_EMPTY',
    });
  });
});

describe('variantLosses', () => {
  it('gives the losses of each variant by name, and of no other', async () => {
    const comparer = scriptedComparer(price, [{ name: 'int8', nats: dearer }]);
    const documents = [documentOf(0, 100), documentOf(1, 30)];
    const options = { contextLength: 32, stride: 16, batchSize: 4 };
    const comparison = await compareDocuments(documents, codeTokenizer, comparer, options);
    const expected = documents.map(({ text, originalBytes, originalWords }) => ({
      nats: sum([...codeTokenizer.encode(text)].map(dearer)),
      tokens: text.length,
      bytes: originalBytes,
      words: originalWords,
    }));
    expect(variantLosses(comparison, 'int8')).toEqual(expected);
    expect(() => variantLosses(comparison, 'int4')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('comparing models', () => {
  const config = toyConfig();
  const weights = randomWeights(config, 8);
  const random = createRandom(3, 2);
  const noisy = new Map(
    [...weights].map(([name, { shape, data }]) => [
      name,
      tensor(
        'float32',
        shape,
        data.map((value) => value * (1 + 0.2 * random.normal())),
      ),
    ]),
  );
  /** Letters as the tokens of a vocabulary of 300. */
  const letters: Tokenizer = {
    ...codeTokenizer,
    vocabSize: config.vocabSize,
    eosId: 0,
    encode: (text) => Uint32Array.from(text, (_, at) => 1 + (text.charCodeAt(at) % 299)),
  };
  const documents = Array.from({ length: 7 }, (_, index) => documentOf(index, 5 + 23 * index));
  const options = { contextLength: 48, stride: 16, batchSize: 4 };

  let comparer: LogitComparer;
  beforeAll(async () => {
    comparer = await createLogitComparer(config, { name: 'fp32', model: buildInferenceGraph(config, weights) }, [
      { name: 'same', model: buildInferenceGraph(config, weights) },
      { name: 'noisy', model: buildInferenceGraph(config, noisy) },
    ]);
  });
  afterAll(() => comparer.release());

  it('gives every variant the losses that scoring it alone gives', async () => {
    const comparison = await compareDocuments(documents, letters, comparer, options);
    for (const [name, tensors] of [
      ['fp32', weights],
      ['noisy', noisy],
    ] as const) {
      const scorer = await createTokenScorer(buildInferenceGraph(config, tensors), config);
      const alone = await scoreDocuments(documents, letters, scorer, options);
      await scorer.release();
      const together = variantLosses(comparison, name);
      expect(together).toHaveLength(alone.length);
      for (const [index, loss] of alone.entries()) {
        expect(together[index]).toEqual({ ...loss, nats: expect.closeTo(loss.nats, 6) });
      }
    }
    expect(variantLosses(comparison, 'same')).toEqual(variantLosses(comparison, 'fp32'));
    for (const { divergences, blockAgreements, tokens } of comparison.documents) {
      expect(divergences[0]).toEqual(new Float32Array(tokens));
      expect(sum(blockAgreements[0] ?? [])).toBe(tokens);
      expect(divergences[1]?.every((value) => value > 0)).toBe(true);
    }
  });
});
