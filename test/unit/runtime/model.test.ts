import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildInferenceGraph } from '../../../src/models/inference-graph.ts';
import type { ModelFolder } from '../../../src/models/model-folder-file.ts';
import type { GenerateOptions, GenerationPiece } from '../../../src/runtime/generation.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { createModel, type Model } from '../../../src/runtime/model.ts';
import { createTokenScorer } from '../../../src/runtime/token-scorer.ts';
import { maxDifference } from '../../parity/random-weights.ts';

// Nothing here depends on what the bundled model writes, so that it can be trained anew.
const prompt = 'Once upon a time, there was a little';
const greedy: GenerateOptions = { temperature: 0, maxNewTokens: 24 };
const drawn: GenerateOptions = { temperature: 1, maxNewTokens: 24 };

let folder: ModelFolder;
let model: Model;
beforeAll(async () => {
  folder = await openModel('itera-lite-micro');
  model = await createModel(folder);
});
afterAll(() => model.release());

async function collect(pieces: AsyncIterable<GenerationPiece>) {
  const all: GenerationPiece[] = [];
  for await (const piece of pieces) all.push(piece);
  return {
    pieces: all,
    text: all.map(({ text }) => text).join(''),
    ids: all.map(({ tokenId }) => tokenId),
    logProbs: all.map(({ logProb }) => logProb),
    finish: all.at(-1)?.finish,
  };
}

const write = (start: string, options: GenerateOptions, by: Model = model) => collect(by.generate(start, options));

/** How many tokens two texts begin with in common. */
function commonLength(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length++;
  return length;
}

