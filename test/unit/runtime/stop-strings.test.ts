import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStopMatcher } from '../../../src/runtime/stop-strings.ts';

/** Feeds pieces until a stop string is found or the text ends. */
function runMatcher(stops: readonly string[], pieces: readonly string[]) {
  const matcher = createStopMatcher(stops);
  let text = '';
  for (const piece of pieces) {
    const found = matcher.push(piece);
    text += found.text;
    if (found.stop !== undefined) return { text: text + matcher.end(), stop: found.stop };
  }
  return { text: text + matcher.end(), stop: undefined };
}

/** The definition itself: read on character by character until some stop string ends here; the longest counts. */
function searchNaively(stops: readonly string[], text: string) {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length);
    if (ending[0] !== undefined) return { text: text.slice(0, end - ending[0].length), stop: ending[0] };
  }
  return { text, stop: undefined };
}

describe('createStopMatcher', () => {
  it('finds a stop string that lies across pieces', () => {
    expect(runMatcher(['\n\nQ:'], ['A: yes', '.\n', '\nQ', ': next'])).toEqual({ text: 'A: yes.', stop: '\n\nQ:' });
  });

  it('holds back exactly what may begin a stop string', () => {
    const matcher = createStopMatcher(['END']);
    expect(matcher.push('the E')).toEqual({ text: 'the ' });
    expect(matcher.push('N')).toEqual({ text: '' });
    expect(matcher.push('EN')).toEqual({ text: 'EN' });
    expect(matcher.push('d')).toEqual({ text: 'ENd' });
    expect(matcher.push('E')).toEqual({ text: '' });
    expect(matcher.end()).toBe('E');
    expect(matcher.end()).toBe('');
  });

  it('takes the one that is complete first, and of those the one that begins first', () => {
    expect(runMatcher(['abcd', 'bc'], ['xabcd'])).toEqual({ text: 'xa', stop: 'bc' });
    expect(runMatcher(['bc', 'abc'], ['xabcd'])).toEqual({ text: 'x', stop: 'abc' });
  });

  it('passes everything on at once when there are no stop strings', () => {
    const matcher = createStopMatcher([]);
    expect(matcher.push('text')).toEqual({ text: 'text' });
    expect(matcher.end()).toBe('');
  });

  it('agrees with a naive search of the whole text, however it is cut', () => {
    const letters = fc.constantFrom('a', 'b', 'é', '😀');
    const word = (minLength: number, maxLength: number) => fc.string({ unit: letters, minLength, maxLength });
    fc.assert(
      fc.property(fc.array(word(1, 4), { maxLength: 4 }), fc.array(word(0, 4), { maxLength: 12 }), (stops, pieces) => {
        expect(runMatcher(stops, pieces)).toEqual(searchNaively(stops, pieces.join('')));
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it('refuses stop strings that are empty or hold half a character', () => {
    for (const stop of ['', '\ud83d', 'a\ude00']) {
      expect(() => createStopMatcher(['ok', stop])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});
