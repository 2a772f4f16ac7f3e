import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/runtime/engine.ts';
import { type GenerateOptions, type GenerationPiece, generate } from '../../../src/runtime/generation.ts';
import { createGreedyTokenizer, createTrigramEngine, logProbOf } from './trigram-engine.ts';

const text = createGreedyTokenizer([' the', ' cat', ' dog', ' sat', 'The', ' and', ' ran', 'é', ' caf', '😀']);
const stories = ['The cat sat and the dog ran.', 'The dog sat and the cat ran to the café 😀.', 'The café ran 😀😀.'];
const createEngine = () =>
  createTrigramEngine(
    text.vocabSize,
    stories.map((story) => text.encode(story)),
  );

async function collect(engine: Engine, prompt: string, options: GenerateOptions) {
  const pieces: GenerationPiece[] = [];
  for await (const piece of generate(engine, text, prompt, options)) pieces.push(piece);
  return { pieces, text: pieces.map((piece) => piece.text).join(''), finish: pieces.at(-1)?.finish };
}

/** An engine that says a fixed sequence of tokens, each with certainty. */
function createScriptedEngine(script: readonly number[]): Engine {
  return {
    vocabSize: text.vocabSize,
    async run(_, state) {
      const { said } = (state as { said: number } | undefined) ?? { said: 0 };
      const logits = new Float32Array(text.vocabSize).fill(-1000);
      logits[script[said] ?? text.eosId] = 0;
      return { logits, state: { said: said + 1 } };
    },
  };
}

const splitIntoBytes = (words: string) => [...new TextEncoder().encode(words)].map((byte) => byte + 1);