describe('generate', () => {
  it('writes the same text with the same seed, and others with others', async () => {
    const texts = await Promise.all([1, 1, 2, 3].map(async (seed) => (await write(prompt, { ...drawn, seed })).text));
    expect(texts[0]).toBe(texts[1]);
    expect(new Set(texts).size).toBe(3);
  });

  it('repeats a text that was drawn without a seed, with the one it tells', async () => {
    const first = await write(prompt, drawn);
    const again = await write(prompt, { ...drawn, seed: first.finish?.seed });
    expect(again.text).toBe(first.text);
  });

  it('writes the same text by a model that was loaded anew', async () => {
    const other = await createModel(folder, { threads: 2 });
    expect((await write(prompt, { ...drawn, seed: 5 }, other)).ids).toEqual(
      (await write(prompt, { ...drawn, seed: 5 })).ids,
    );
    await other.release();
  });

  it('tells how it ended and how many tokens there were', async () => {
    const { pieces, finish } = await write(prompt, greedy);
    expect(finish).toMatchObject({ promptTokens: model.tokenizer.encode(prompt).length + 1, newTokens: pieces.length });
    expect(pieces.map(({ index }) => index)).toEqual(pieces.map((_, index) => index));
    expect(pieces.slice(0, -1).every((piece) => piece.finish === undefined)).toBe(true);
  });

  it('ends after maxNewTokens', async () => {
    const { pieces, finish } = await write(prompt, { ...greedy, maxNewTokens: 3 });
    expect(pieces).toHaveLength(3);
    expect(finish).toMatchObject({ finishReason: 'length', newTokens: 3 });
  });

  it('ends before a stop string', async () => {
    const { text } = await write(prompt, greedy);
    const stop = text.slice(6, 12);
    const stopped = await write(prompt, { ...greedy, stop });
    expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(stopped.finish).toMatchObject({ finishReason: 'stop', stop });
  });

  it('takes the most likely token every time at temperature 0, by the word of score', async () => {
    const [{ id, logProb }] = (await write(prompt, { ...greedy, maxNewTokens: 1 })).pieces.map(
      ({ tokenId, logProb }) => ({ id: tokenId, logProb }),
    ) as [{ id: number; logProb: number }];
    const start = model.tokenizer.encode(prompt);
    // Tokens that the tokenizer would itself put behind the prompt, among them the one that was taken.
    const candidates = Array.from({ length: model.config.vocabSize }, (_, token) => token).filter((token) => {
      const ids = model.tokenizer.encode(prompt + model.tokenizer.decode([token]));
      return ids.length === start.length + 1 && ids.at(-1) === token && commonLength(ids, start) === start.length;
    });
    const tried = [...candidates.filter((_, index) => index % 8 === 0), ...candidates.filter((token) => token === id)];
    expect(tried.length).toBeGreaterThan(20);
    for (const token of tried) {
      const { logProbs } = await model.score(prompt + model.tokenizer.decode([token]));
      if (token === id) expect(logProbs.at(-1)).toBeCloseTo(logProb, 4);
      else expect(logProbs.at(-1)).toBeLessThan(logProb + 1e-4);
    }
  });

  it('tells probabilities that score confirms', async () => {
    const { text, ids, logProbs } = await write(prompt, greedy);
    const { tokenIds, logProbs: scored, totalLogProb } = await model.score(prompt + text);
    const start = model.tokenizer.encode(prompt).length;
    // The tokenizer may spell the new text in other tokens than the model drew; up to there all must agree.
    const agreed = commonLength(tokenIds.subarray(start), ids);
    expect(agreed).toBeGreaterThan(5);
    expect(maxDifference(scored.subarray(start, start + agreed), logProbs.slice(0, agreed))).toBeLessThan(1e-4);
    expect(totalLogProb).toBeCloseTo(
      scored.reduce((sum, value) => sum + value, 0),
      6,
    );
  });

  it('reads a prompt longer than its prefill takes at once to the same end', async () => {
    const long = 'The dog ran to the park and saw a bird. '.repeat(60);
    const ids = model.tokenizer.encode(long);
    expect(ids.length).toBeGreaterThan(520);
    const { pieces } = await write(long, { ...greedy, maxNewTokens: 1 });
    const scorer = await createTokenScorer(buildInferenceGraph(folder.config, folder.weights), folder.config);
    const [nats] = await scorer.score([Uint32Array.of(model.tokenizer.eosId, ...ids, pieces[0]?.tokenId as number)]);
    await scorer.release();
    expect(pieces[0]?.logProb).toBeCloseTo(-(nats?.at(-1) as number), 4);
  });

  it.each(['', '你好，世界', 'naïve café \u0301', '🙂👩‍👩‍👧', '\uFEFF\u0000', '<|endoftext|>'])(
    'goes on from %j in whole characters',
    async (start) => {
      const { pieces, finish } = await write(start, { ...drawn, seed: 4 });
      for (const { text } of pieces) expect(text).not.toMatch(/\p{Surrogate}/u);
      expect(finish?.promptTokens).toBe(model.tokenizer.encode(start).length + 1);
      expect(finish?.newTokens).toBe(pieces.length);
    },
  );

  it('takes the end-of-text mark in a prompt for the text it is', () => {
    expect(model.tokenizer.encode('<|endoftext|>').length).toBeGreaterThan(1);
  });

  it.each([
    ['half a character', '\ud83d', {}, 'TEXT_INVALID_UTF8'],
    ['no tokens', prompt, { maxNewTokens: 0 }, 'INVALID_ARGUMENT'],
    ['a negative temperature', prompt, { temperature: -1 }, 'INVALID_ARGUMENT'],
    ['an empty stop string', prompt, { stop: '' }, 'INVALID_ARGUMENT'],
    ['an aborted signal', prompt, { signal: AbortSignal.abort() }, 'ABORTED'],
  ] as const)('refuses %s', async (_, start, options, code) => {
    await expect(model.generate(start, options).next()).rejects.toMatchObject({ code });
  });

  it('stops when aborted between two pieces', async () => {
    const controller = new AbortController();
    const pieces = model.generate(prompt, { ...drawn, maxNewTokens: 1000, seed: 1, signal: controller.signal });
    expect((await pieces.next()).done).toBe(false);
    controller.abort();
    await expect(pieces.next()).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await pieces.next()).done).toBe(true);
  });

  it('can be left at any piece, and the model goes on to serve', async () => {
    const pieces = model.generate(prompt, { ...drawn, maxNewTokens: 1000, seed: 1 });
    for await (const { index } of pieces) if (index === 2) break;
    expect(await pieces.next()).toEqual({ done: true, value: undefined });
    expect((await write(prompt, greedy)).text).not.toBe('');
  });

  it('keeps texts apart that are written in turns by one model', async () => {
    const prompts = ['The cat', 'In the winter,', prompt];
    const alone = [];
    for (const [seed, start] of prompts.entries()) alone.push((await write(start, { ...drawn, seed })).ids);
    const together = await Promise.all([
      ...prompts.map(async (start, seed) => (await write(start, { ...drawn, seed })).ids),
      model.score(prompt),
      model.suggest(prompt),
    ]);
    expect(together.slice(0, prompts.length)).toEqual(alone);
  });
});

