import { describe, expect, it } from 'vitest';
import { countWords, detokeniseWikiText, isTitleLine } from '../../../src/data/wikitext-page.ts';

/** Expected texts and word counts computed by the harness's own rules in Python 3.11. */
const pages: [string, string, number][] = [
  [
    'It was a guest @-@ starring role , in 2 @,@ 000 of 3 @.@ 5 ; he said : yes ! no ? ok . end',
    'It was a guest-starring role, in 2,000 of 3.5; he said: yes! no? ok. end',
    27,
  ],
  [
    'Craig " in the episode " Teddy \'s Story " of ( a , b ) and [ c ] and { d }',
    'Craig "in the episode" Teddy\'s Story " of (a, b) and [c] and {d}',
    24,
  ],
  [
    " = = = Early life = = = \n \n He ' quoted ' it ; the boys ' 's 20 ° N of it \n x",
    " === Early life ===\n\nHe 'quoted' it; the boys''s 20°N of it\nx",
    25,
  ],
  ['( unclosed and " odd', '( unclosed and " odd', 5],
  ["a /' 5/ b", "a /'[0-9]/ b", 4],
  [' = = = = Deep = = = = \n', ' ==== Deep ====\n', 11],
];

describe('detokeniseWikiText', () => {
  it.each(pages)('%j', (page, text, words) => {
    expect(detokeniseWikiText(page)).toBe(text);
    expect(countWords(page)).toBe(words);
  });
});

describe('countWords', () => {
  it('takes white space as Python does, not as JavaScript does', () => {
    expect(countWords('a\u0085b\x1cc\u3000d')).toBe(4);
    expect(countWords('a\uFEFFb\u200bc')).toBe(1);
    expect(countWords('')).toBe(1);
    expect(countWords(' a ')).toBe(3);
  });
});

describe('isTitleLine', () => {
  it.each([
    [' = Robert Boulter = ', true],
    ['= A = b =', true],
    [' = = Career = = ', false],
    [' = = = Deep = = = ', false],
    [' a = b ', false],
    [' = 1 rad / s and k = ', true],
    [' ', false],
  ])('%j: %s', (line, expected) => {
    expect(isTitleLine(line)).toBe(expected);
  });
});
