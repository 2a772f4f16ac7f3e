import { readFileSync } from 'node:fs';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { trainBpe } from '../../../src/text/bpe-trainer.ts';
import { type MergeTable, mergeBytes, pairKey } from '../../../src/text/fast-encoder.ts';
import { forEachPiece } from '../../../src/text/pre-tokenizer.ts';
import { createTokenizer, type Tokenizer } from '../../../src/text/tokenizer.ts';
import { unicodeText } from './text-arbitraries.ts';

interface RustFixture {
  texts: string[];
  cases: { text: string; ids: number[] }[];
}

const fixture = JSON.parse(readFileSync(new URL('rust-fixture.json', import.meta.url), 'utf8')) as RustFixture;
let tokenizer: Tokenizer;
let library: LibraryTokenizer;

beforeAll(async () => {
  const { tokenizerJson, tokenizerConfig } = await trainBpe(fixture.texts, { vocabSize: 300 });
  tokenizer = createTokenizer(tokenizerJson, tokenizerConfig);
  library = new LibraryTokenizer({ ...tokenizerJson, added_tokens: [] }, tokenizerConfig);
});

describe('the fast encoder', () => {
  it('gives the identifiers of the library', () => {
    fc.assert(
      fc.property(unicodeText, (text) => {
        expect(Array.from(tokenizer.encode(text))).toEqual(library.encode(text, { add_special_tokens: false }).ids);
      }),
      { seed: 4, numRuns: 1000 },
    );
  });

  it('gives the identifiers of the Rust tokenizer', () => {
    for (const { text, ids } of fixture.cases) expect(Array.from(tokenizer.encode(text))).toEqual(ids);
  });

  it('gives the same whether a piece is short, long, seen before or not', () => {
    for (const length of [47, 48, 49, 50, 64, 65, 1000]) {
      const text = 'ab'.repeat(length).slice(0, length);
      const expected = library.encode(text, { add_special_tokens: false }).ids;
      expect(Array.from(tokenizer.encode(text))).toEqual(expected);
      expect(Array.from(tokenizer.encode(text))).toEqual(expected);
    }
  });

  it('is done soon with a piece of a million letters', () => {
    const text = 'a'.repeat(1_000_000);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });
});

describe('mergeBytes', () => {
  it('takes the lowest rank first, then the leftmost', () => {
    const table: MergeTable = {
      byteIds: Array.from({ length: 256 }, (_, byte) => byte),
      merges: new Map([
        [pairKey(1, 2), { rank: 1, id: 300 }],
        [pairKey(2, 3), { rank: 0, id: 301 }],
        [pairKey(1, 1), { rank: 2, id: 302 }],
        [pairKey(300, 301), { rank: 3, id: 303 }],
      ]),
    };
    expect(mergeBytes(Uint8Array.of(1, 2, 3), table)).toEqual([1, 301]);
    expect(mergeBytes(Uint8Array.of(1, 2, 2, 3), table)).toEqual([303]);
    expect(mergeBytes(Uint8Array.of(1, 1, 1), table)).toEqual([302, 1]);
    const long = Uint8Array.from({ length: 99 }, () => 1);
    expect(mergeBytes(long, table)).toEqual([...new Array<number>(49).fill(302), 1]);
  });
});

describe('forEachPiece', () => {
  function cut(text: string): string[] {
    const pieces: string[] = [];
    forEachPiece(text, (piece) => pieces.push(piece));
    return pieces;
  }

  it('lets digits stand alone and words keep their space', () => {
    expect(cut("It's  24 km, she'll run…\n\n 3")).toEqual([
      'It',
      "'s",
      '  ',
      '2',
      '4',
      ' km',
      ',',
      ' she',
      "'ll",
      ' run',
      '…',
      '\n\n ',
      '3',
    ]);
  });

  it('loses nothing', () => {
    fc.assert(
      fc.property(unicodeText, (text) => {
        expect(cut(text).join('')).toBe(text);
      }),
      { seed: 5 },
    );
  });

  it('may be used within itself', () => {
    const seen: string[] = [];
    forEachPiece('a b', (piece) => {
      seen.push(piece, ...cut('x y z'));
    });
    expect(seen).toEqual(['a', 'x', ' y', ' z', ' b', 'x', ' y', ' z']);
  });
});
