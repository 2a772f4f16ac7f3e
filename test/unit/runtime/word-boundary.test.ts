import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { finishWords, readWords, startPlace } from '../../../src/runtime/word-boundary.ts';

/** The words with which a text begins once they are over; undefined if they may go on. */
function firstWords(prefix: string, text: string, words = 1): string | undefined {
  const step = readWords(startPlace(prefix, words), text);
  return 'end' in step ? text.slice(0, step.end) : undefined;
}

describe('readWords', () => {
  it.each([
    ['', 'the dog', 'the'],
    ['Dear', ' Ms Smith', ' Ms'],
    ['Dear ', 'Ms.', 'Ms'],
    ['Onc', 'e upon', 'e'],
    ['sat', '. The', '.'],
    ['said', ', "No', ','],
    ['said,', ' "No', ' "'],
    ['end.', '\n\nThe next', '\n\nThe'],
    ['', "don't know", "don't"],
    ['don', "'t know", "'t"],
    ["don'", 't know', 't'],
    ['dogs', "' tails", "'"],
    ['the ', "dogs' tails", 'dogs'],
    ['', 'l’été est', 'l’été'],
    ['pi is ', '3.14 ', '3'],
    ['I ', '❤️ it', '❤️'],
    ['cafe', '\u0301 is', '\u0301'],
    ['', 'snake_case ', 'snake_case'],
  ])('after %j reads %j as %j', (prefix, text, word) => {
    expect(firstWords(prefix, text)).toBe(word);
  });

  it('does not know a word to be over before what follows it', () => {
    for (const text of ['', ' ', 'dog', ' dog', "dog'", '...', "dog's"]) expect(firstWords('', text)).toBeUndefined();
  });

  it('counts several words, the apostrophe that belongs to none among them', () => {
    expect(firstWords('', 'the dog, the', 2)).toBe('the dog');
    expect(firstWords('', 'the dog, the', 3)).toBe('the dog,');
    expect(firstWords('', "dogs' tails", 2)).toBe("dogs'");
  });

  it('reads in pieces as it reads at once', () => {
    const characters = fc.constantFrom('a', 'é', "'", '’', ' ', '\n', '.', '😀', '7', '\u0301', '\ufe0f');
    const text = fc.string({ unit: characters, maxLength: 12 });
    fc.assert(
      fc.property(
        fc.constantFrom('', 'a', 'a '),
        fc.array(text),
        fc.integer({ min: 1, max: 4 }),
        (prefix, pieces, words) => {
          let place = startPlace(prefix, words);
          let read = '';
          let inPieces: string | undefined;
          for (const piece of pieces) {
            const step = readWords(place, piece);
            if ('end' in step) {
              inPieces = (read + piece).slice(0, read.length + step.end);
              break;
            }
            place = step.place;
            read += piece;
          }
          expect(inPieces).toBe(firstWords(prefix, pieces.join(''), words));
        },
      ),
      { seed: 1, numRuns: 1000 },
    );
  });
});

describe('finishWords', () => {
  it('takes what there is, without loose ends', () => {
    const finish = (text: string, words = 1) => {
      const step = readWords(startPlace('', words), text);
      return 'place' in step ? finishWords(step.place, text) : undefined;
    };
    expect(finish('dog')).toBe('dog');
    expect(finish("dogs'")).toBe('dogs');
    expect(finish("dogs'", 2)).toBe("dogs'");
    expect(finish('dog. \n', 3)).toBe('dog.');
    expect(finish(' \n')).toBe('');
  });
});
