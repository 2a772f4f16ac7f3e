import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  collect,
  parseAmount,
  parseCount,
  parseFraction,
  parseNumber,
  parseSeed,
  parseShare,
  parseThreads,
} from '../../../src/cli/options.ts';

describe.each([
  [
    'parseCount',
    parseCount,
    ['1', '12', '1000000000', ' 7 ', '1e3'],
    ['', ' ', '0', '-1', '1.5', '1000000001', 'two', 'NaN'],
  ],
  ['parseThreads', parseThreads, ['1', '2', '1024'], ['', '0', '-2', '1025', '1.5', 'all']],
  ['parseSeed', parseSeed, ['0', '1', '4294967295'], ['', ' ', '-1', '0.5', '4294967296', 'Infinity', 'x']],
  ['parseNumber', parseNumber, ['0', '-1.5', '1e-3', '.5'], ['', ' ', 'NaN', 'Infinity', '1,5', '1.5x']],
  ['parseAmount', parseAmount, ['0', '1.5', '1e-3'], ['', 'NaN', 'Infinity', '-0.1', 'x']],
  ['parseShare', parseShare, ['0', '0.5', '0.999'], ['', '1', '-0.1', '50%']],
  ['parseFraction', parseFraction, ['1e-5', '0.999'], ['', '0', '1', '-0.1', '1e999']],
] as const)('%s', (_, parse, accepted, refused) => {
  it.each(accepted)('takes %j', (text) => {
    expect(parse(text)).toBe(Number(text));
  });

  it.each(refused)('refuses %j, and says what it expected', (text) => {
    expect(() => parse(text)).toThrow(InvalidArgumentError);
    expect(() => parse(text)).toThrow(
      /^Expected a (whole )?number( from \d+ to \d+| of at least 0( and below 1)?| above 0 and below 1)?\.$/,
    );
  });
});

describe('collect', () => {
  it('gathers what is given several times, without changing what it had', () => {
    const first = collect('a');
    expect(collect('b', first)).toEqual(['a', 'b']);
    expect(first).toEqual(['a']);
  });
});
