import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDocumentSplitter, type SeparatorKind, splitDocuments } from '../../../src/data/documents.ts';

function textsOf(text: string, kind: SeparatorKind): string[] {
  return splitDocuments(text, kind).map((document) => document.text);
}

describe('documents separated by <|endoftext|>', () => {
  it.each([
    ['with a mark after the last', 'a\nb\n<|endoftext|>\nc\n<|endoftext|>\n', ['a\nb', 'c']],
    ['without a mark after the last', 'a\n<|endoftext|>\nb\n', ['a', 'b']],
    ['with blank lines and Windows line ends', '\r\na\r\nb\r\n\r\n<|endoftext|>\r\nc', ['a\r\nb', 'c']],
    ['with nothing between marks', '<|endoftext|>\n \n<|endoftext|>\na\n<|endoftext|>', ['a']],
    [
      'with a mark inside a line',
      'a <|endoftext|>\n<|endoftext|> b\n<|endoftext|>\nc',
      ['a <|endoftext|>\n<|endoftext|> b', 'c'],
    ],
    ['with spaces kept', ' a \n<|endoftext|>\n\tb\n', [' a ', '\tb']],
    ['without any mark, every byte kept', '\n a\n\n', ['\n a\n\n']],
    ['of white space only', ' \n\n', []],
    ['of nothing', '', []],
  ])('%s', (_, text, expected) => {
    expect(textsOf(text, 'endoftext')).toEqual(expected);
  });

  it('counts the bytes and words of the document itself', () => {
    expect(splitDocuments('é €\n<|endoftext|>\n🙂 a  b\n', 'endoftext')).toEqual([
      { text: 'é €', originalBytes: 6, originalWords: 2 },
      { text: '🙂 a  b', originalBytes: 9, originalWords: 3 },
    ]);
  });
});

const wiki = [
  ' ',
  ' = First = ',
  ' ',
  ' Some text , with a formula ',
  ' = 1 rad / s and k = ',
  ' more . ',
  ' ',
  ' = = Section = = ',
  ' ',
  ' End . ',
  ' ',
  ' = Second = ',
  ' ',
  ' Text . ',
  ' ',
  '',
].join('\n');

describe('WikiText', () => {
  it('takes as article what has a title between blank lines', () => {
    expect(textsOf(wiki, 'wikitext-articles')).toEqual([
      ' = First =\n\nSome text, with a formula\n= 1 rad / s and k =\nmore.\n\n== Section ==\n\nEnd.\n',
      ' = Second =\n\nText.\n\n',
    ]);
  });

  it('takes as page what has a line in the form of a title, as the harness does', () => {
    expect(textsOf(wiki, 'wikitext-pages').map((text) => text.slice(0, 12))).toEqual([
      ' = First =\n\n',
      ' = 1 rad / s',
      ' = Second =\n',
    ]);
  });

  it('divides by the bytes and words of the page as the file has it', () => {
    const page = ' = Second = \n \n Text . \n \n';
    const documents = splitDocuments(wiki, 'wikitext-articles');
    expect(documents[1]).toMatchObject({ originalBytes: page.length, originalWords: 7 });
  });

  it('keeps text before the first title and a title at the end', () => {
    expect(textsOf('before\n\n = A = ', 'wikitext-articles')).toEqual(['before\n\n= A = ']);
    expect(textsOf('before\n\n = A = ', 'wikitext-pages')).toEqual(['before\n', ' = A = ']);
    expect(textsOf(' = A = \n = B = \n\nb', 'wikitext-articles')).toEqual([' = A =\n= B =\n\nb']);
    expect(textsOf('', 'wikitext-pages')).toEqual([]);
  });
});

it.each<SeparatorKind>(['endoftext', 'wikitext-articles', 'wikitext-pages'])(
  'gives the same documents in whatever blocks the text arrives (%s)',
  (kind) => {
    const line = fc.constantFrom('<|endoftext|>', ' = T = ', '', ' ', 'text', '<|endoftext|>\r', ' = = S = = ');
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 20 }), (lines, size) => {
        const text = lines.join('\n');
        const splitter = createDocumentSplitter(kind);
        const documents = [];
        for (let start = 0; start < text.length; start += size) {
          documents.push(...splitter.push(text.slice(start, start + size)));
        }
        documents.push(...splitter.end());
        expect(documents).toEqual(splitDocuments(text, kind));
      }),
      { seed: 8 },
    );
  },
);

describe('a document longer than a part', () => {
  const line = 'A line of ordinary words that goes on for a while, café and all.\n';
  const long = line.repeat(40_000);

  it('is cut at line ends into parts that together are the text', () => {
    const parts = splitDocuments(long, 'endoftext');
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.map(({ text }) => text).join('')).toBe(long);
    for (const { text } of parts.slice(0, -1)) expect(text.endsWith('\n')).toBe(true);
    expect(Math.max(...parts.map(({ text }) => text.length))).toBeLessThanOrEqual(2 ** 20 + line.length);
  });

  it('keeps its neighbours apart', () => {
    const documents = splitDocuments(`first\n<|endoftext|>\n\n${long}\n<|endoftext|>\nlast\n`, 'endoftext');
    expect(documents.at(-1)?.text).toBe('last');
    expect(
      documents
        .slice(1, -1)
        .map(({ text }) => text)
        .join(''),
    ).toBe(long.trimEnd());
  });

  it('is cut at white space where one line is that long, never inside a character', () => {
    const words = splitDocuments('word '.repeat(500_000), 'endoftext');
    expect(words.map(({ text }) => text).join('')).toBe('word '.repeat(500_000));
    for (const { text } of words.slice(0, -1)) expect(text.endsWith(' ')).toBe(true);
    const solid = '😀'.repeat(1_100_001);
    const pieces = splitDocuments(`x${solid}`, 'endoftext');
    expect(pieces.map(({ text }) => text).join('')).toBe(`x${solid}`);
    for (const { text } of pieces) expect(Buffer.from(text).toString()).toBe(text);
  });

  it('does not let memory grow with the file', () => {
    const splitter = createDocumentSplitter('endoftext');
    let longest = 0;
    let total = 0;
    for (let block = 0; block < 2000; block++) {
      for (const { text } of splitter.push(line.repeat(500))) {
        longest = Math.max(longest, text.length);
        total += text.length;
      }
      // What is held back is what was pushed and not given out yet.
      expect((block + 1) * 500 * line.length - total).toBeLessThan(2 ** 20 + 500 * line.length);
    }
    expect(longest).toBeLessThanOrEqual(2 ** 20 + line.length);
  });
});
