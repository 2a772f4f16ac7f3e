import { describe, expect, it } from 'vitest';
import { exampleRows, longestRow } from '../../../src/adaptation/learning/example-rows.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';

/** One token a character. */
const tokenizer = {
  eosId: 0,
  encode: (text: string) => Uint32Array.from(text, (character) => character.charCodeAt(0)),
};
const rowsOf = (wanted?: string, unwanted?: string, prompt = 'ab') =>
  exampleRows(
    { id: '1', prompt, ...(wanted !== undefined && { wanted }), ...(unwanted !== undefined && { unwanted }) },
    tokenizer as unknown as Tokenizer,
  );
const counted = ({ tokens, from, to }: ReturnType<typeof rowsOf>[number]) =>
  String.fromCharCode(...tokens.subarray(from, to));

describe('exampleRows', () => {
  it('is the mark, the prompt and the answer, of which the answer counts', () => {
    const [row] = rowsOf('cde');
    expect(Array.from(row?.tokens ?? [])).toEqual([0, 97, 98, 99, 100, 101]);
    expect(row).toMatchObject({ from: 3, to: 6, wanted: true });
  });

  it('counts all of an unwanted answer alone, and only what differs beside a wanted one', () => {
    expect(rowsOf(undefined, 'xyz').map(counted)).toEqual(['xyz']);
    const [good, bad] = rowsOf('the cat.', 'the dog.');
    expect(good && counted(good)).toBe('the cat.');
    expect(bad && counted(bad)).toBe('dog');
    expect(bad?.wanted).toBe(false);
  });

  it.each([
    ['abab', 'ab', ''],
    ['ab', 'abab', 'ab'],
    ['aa', 'a', ''],
    ['', 'xy', 'xy'],
  ])('finds what differs between %j and %j', (wanted, unwanted, expected) => {
    const bad = rowsOf(wanted, unwanted).filter((row) => !row.wanted);
    expect(bad.map(counted).join('')).toBe(expected);
  });

  it('cuts the beginning of a long prompt and the end of a long answer', () => {
    const [row] = rowsOf('y'.repeat(500), undefined, `${'x'.repeat(500)}!`);
    expect(row?.tokens).toHaveLength(longestRow);
    expect(row && counted(row)).toBe('y'.repeat(96));
    expect(row?.tokens[(row?.from ?? 0) - 1]).toBe('!'.charCodeAt(0));
  });

  it('is nothing where there is nothing', () => {
    expect(rowsOf('', '')).toEqual([]);
  });
});
