import { describe, expect, it } from 'vitest';
import type { Engine, ModelState, TokenText } from '../../../src/runtime/engine.ts';
import { createSuggester, type SuggestOptions } from '../../../src/runtime/suggestion.ts';
import { createGreedyTokenizer, createTrigramEngine, logProbOf } from './trigram-engine.ts';

const text = createGreedyTokenizer(
  [
    ' Smith',
    ' Sm',
    'ith',
    ' Ms',
    ' Mr',
    'Dear',
    'Once',
    'On',
    'ce',
    ' upon',
    ' a',
    ' time',
    ' the',
    ' dog',
    ' s',
    'at',
  ].concat([' don', "'t", ' caf', 'é', '. ', '.\n', 'Lily', "'s", ' "', '."', ' isn', ' know', ' 😀', '...']),
);
const stories = [
  'Dear Ms Smith, the dog sat.',
  'Dear Ms Smithson, the dog sat.',
  'Dear Mr Sato. Once upon a time the dog sat.\nThe café is shut.',
  'Once upon a time, Once more, Only Once.',
  "I don't know. I don know. It isn't Lily's dog. Lily said \"No.\" 😀 Lily sat...",
];
/** The same words in other tokens, so that equal texts have several spellings. */
const otherSpellings = [
  'Dear| Ms| Sm|ith|, the',
  'On|ce| upon| a| t|ime',
  " do|n|'t| know",
  ' Ms| Smit|h|.',
  'The| caf|. ',
];
const spellings = [
  ...stories.map((story) => text.encode(story)),
  ...otherSpellings.map((parts) => parts.split('|').flatMap((part) => Array.from(text.encode(part)))),
];
const createEngine = () => createTrigramEngine(text.vocabSize, spellings);
/** Few tokens may follow each other here, so that all sequences can be tried. */
const createSparseEngine = () => createTrigramEngine(text.vocabSize, spellings, [0.8, 0.2, 0]);

const nearlyAll: SuggestOptions = { count: 40, beamWidth: 1000, pruneRatio: 1e-4 };

/**
 * Tries every sequence of tokens after `kept` whose bytes begin with the rest of the prefix, and groups them by the words
 * with which what they append begins, once these are seen to be over.
 */
async function enumerate(engine: Engine, kept: string, prefix: string, maxWords: number) {
  const encoder = new TextEncoder();
  const required = encoder.encode(prefix.slice(kept.length));
  const char = '[\\p{L}\\p{N}\\p{M}_]';
  const inner = `(?:['’]${char}+)*(?!['’]?${char})`;
  const word = `(?:\\s*${char}+${inner}|\\s*[^\\s\\p{L}\\p{N}\\p{M}_]+)`;
  const first = new RegExp(`${char}$`, 'u').test(prefix) ? `(?:['’]${char}+${inner}|${word})` : word;
  const wanted = new RegExp(`^${first}${word}{${maxWords - 1}}`, 'u');
  const fewer = new RegExp(`^${first}${word}{0,${maxWords - 1}}`, 'u');
  const found = new Map<string, number>();
  let total = 0;
  let missed = 0;
  const visit = async (state: ModelState | undefined, run: number[], bytes: number[], probability: number) => {
    const step = await engine.run(run, state);
    for (let id = 0; id < text.vocabSize; id++) {
      const next = probability * Math.exp(logProbOf(step.logits, id));
      if (next === 0) continue;
      const longer = [...bytes, ...text.tokenBytes(id)];
      if (!required.every((byte, index) => index >= longer.length || byte === longer[index])) continue;
      if (id === text.eosId && bytes.length < required.length) continue;
      if (bytes.length < required.length && longer.length >= required.length) total += next;
      const appended = new TextDecoder().decode(Uint8Array.from(longer.slice(required.length)));
      // Two characters after the words decide even about an apostrophe.
      const match = (id === text.eosId ? fewer : wanted).exec(appended)?.[0];
      const isOver = id === text.eosId || (match !== undefined && [...appended.slice(match.length)].length >= 2);
      if (isOver && match !== undefined) found.set(match, (found.get(match) ?? 0) + next);
      else if (!isOver && next > 1e-6) await visit(step.state, [id], longer, next);
      else if (!isOver) missed += next;
    }
  };
  await visit(undefined, [text.eosId, ...Array.from(text.encode(kept))], [], 1);
  const condition = required.length === 0 ? 1 : total;
  const words = [...found].map(([word, p]) => ({ word, p: p / condition }));
  return { words: words.sort((a, b) => b.p - a.p), missed: missed / condition };
}

