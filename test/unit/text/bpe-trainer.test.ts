import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { trainBpe } from '../../../src/text/bpe-trainer.ts';

interface TokenizerFile {
  added_tokens: { id: number; content: string; special: boolean }[];
  model: { vocab: Record<string, number>; merges: string[] };
}

interface RustFixture {
  texts: string[];
  merges: string[];
}

const fixture = JSON.parse(readFileSync(new URL('rust-fixture.json', import.meta.url), 'utf8')) as RustFixture;

async function trainMerges(texts: string[], vocabSize: number, minFrequency = 1): Promise<string[]> {
  const { tokenizerJson } = await trainBpe(texts, { vocabSize, minFrequency });
  return (tokenizerJson as unknown as TokenizerFile).model.merges;
}

describe('trainBpe', () => {
  it('merges as worked out by hand', async () => {
    // low 5 times, lower 2, newest 6, widest 3, each with a space before: the example of Sennrich et al. 2016.
    // "e s" and "es t" 9 times; then "l o", "o w" and "Ġ l" 7 times: "l" has the lowest identifier. Then "Ġ lo" and "lo w":
    // "Ġ" is a byte and comes before the merged "lo".
    const text = ' low'.repeat(5) + ' lower'.repeat(2) + ' newest'.repeat(6) + ' widest'.repeat(3);
    expect(await trainMerges([text], 257 + 5)).toEqual(['e s', 'es t', 'l o', 'Ġ lo', 'Ġlo w']);
  });

  it('never merges across words, digits or documents', async () => {
    expect(await trainMerges(['a1a1a1a1', 'x', 'y', 'x', 'y', '22222', '. a. a. a'], 400)).toEqual(['Ġ a']);
  });

  it('counts a run of one letter without overlap trouble', async () => {
    // "aaaa" has three pairs; after "a a" it is [aa, aa].
    expect(await trainMerges(['aaaa'], 400)).toEqual(['a a', 'aa aa']);
  });

  it('gives the merges of the Rust trainer', async () => {
    expect(await trainMerges(fixture.texts, 300, 2)).toEqual(fixture.merges);
  });

  it('puts the mark first, then the bytes, then merges, as added token and vocabulary agree', async () => {
    const { tokenizerJson, tokenizerConfig, vocabSize } = await trainBpe(['low low low'], { vocabSize: 259 });
    const file = tokenizerJson as unknown as TokenizerFile;
    expect(vocabSize).toBe(259);
    expect(file.added_tokens).toMatchObject([{ id: 0, content: '<|endoftext|>', special: true }]);
    expect(file.model.vocab).toMatchObject({ '<|endoftext|>': 0, '!': 1, Ń: 256, lo: 257, low: 258 });
    // JavaScript lists keys that look like numbers first; their order in the file means nothing.
    expect(Object.values(file.model.vocab).sort((first, second) => first - second)).toEqual(
      Array.from({ length: 259 }, (_, id) => id),
    );
    expect(tokenizerConfig).toMatchObject({
      tokenizer_class: 'PreTrainedTokenizerFast',
      eos_token: '<|endoftext|>',
      bos_token: '<|endoftext|>',
      pad_token: '<|endoftext|>',
      clean_up_tokenization_spaces: false,
    });
  });

  it('stops early when no pair is frequent enough', async () => {
    expect((await trainBpe(['ab ab cd'], { vocabSize: 1000 })).vocabSize).toBe(258);
  });

  it('never makes a special token out of text', async () => {
    const { tokenizerJson } = await trainBpe(['END END END'], { vocabSize: 400, specialTokens: ['END'] });
    const { model } = tokenizerJson as unknown as TokenizerFile;
    expect(model.vocab['END']).toBe(0);
    expect(model.merges).not.toContain('EN D');
  });

  it('depends on the texts only, not on how they arrive', async () => {
    async function* arrive() {
      yield* fixture.texts;
    }
    const first = await trainBpe(fixture.texts, { vocabSize: 300 });
    const second = await trainBpe(arrive(), { vocabSize: 300 });
    expect(JSON.stringify(second)).toBe(JSON.stringify(first));
  });

  it('tells when it is done and stops when told', async () => {
    const progress: unknown[] = [];
    await trainBpe(['ab ab'], { vocabSize: 1000, onProgress: (step) => progress.push(step) });
    expect(progress.at(-1)).toEqual({ phase: 'merging', done: 258, total: 258 });
    const signal = AbortSignal.abort();
    await expect(trainBpe(['ab ab'], { vocabSize: 1000, signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it.each([
    ['no text', [], { vocabSize: 300 }, 'TEXT_EMPTY'],
    ['empty texts', ['', ''], { vocabSize: 300 }, 'TEXT_EMPTY'],
    ['a lone surrogate', ['a\uD800'], { vocabSize: 300 }, 'TEXT_INVALID_UTF8'],
    ['fewer tokens than bytes', ['a'], { vocabSize: 256 }, 'INVALID_ARGUMENT'],
    ['half a token', ['a'], { vocabSize: 300.5 }, 'INVALID_ARGUMENT'],
    ['a special token that is a byte', ['a'], { vocabSize: 300, specialTokens: ['a'] }, 'INVALID_ARGUMENT'],
    ['a special token twice', ['a'], { vocabSize: 300, specialTokens: ['<s>', '<s>'] }, 'INVALID_ARGUMENT'],
    ['no special token', ['a'], { vocabSize: 300, specialTokens: [] }, 'INVALID_ARGUMENT'],
    ['a frequency of zero', ['a'], { vocabSize: 300, minFrequency: 0 }, 'INVALID_ARGUMENT'],
  ])('refuses %s', async (_, texts, options, code) => {
    await expect(trainBpe(texts, options)).rejects.toMatchObject({ code });
  });
});
