import { describe, expect, it } from 'vitest';
import { defaultBounds, parseDegradationBounds } from '../../../src/evaluation/degradation-bounds.ts';

describe('parseDegradationBounds', () => {
  it.each<[string, Record<string, number>]>([
    ['5', { fp16: 0.05, int8: 0.05, int4: 0.05, q4f16: 0.05, mixed: 0.05 }],
    [' 0.5% ', { fp16: 0.005, int8: 0.005, int4: 0.005, q4f16: 0.005, mixed: 0.005 }],
    ['0', { fp16: 0, int8: 0, int4: 0, q4f16: 0, mixed: 0 }],
    ['int8=1,int4=10', { ...defaultBounds, int8: 0.01, int4: 0.1 }],
    [' mixed = 150% ', { ...defaultBounds, mixed: 1.5 }],
  ])('reads %j', (text, bounds) => {
    expect(parseDegradationBounds(text)).toEqual(bounds);
  });

  it.each<[string, RegExp]>([
    ['', /"" is no percentage/],
    ['many', /"many" is no percentage/],
    ['-5', /"-5" is no percentage/],
    ['NaN', /no percentage/],
    ['Infinity', /no percentage/],
    ['1e3', /no percentage/],
    ['5,10', /"5,10" is no percentage/],
    ['int8=', /"" is no percentage/],
    ['int8=x', /"x" is no percentage/],
    ['=5', /"" is none of the variants/],
    ['fp32=1', /"fp32" is none of the variants fp16, int8, int4, q4f16, mixed/],
    ['constructor=1', /"constructor" is none/],
    ['int8=1,int8=2', /int8 is named twice/],
    ['int8=1,', /"" is no variant=percent/],
    ['5,int4=10', /"5" is no variant=percent/],
    ['int8=1=2', /"int8=1=2" is no variant=percent/],
  ])('refuses %j and says why', (text, message) => {
    expect(() => parseDegradationBounds(text)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(message),
        data: { text },
      }),
    );
  });
});