describe('score', () => {
  it('gives one probability for each token, and their sum', async () => {
    const { tokenIds, logProbs, totalLogProb } = await model.score('The dog sat.');
    expect(tokenIds).toEqual(model.tokenizer.encode('The dog sat.'));
    expect(logProbs).toHaveLength(tokenIds.length);
    for (const value of logProbs) expect(value).toBeLessThan(0);
    expect(totalLogProb).toBeCloseTo(
      logProbs.reduce((sum, value) => sum + value, 0),
      6,
    );
  });

  it('says of the beginning of a text what it says of that beginning alone', async () => {
    const text = `${prompt} girl. She had a red ball and a big dog.`;
    const whole = await model.score(text);
    for (const length of [1, 7, 20, text.length - 5]) {
      const beginning = await model.score(text.slice(0, length));
      const common = commonLength(beginning.tokenIds, whole.tokenIds);
      expect(maxDifference(beginning.logProbs.subarray(0, common), whole.logProbs.subarray(0, common))).toBeLessThan(
        1e-4,
      );
    }
    expect(commonLength((await model.score(prompt)).tokenIds, whole.tokenIds)).toBeGreaterThan(3);
  });

  it('prefers English to noise', async () => {
    const text = 'She was happy and went to play.';
    const { totalLogProb } = await model.score(text);
    expect(totalLogProb).toBeGreaterThan((await model.score([...text].reverse().join(''))).totalLogProb);
  });

  it.each([
    ['an empty text', '', {}, 'TEXT_EMPTY'],
    ['half a character', 'a\udc00', {}, 'TEXT_INVALID_UTF8'],
    ['an aborted signal', 'a', { signal: AbortSignal.abort() }, 'ABORTED'],
  ] as const)('refuses %s', async (_, text, options, code) => {
    await expect(model.score(text, options)).rejects.toMatchObject({ code });
  });

  it('reads a text of hundreds of thousands of tokens without its arguments overflowing the stack', async () => {
    const controller = new AbortController();
    const scored = model.score('a '.repeat(150_000), { signal: controller.signal });
    controller.abort();
    await expect(scored).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('suggest', () => {
  it.each(['', 'Once upon a ti', 'The dog ', 'She said', 'Hello,'])('gives whole words after %j', async (prefix) => {
    const found = await model.suggest(prefix, { count: 4 });
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThanOrEqual(4);
    for (const { text, probability, logProb } of found) {
      expect(text).toMatch(/^\s*([\p{L}\p{M}\p{N}'’]+|[^\p{L}\p{M}\p{N}\s]+)$/u);
      expect(probability).toBeGreaterThan(0);
      expect(probability).toBeLessThanOrEqual(1);
      expect(Math.exp(logProb)).toBeCloseTo(probability, 10);
    }
    expect(new Set(found.map(({ text }) => text)).size).toBe(found.length);
    expect(found).toEqual(found.toSorted((a, b) => b.logProb - a.logProb));
  });

  it('does not depend on what was typed before', async () => {
    const other = await createModel(folder);
    for (const prefix of ['T', 'The ', 'The do', 'The dog ra']) await other.suggest(prefix);
    const [typed, fresh] = [await other.suggest('The dog ran to'), await model.suggest('The dog ran to')];
    await other.release();
    expect(typed.map(({ text }) => text)).toEqual(fresh.map(({ text }) => text));
    expect(
      maxDifference(
        typed.map(({ logProb }) => logProb),
        fresh.map(({ logProb }) => logProb),
      ),
    ).toBeLessThan(1e-3);
  });

  it.each([
    ['half a character', '\ud83d', {}, 'TEXT_INVALID_UTF8'],
    ['no suggestions', 'a', { count: 0 }, 'INVALID_ARGUMENT'],
    ['an aborted signal', 'a', { signal: AbortSignal.abort() }, 'ABORTED'],
  ] as const)('refuses %s', async (_, prefix, options, code) => {
    await expect(model.suggest(prefix, options)).rejects.toMatchObject({ code });
  });
});

describe('a released model', () => {
  it('refuses all work, and to be released twice is no fault', async () => {
    const other = await createModel(folder);
    const pieces = other.generate(prompt, drawn);
    await pieces.next();
    await Promise.all([other.release(), other.release()]);
    await other.release();
    const refused = { code: 'RUNTIME_FAILED', message: expect.stringContaining('disposed') };
    await expect(pieces.next()).rejects.toMatchObject(refused);
    await expect(other.generate(prompt).next()).rejects.toMatchObject(refused);
    await expect(other.score(prompt)).rejects.toMatchObject(refused);
    await expect(other.suggest(prompt)).rejects.toMatchObject(refused);
  });
});

describe('createModel', () => {
  it.each([0, -1, 1.5, Number.NaN])('refuses %s threads', async (threads) => {
    await expect(createModel(folder, { threads })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
