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