describe('generate', () => {
  it('at temperature 0 takes the most likely token each time and states its probability', async () => {
    const { pieces, finish } = await collect(createEngine(), 'The', { temperature: 0, maxNewTokens: 12 });
    const engine = createEngine();
    let context = [text.eosId, ...Array.from(text.encode('The'))];
    for (const [index, piece] of pieces.entries()) {
      const { logits } = await engine.run(context);
      const best = logits.indexOf(Math.max(...logits));
      expect(piece.tokenId).toBe(best);
      expect(piece.logProb).toBeCloseTo(logProbOf(logits, best), 5);
      expect(piece.index).toBe(index);
      context = [...context, best];
    }
    expect(finish?.newTokens).toBe(pieces.length);
  });

  it('runs end-of-text and prompt once, then each new token but the last', async () => {
    const engine = createEngine();
    const { pieces } = await collect(engine, 'The cat', { seed: 2, maxNewTokens: 5 });
    const drawn = pieces.map((piece) => [piece.tokenId]);
    expect(engine.runs).toEqual([[text.eosId, ...Array.from(text.encode('The cat'))], ...drawn.slice(0, -1)]);
  });

  it('begins an empty prompt with end-of-text alone', async () => {
    const engine = createEngine();
    const { text: story, finish } = await collect(engine, '', { temperature: 0, maxNewTokens: 3 });
    expect(engine.runs[0]).toEqual([text.eosId]);
    expect(story.startsWith('The')).toBe(true);
    expect(finish?.promptTokens).toBe(1);
  });

  it('gives the text of its tokens, repeats with its seed, and returns what the last piece says', async () => {
    const first = await collect(createEngine(), 'The', { maxNewTokens: 30 });
    const ids = first.pieces.map((piece) => piece.tokenId);
    const isCut = first.finish?.finishReason === 'length';
    expect(isCut ? text.decode(ids).startsWith(first.text) : text.decode(ids) === first.text).toBe(true);
    expect(first.pieces.slice(0, -1).every((piece) => piece.finish === undefined)).toBe(true);
    const again = await collect(createEngine(), 'The', { maxNewTokens: 30, seed: first.finish?.seed });
    expect(again).toEqual(first);

    const pieces = generate(createEngine(), text, 'The', { maxNewTokens: 2, seed: 4 });
    await pieces.next();
    const last = (await pieces.next()).value as GenerationPiece;
    expect(await pieces.next()).toEqual({ done: true, value: last.finish });
    expect(last.finish).toEqual({ finishReason: 'length', promptTokens: 2, newTokens: 2, seed: 4 });
  });

  it('ends at end-of-text, counting that token', async () => {
    const script = Array.from(text.encode(' cat sat'));
    const { pieces, text: story, finish } = await collect(createScriptedEngine(script), 'The', { seed: 1 });
    expect(story).toBe(' cat sat');
    expect(pieces.at(-1)).toMatchObject({ tokenId: text.eosId, text: '' });
    expect(finish).toMatchObject({ finishReason: 'endOfText', newTokens: 3 });
  });

  it('gives whole characters where a token ends inside one', async () => {
    const engine = createScriptedEngine(splitIntoBytes('a😀é'));
    const { pieces, text: story } = await collect(engine, '', { seed: 1 });
    expect(pieces.map((piece) => piece.text)).toEqual(['a', '', '', '', '😀', '', 'é', '']);
    expect(story).toBe('a😀é');
  });

  it('leaves out a character that the length cuts, but not bytes that never become one', async () => {
    const cut = await collect(createScriptedEngine(splitIntoBytes('a😀')), '', { seed: 1, maxNewTokens: 3 });
    expect(cut.text).toBe('a');
    expect(cut.finish?.finishReason).toBe('length');
    const ended = await collect(createScriptedEngine(splitIntoBytes('a😀').slice(0, 3)), '', { seed: 1 });
    expect(ended.text).toBe('a\ufffd');
  });

  it('cuts at a stop string across tokens and says which', async () => {
    const engine = createScriptedEngine(Array.from(text.encode(' cat sat and the dog')));
    const { pieces, text: story, finish } = await collect(engine, 'The', { stop: ['t a', 'nowhere'], seed: 1 });
    expect(story).toBe(' cat sa');
    expect(pieces.map((piece) => piece.text)).toEqual([' ca', 't sa', '']);
    expect(finish).toMatchObject({ finishReason: 'stop', stop: 't a', newTokens: 3 });
    const alone = await collect(createScriptedEngine(splitIntoBytes('ab')), '', { stop: 'a', seed: 1 });
    expect(alone).toMatchObject({ text: '', finish: { finishReason: 'stop', newTokens: 1 } });
  });

  it('gives out at the end what was held back for a stop string that never came', async () => {
    const engine = createScriptedEngine(splitIntoBytes('abE'));
    expect((await collect(engine, '', { stop: 'END', seed: 1 })).text).toBe('abE');
    expect((await collect(engine, '', { stop: 'END', seed: 1, maxNewTokens: 3 })).text).toBe('abE');
  });

  it('counts prompt and new tokens for the repetition penalty', async () => {
    const options = { temperature: 0, repetitionPenalty: 1e6, maxNewTokens: 6 };
    const { pieces } = await collect(createEngine(), 'The', options);
    const ids = [...Array.from(text.encode('The')), ...pieces.map((piece) => piece.tokenId)];
    expect(pieces.length).toBeGreaterThan(2);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('stops within one token when aborted, and runs nothing more', async () => {
    const engine = createEngine();
    const controller = new AbortController();
    const drain = async () => {
      for await (const piece of generate(engine, text, 'The', { seed: 3, signal: controller.signal })) {
        if (piece.index === 1) controller.abort(new Error('enough'));
      }
    };
    await expect(drain()).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } });
    expect(engine.runs.length).toBe(2);

    const aborted = generate(engine, text, 'The', { signal: AbortSignal.abort() });
    await expect(aborted.next()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(engine.runs.length).toBe(2);
  });

  it('gives no piece when aborted while the model runs', async () => {
    const controller = new AbortController();
    const inner = createEngine();
    const engine: Engine = {
      vocabSize: inner.vocabSize,
      run(tokens, state) {
        controller.abort();
        return inner.run(tokens, state);
      },
    };
    const pieces = generate(engine, text, 'The', { signal: controller.signal });
    await expect(pieces.next()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await pieces.next()).toEqual({ done: true, value: undefined });
  });

  it('leaves nothing running when the loop is left', async () => {
    const engine = createEngine();
    for await (const piece of generate(engine, text, 'The', { seed: 3 })) if (piece.index === 1) break;
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(engine.runs.length).toBe(2);
  });

  it('refuses bad options and a foreign tokenizer before running anything', async () => {
    const engine = createEngine();
    for (const options of [{ maxNewTokens: 0 }, { maxNewTokens: 1.5 }, { temperature: -1 }, { stop: '' }]) {
      const pieces = generate(engine, text, 'The', options);
      await expect(pieces.next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    const foreign = generate(engine, createGreedyTokenizer([]), 'The');
    await expect(foreign.next()).rejects.toMatchObject({ code: 'TOKENIZER_MISMATCH' });
    expect(engine.runs).toEqual([]);
  });
});
