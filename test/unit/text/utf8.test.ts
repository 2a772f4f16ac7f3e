import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertWellFormed, createUtf8Decoder, decodeUtf8, findInvalidUtf8 } from '../../../src/text/utf8.ts';

const illFormed: [string, number[], number][] = [
  ['a stray continuation byte', [0x61, 0x80], 1],
  ['an overlong slash', [0x61, 0x62, 0xc0, 0xaf], 2],
  ['an overlong three-byte form', [0xe0, 0x80, 0x80], 0],
  ['a surrogate', [0x61, 0xed, 0xa0, 0x80], 1],
  ['a code point past U+10FFFF', [0x61, 0xf4, 0x90, 0x80, 0x80], 1],
  ['a byte that UTF-8 never uses', [0xff], 0],
  ['a missing continuation byte', [0xc3, 0xa9, 0xe2, 0x82, 0x61], 2],
  ['a truncated end', [0x61, 0xf0, 0x9f, 0x99], 1],
];

describe('decodeUtf8', () => {
  it('keeps a byte order mark and every character', () => {
    expect(decodeUtf8(new TextEncoder().encode('\uFEFFé€🙂\0'))).toBe('\uFEFFé€🙂\0');
  });

  it.each(illFormed)('refuses %s and says where', (_, bytes, offset) => {
    expect(() => decodeUtf8(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({
        code: 'TEXT_INVALID_UTF8',
        data: { offset },
        message: expect.stringContaining(`byte ${offset}`),
      }),
    );
  });

  it('finds fault exactly where the platform does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        let valid = true;
        try {
          new TextDecoder('utf-8', { fatal: true }).decode(bytes);
        } catch {
          valid = false;
        }
        const offset = findInvalidUtf8(bytes);
        expect(offset === -1).toBe(valid);
        if (offset > 0) expect(findInvalidUtf8(bytes.subarray(0, offset))).toBe(-1);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});

describe('createUtf8Decoder', () => {
  it('joins characters cut between blocks', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 5 }), (text, size) => {
        const bytes = new TextEncoder().encode(text);
        const decoder = createUtf8Decoder();
        let decoded = '';
        for (let start = 0; start < bytes.length; start += size)
          decoded += decoder.push(bytes.subarray(start, start + size));
        decoder.end();
        expect(decoded).toBe(text);
      }),
      { seed: 2 },
    );
  });

  it.each(illFormed)('refuses %s with its offset in the stream, whatever the blocks', (_, bytes, offset) => {
    const decoder = createUtf8Decoder();
    decoder.push(new TextEncoder().encode('0123456789'));
    const feed = () => {
      for (const byte of bytes) decoder.push(Uint8Array.of(byte));
      decoder.end();
    };
    expect(feed).toThrow(expect.objectContaining({ code: 'TEXT_INVALID_UTF8', data: { offset: 10 + offset } }));
  });
});

describe('assertWellFormed', () => {
  it.each([
    ['a high surrogate alone', 'ab\uD83D', 2],
    ['a low surrogate alone', '\uDE42 a', 0],
    ['a pair in the wrong order', '🙂\uDE42\uD83D', 2],
  ])('refuses %s', (_, text, index) => {
    expect(() => assertWellFormed(text)).toThrow(
      expect.objectContaining({ code: 'TEXT_INVALID_UTF8', data: { index } }),
    );
  });

  it('accepts pairs', () => {
    expect(() => assertWellFormed('a🙂\uFFFD\0')).not.toThrow();
  });
});