describe('suggest', () => {
  it.each([
    { prefix: 'Onc', kept: '', maxWords: 1 },
    { prefix: 'Dear Ms', kept: 'Dear', maxWords: 1 },
    { prefix: 'Dear Ms ', kept: 'Dear Ms', maxWords: 1 },
    { prefix: 'Dear Ms S', kept: 'Dear Ms', maxWords: 1 },
    { prefix: 'I don', kept: 'I', maxWords: 1 },
    { prefix: "I don'", kept: 'I', maxWords: 1 },
    { prefix: 'The caf', kept: 'The', maxWords: 1 },
    { prefix: 'Dear Ms', kept: 'Dear', maxWords: 2 },
  ])('agrees with enumerating all sequences after $prefix, $maxWords words', async ({ prefix, kept, maxWords }) => {
    const { words, missed } = await enumerate(createSparseEngine(), kept, prefix, maxWords);
    const got = await createSuggester(createSparseEngine(), text).suggest(prefix, { ...nearlyAll, maxWords });
    expect(missed).toBeLessThan(2e-3);
    const likely = words.filter(({ p }) => p > 0.005);
    expect(likely.length).toBeGreaterThan(0);
    for (const { word, p } of likely) {
      const probability = got.find((suggestion) => suggestion.text === word)?.probability ?? 0;
      expect(probability, JSON.stringify(word)).toBeGreaterThan(p - 1e-4);
      expect(probability, JSON.stringify(word)).toBeLessThan(p + missed + 1e-4);
    }
  });

  const plainly = async (prefix: string, options?: SuggestOptions) =>
    (await createSuggester(createEngine(), text).suggest(prefix, options)).map((suggestion) => suggestion.text);

  it('completes the word at the end of the prefix, whatever tokens it was typed in', async () => {
    // ` Onc` has no token: without healing, the model would have to go on from ` `, `O`, `n`, `c`, which it never saw.
    expect((await plainly('Onc'))[0]).toBe('e');
    expect((await plainly('Dear Ms Smi'))[0]).toBe('th');
    expect((await plainly('Dear Ms '))[0]).toBe('Smith');
    expect((await plainly('Dear Ms'))[0]).toBe(' Smith');
    expect((await plainly("It isn'"))[0]).toBe('t');
    expect((await plainly('Once upon a', { maxWords: 3 }))[0]).toBe(' time the dog');
  });

  it('begins a text where there is no prefix', async () => {
    expect((await plainly('', { count: 5 })).sort()).toEqual(expect.arrayContaining(['Dear', 'I', 'Once']));
  });

  it('offers punctuation as a word of its own', async () => {
    expect((await plainly('the dog sat', { count: 2 })).sort()).toEqual(['.', '...']);
  });

  it('with its defaults finds what a thorough search finds', async () => {
    for (const prefix of ['Dear Ms', 'Onc', 'I ', 'The dog', 'Dear Ms Smith, the', 'xyz S']) {
      const thorough = { count: 3, beamWidth: 50, pruneRatio: 0.01 };
      const expected = await createSuggester(createEngine(), text).suggest(prefix, thorough);
      const got = await createSuggester(createEngine(), text).suggest(prefix);
      expect(got.length).toBe(3);
      for (const [rank, { text: words, probability }] of expected.entries()) {
        // Below this the texts are babble of one probability.
        if (probability < 0.03) continue;
        expect(got[rank]?.text).toBe(words);
        const ratio = (got[rank]?.probability ?? 0) / probability;
        expect(ratio).toBeGreaterThan(0.9);
        expect(ratio).toBeLessThan(1.02);
      }
    }
  });

  it('gives distinct texts, most likely first, none blank or with white space after it', async () => {
    for (const prefix of ['', 'D', 'Dear', 'Dear ', 'The dog sat.', 'Lily', 'é', '😀', '  \n ']) {
      const got = await createSuggester(createEngine(), text).suggest(prefix, { count: 20, maxWords: 2 });
      expect(new Set(got.map((suggestion) => suggestion.text)).size).toBe(got.length);
      expect(got.map(({ probability }) => probability)).toEqual(
        got.map(({ probability }) => probability).sort((a, b) => b - a),
      );
      for (const { text: words, logProb, probability } of got) {
        expect(words).toMatch(/\S$/);
        expect(probability).toBeGreaterThan(0);
        expect(probability).toBe(Math.exp(logProb));
      }
      expect(got.reduce((sum, { probability }) => sum + probability, 0)).toBeLessThan(1 + 1e-9);
    }
  });

  it('spells characters that tokens cut, before and after the cursor', async () => {
    const bytes = createGreedyTokenizer([]);
    const engine = createTrigramEngine(
      bytes.vocabSize,
      ['naïve 😀', 'naïf 😃'].map((story) => bytes.encode(story)),
      [1, 0, 0],
    );
    const suggester = createSuggester(engine, bytes);
    const textsAfter = async (prefix: string, options: SuggestOptions = {}) =>
      (await suggester.suggest(prefix, { maxTokens: 20, ...options })).map((suggestion) => suggestion.text);
    expect(await textsAfter('na')).toEqual(['ïf', 'ïve']);
    expect(await textsAfter('naïv')).toEqual(['e']);
    expect(await textsAfter('naïve')).toEqual([' 😀', ' 😃']);
    // `ve` takes two tokens.
    expect(await textsAfter('naï', { maxTokens: 1 })).toEqual(['f']);
  });

  it('ends a word at the end of the text', async () => {
    const engine = createTrigramEngine(text.vocabSize, [text.encode('Dear dog')], [1, 0, 0]);
    const suggester = createSuggester(engine, text);
    expect(await suggester.suggest('Dear')).toEqual([{ text: ' dog', logProb: 0, probability: 1 }]);
    expect(await suggester.suggest('Dear', { maxWords: 5 })).toMatchObject([{ text: ' dog' }]);
    expect(await suggester.suggest('Dear dog')).toEqual([]);
  });

  it('has no suggestion after a beginning that the model holds impossible', async () => {
    expect(await createSuggester(createEngine(), text).suggest('QQQ')).toEqual([]);
  });

  it('follows the own spelling of the prefix, however unlikely it begins', async () => {
    const small = createGreedyTokenizer([' M']);
    const bytewise = createGreedyTokenizer([]);
    const common = Array.from({ length: 9 }, () => bytewise.encode('x z'));
    const engine = createTrigramEngine(small.vocabSize, [...common, small.encode('x Muh')], [1, 0, 0]);
    const got = await createSuggester(engine, small).suggest('x Mu', { beamWidth: 1 });
    expect(got).toMatchObject([{ text: 'h', probability: 1 }]);
  });

  it('works without healing on a tokenizer that does not keep the bytes', async () => {
    const lowering: TokenText = { ...text, encode: (words) => text.encode(words.replace('DEAR', 'Dear')) };
    const got = await createSuggester(createEngine(), lowering).suggest('DEAR', { count: 2 });
    expect(got.map((suggestion) => suggestion.text)).toEqual([' Ms', ' Mr']);
  });

  describe('between keystrokes', () => {
    const letter = 'Dear Ms Smith, the dog sat. Once upon a time the dog sat. ';
    const longPrompt = letter.repeat(20);

    it('does not run the prompt again, and gives what a new suggester gives', async () => {
      const engine = createEngine();
      const suggester = createSuggester(engine, text);
      const promptTokens = text.encode(longPrompt).length;
      for (const typed of ['D', 'De', 'Dea', 'Dear', 'Dear ', 'Dear M', 'Dear Ms', 'Dear Ms ', 'Dear Ms S', 'Dear M']) {
        const before = suggester.tokensRun;
        const runsBefore = engine.runs.length;
        const got = await suggester.suggest(longPrompt + typed);
        const ran = suggester.tokensRun - before;
        if (typed === 'D') expect(ran).toBeGreaterThan(promptTokens);
        else expect(ran).toBeLessThan(promptTokens / 2);
        // What is run are single tokens of the search, and at most the last word typed.
        if (typed !== 'D') for (const run of engine.runs.slice(runsBefore)) expect(run.length).toBeLessThan(6);
        expect(ran).toBe(engine.runs.slice(runsBefore).reduce((sum, run) => sum + run.length, 0));
        expect(got).toEqual(await createSuggester(createEngine(), text).suggest(longPrompt + typed));
      }
    });

    it('answers the same prefix again from the state after it', async () => {
      const engine = createEngine();
      const suggester = createSuggester(engine, text);
      await suggester.suggest(`${longPrompt}Dear M`);
      const runs = engine.runs.length;
      await suggester.suggest(`${longPrompt}Dear M`);
      expect(engine.runs.slice(runs).every((run) => run.length === 1)).toBe(true);
    });
  });

  it('stops within one token when aborted, and can be asked again', async () => {
    const controller = new AbortController();
    const inner = createEngine();
    const engine: Engine = {
      vocabSize: inner.vocabSize,
      run(tokens, state) {
        if (inner.runs.length === 2) controller.abort();
        return inner.run(tokens, state);
      },
    };
    const suggester = createSuggester(engine, text);
    const aborted = suggester.suggest('Dear Ms', { signal: controller.signal });
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    expect(inner.runs.length).toBe(3);
    await expect(suggester.suggest('', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(inner.runs.length).toBe(3);
    expect((await suggester.suggest('Dear Ms'))[0]?.text).toBe(' Smith');
  });

  it('refuses options out of range and a foreign tokenizer', async () => {
    const suggester = createSuggester(createEngine(), text);
    for (const options of [{ count: 0 }, { maxWords: 1.5 }, { maxTokens: -1 }, { beamWidth: 0 }, { pruneRatio: 2 }]) {
      await expect(suggester.suggest('Dear', options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    const mismatch = expect.objectContaining({ code: 'TOKENIZER_MISMATCH' });
    expect(() => createSuggester(createEngine(), createGreedyTokenizer([]))).toThrow(mismatch);
    expect(suggester.tokensRun).toBe(0);
  });
});
