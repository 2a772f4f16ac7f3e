import { describe, expect, it } from 'vitest';
import { healPrefix } from '../../../src/runtime/prefix-healing.ts';
import { createGreedyTokenizer } from './trigram-engine.ts';

const text = createGreedyTokenizer(['Dear', ' Ms', ' ', '  ', 'Ms, ', 'ab cd']);
const heal = (prefix: string) => {
  const { kept, removed, required } = healPrefix(text, prefix);
  expect(text.decode([...kept, ...removed])).toBe(prefix);
  expect(text.decode(removed)).toBe(new TextDecoder().decode(required));
  return [text.decode(kept), text.decode(removed)];
};

describe('healPrefix', () => {
  it('takes back the last word and one white space before it', () => {
    expect(heal('Dear Ms')).toEqual(['Dear', ' Ms']);
    expect(heal('Dear\n\nOnc')).toEqual(['Dear\n', '\nOnc']);
    expect(heal('Dear')).toEqual(['', 'Dear']);
    expect(heal('')).toEqual(['', '']);
  });

  it('takes back white space at the end, all of it', () => {
    expect(heal('Dear Ms ')).toEqual(['Dear Ms', ' ']);
    expect(heal('Dear Ms   ')).toEqual(['Dear Ms', '   ']);
  });

  it('goes back to the border of a token', () => {
    expect(heal('DearMs, ')).toEqual(['Dear', 'Ms, ']);
    expect(heal('Dear ab cd')).toEqual(['Dear ', 'ab cd']);
  });

  it('takes back at most eight tokens, even inside a character', () => {
    expect(heal('Dear abcdefghijklmn')).toEqual(['Dear abcdef', 'ghijklmn']);
    const { kept, removed } = healPrefix(text, 'éééééé');
    expect([kept.length, removed.length]).toEqual([4, 8]);
    expect(healPrefix(text, '€€€€').required.length).toBe(8);
  });

  it('takes nothing back where tokens do not spell the prefix', () => {
    const other = { ...text, encode: () => text.encode('Dear Mr') };
    expect(healPrefix(other, 'DEAR MR').removed).toEqual([]);
    const special = { ...text, encode: () => [...Array.from(text.encode('Dear')), text.eosId] };
    expect(healPrefix(special, 'Dear<eos>').removed).toEqual([]);
  });
});
