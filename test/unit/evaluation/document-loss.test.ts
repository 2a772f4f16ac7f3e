import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainDocument, type TextDocument } from '../../../src/data/documents.ts';
import { type ScoringOptions, scoreDocuments } from '../../../src/evaluation/document-loss.ts';
import type { TokenScorer } from '../../../src/runtime/token-scorer.ts';
import { codeTokenizer, documentOf, mark, scriptedScorer } from './scripted-model.ts';

const options: ScoringOptions = { contextLength: 16, stride: 8, batchSize: 4 };

/** A price for each token that float32 adds without rounding. */
const price = (token: number): number => (token % 64) / 8;
const priceOf = ({ text }: TextDocument): number =>
  [...codeTokenizer.encode(text)].reduce((sum, token) => sum + price(token), 0);

/** Texts of up to a few windows, some empty, and windows of all sizes. */
const cases = fc
  .tuple(fc.array(fc.integer({ min: 0, max: 70 }), { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 20 }))
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

describe('scoreDocuments', () => {
  it('scores every token of every document once, whatever the windows and batches', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ documents, options: given }) => {
        const scorer = scriptedScorer(price);
        const losses = await scoreDocuments(documents, codeTokenizer, scorer, given);
        const texts = documents.filter(({ text }) => text !== '');
        expect(losses).toEqual(
          texts.map((document) => ({
            nats: priceOf(document),
            tokens: document.text.length,
            bytes: document.originalBytes,
            words: document.originalWords,
          })),
        );
        for (const batch of scorer.batches) expect(batch.length).toBeLessThanOrEqual(given.batchSize);
      }),
      { seed: 6, numRuns: 60 },
    );
  });

  it('gives each token the context that is stated: from a first window on, more than contextLength - stride', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ options: given }) => {
        const { contextLength, stride } = given;
        const length = 90;
        // What a token sees, worked out by hand: its window ends with the stride that it is in.
        const contexts = Array.from({ length }, (_, at) => {
          if (at < contextLength) return at + 1;
          const strides = Math.floor((at - contextLength) / stride) + 1;
          const end = Math.min(length, contextLength + strides * stride);
          return contextLength - (end - 1 - at);
        });
        for (const context of contexts.slice(contextLength)) {
          expect(context).toBeGreaterThan(contextLength - stride);
          expect(context).toBeLessThanOrEqual(contextLength);
        }
        const scorer = scriptedScorer((_token, context) => context.length);
        const [loss] = await scoreDocuments([documentOf(0, length)], codeTokenizer, scorer, given);
        expect(loss?.nats).toBe(contexts.reduce((sum, context) => sum + context, 0));
        for (const row of scorer.batches.flat()) expect(row.length - 1).toBeLessThanOrEqual(contextLength);
      }),
      { seed: 7, numRuns: 40 },
    );
  });

  it('starts each document after the end-of-text mark, and shows it nowhere else', async () => {
    const scorer = scriptedScorer(price);
    await scoreDocuments([documentOf(0, 40), documentOf(1, 5)], codeTokenizer, scorer, options);
    const rows = scorer.batches.flat();
    const marks = rows.flatMap((row) => [...row.entries()].filter(([, token]) => token === mark).map(([at]) => at));
    expect(marks).toEqual([0, 0]);
    const firstTokens = rows.filter((row) => row[0] === mark).map((row) => row[1]);
    expect(firstTokens.sort()).toEqual([100, 200]);
  });

  it('never scores the mark, even where a document spells it', async () => {
    const scored: number[] = [];
    const scorer = scriptedScorer((token) => {
      scored.push(token);
      return 1;
    });
    await scoreDocuments([plainDocument('a<|endoftext|>b')], codeTokenizer, scorer, options);
    expect(scored).not.toContain(mark);
  });

  it('shows no document another one', async () => {
    const scorer = scriptedScorer(price);
    const documents = Array.from({ length: 30 }, (_, index) => documentOf(index, 1 + ((index * 13) % 50)));
    await scoreDocuments(documents, codeTokenizer, scorer, options);
    for (const row of scorer.batches.flat()) {
      const owners = new Set([...row].filter((token) => token !== mark).map((token) => Math.floor(token / 100)));
      expect(owners.size).toBe(1);
    }
  });

  it('batches windows of about equal length', async () => {
    const scorer = scriptedScorer(price);
    const documents = Array.from({ length: 40 }, (_, index) => documentOf(index, 1 + ((index * 7) % 16)));
    await scoreDocuments(documents, codeTokenizer, scorer, options);
    for (const batch of scorer.batches) {
      const lengths = batch.map((row) => row.length);
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(2);
    }
  });

  it('gives losses in the order of the documents, of sync and async sources', async () => {
    const documents = [documentOf(0, 30), documentOf(1, 2), documentOf(2, 50)];
    const expected = documents.map(priceOf);
    async function* later(): AsyncGenerator<TextDocument> {
      for (const document of documents) yield await Promise.resolve(document);
    }
    for (const source of [documents, later(), new Set(documents)]) {
      const losses = await scoreDocuments(source, codeTokenizer, scriptedScorer(price), options);
      expect(losses.map(({ nats }) => nats)).toEqual(expected);
    }
  });

  it('skips empty documents and keeps the sizes of originals', async () => {
    const detokenised = { text: 'abc', originalBytes: 11, originalWords: 4 };
    const losses = await scoreDocuments(
      [plainDocument(''), detokenised],
      codeTokenizer,
      scriptedScorer(price),
      options,
    );
    expect(losses).toEqual([{ nats: priceOf(detokenised), tokens: 3, bytes: 11, words: 4 }]);
  });

  it.each([[[]], [[plainDocument('')]], [[plainDocument(''), plainDocument('')]]])(
    'refuses a text without tokens',
    async (documents) => {
      const scorer = scriptedScorer(price);
      await expect(scoreDocuments(documents, codeTokenizer, scorer, options)).rejects.toMatchObject({
        code: 'TEXT_EMPTY',
      });
      expect(scorer.batches).toEqual([]);
    },
  );

  it('scores a document of thousands of windows', async () => {
    const long = documentOf(0, 40_000);
    const scorer = scriptedScorer(price);
    const [loss] = await scoreDocuments([documentOf(1, 3), long], codeTokenizer, scorer, options).then((all) =>
      all.slice(1),
    );
    expect(loss).toMatchObject({ nats: priceOf(long), tokens: 40_000 });
    expect(scorer.batches.flat()).toHaveLength(1 + 1 + (40_000 - 16) / 8);
  });

  it('reports what is done after each batch, ending with all', async () => {
    const documents = [documentOf(0, 60), documentOf(1, 10), documentOf(2, 33)];
    const reports: { documents: number; tokens: number; bytes: number }[] = [];
    const scorer = scriptedScorer(price);
    await scoreDocuments(documents, codeTokenizer, scorer, { ...options, onProgress: (done) => reports.push(done) });
    expect(reports).toHaveLength(scorer.batches.length);
    const bytes = documents.reduce((sum, document) => sum + document.originalBytes, 0);
    expect(reports.at(-1)).toEqual({ documents: 3, tokens: 103, bytes });
    for (const name of ['documents', 'tokens', 'bytes'] as const) {
      const values = reports.map((report) => report[name]);
      expect([...values].sort((a, b) => a - b)).toEqual(values);
    }
    // The shortest windows go first: only the document that fits in one is done by then.
    expect(reports[0]).toMatchObject({ documents: 1, bytes: documents[1]?.originalBytes });
  });

  it.each<[string, Partial<ScoringOptions>]>([
    ['a stride of 0', { stride: 0 }],
    ['a stride past the window', { stride: 17 }],
    ['no context', { contextLength: 0, stride: 0 }],
    ['half a window', { contextLength: 16.5 }],
    ['no batch', { batchSize: 0 }],
    ['a batch that is no number', { batchSize: Number.NaN }],
  ])('refuses %s', async (_, change) => {
    const scorer = scriptedScorer(price);
    const given = { ...options, ...change };
    await expect(scoreDocuments([documentOf(0, 9)], codeTokenizer, scorer, given)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('passes on what the scorer and the source throw', async () => {
    const fault = new Error('no memory');
    const broken: TokenScorer = { score: () => Promise.reject(fault), release: async () => undefined };
    await expect(scoreDocuments([documentOf(0, 9)], codeTokenizer, broken, options)).rejects.toBe(fault);
    async function* unreadable(): AsyncGenerator<TextDocument> {
      yield documentOf(0, 9);
      throw fault;
    }
    await expect(scoreDocuments(unreadable(), codeTokenizer, scriptedScorer(price), options)).rejects.toBe(fault);
  });
});

describe('an aborted scoring', () => {
  it('runs nothing if it was aborted before', async () => {
    const scorer = scriptedScorer(price);
    const given = { ...options, signal: AbortSignal.abort() };
    await expect(scoreDocuments([documentOf(0, 9)], codeTokenizer, scorer, given)).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect(scorer.batches).toEqual([]);
  });

  it('stops after the batch in progress', async () => {
    const controller = new AbortController();
    const scorer = scriptedScorer(price);
    const given = { ...options, signal: controller.signal, onProgress: () => controller.abort() };
    await expect(scoreDocuments([documentOf(0, 900)], codeTokenizer, scorer, given)).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect(scorer.batches).toHaveLength(1);
  });

  it('closes its source, and reads no more of it', async () => {
    const controller = new AbortController();
    let [read, closed] = [0, false];
    async function* endless(): AsyncGenerator<TextDocument> {
      try {
        for (;;) {
          if (++read === 20) controller.abort();
          yield documentOf(0, read % 2 === 0 ? 9 : 0);
        }
      } finally {
        closed = true;
      }
    }
    const given = { ...options, signal: controller.signal };
    await expect(scoreDocuments(endless(), codeTokenizer, scriptedScorer(price), given)).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect(closed).toBe(true);
    expect(read).toBe(20);
  });
});

describe('memory while scoring', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  /** The least of several readings: V8 gives up the memory of dead buffers in the background, after the collection. */
  const usedBytes = async (): Promise<number> => {
    const readings: number[] = [];
    for (let reading = 0; reading < 5; reading++) {
      collectGarbage();
      await setTimeout(2);
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      readings.push(heapUsed + arrayBuffers);
    }
    return Math.min(...readings);
  };

  it('does not grow with the text: after 15 to 30 MB of a stream it is within 4 MB of what it was after 3 MB', async () => {
    const [documentCount, documentBytes] = [1200, 25_000];
    const quarters: typeof codeTokenizer = { ...codeTokenizer, encode: (text) => new Uint32Array(text.length / 4) };
    let atStart = 0;
    const later: number[] = [];
    let [scoredTokens, mostWaiting] = [0, 0];
    async function* stream(): AsyncGenerator<TextDocument> {
      for (let index = 0; index < documentCount; index++) {
        mostWaiting = Math.max(mostWaiting, (index * documentBytes) / 4 - scoredTokens);
        // Not at the very start: what the first windows need is needed for a text of any size.
        if (index === 120) atStart = await usedBytes();
        if (index >= 600 && index % 100 === 0) later.push(await usedBytes());
        yield plainDocument(String.fromCharCode(97 + (index % 26)).repeat(documentBytes));
      }
    }
    const flat: TokenScorer = {
      score: async (rows) => rows.map((row) => new Float32Array(row.length - 1).fill(1)),
      release: async () => undefined,
    };
    const losses = await scoreDocuments(stream(), quarters, flat, {
      contextLength: 512,
      stride: 256,
      batchSize: 16,
      onProgress: ({ tokens }) => {
        scoredTokens = tokens;
      },
    });
    expect(losses).toHaveLength(documentCount);
    expect(losses.every(({ nats }) => nats === documentBytes / 4)).toBe(true);
    // The least of them: what a busy machine gives up late is counted in some, but a text that is kept is in all.
    expect(Math.min(...later) - atStart).toBeLessThan(4e6);
    // 512 windows may wait, of up to 512 new tokens each, and the documents at their ends.
    expect(mostWaiting).toBeLessThan(512 * 512 + documentBytes);
  });
});
