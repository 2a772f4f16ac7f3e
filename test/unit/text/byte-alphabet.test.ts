import { describe, expect, it } from 'vitest';
import { byteCharacters, bytesToCharacters, charactersToBytes } from '../../../src/text/byte-alphabet.ts';

describe('the byte alphabet', () => {
  it('is the one of GPT-2', () => {
    expect(byteCharacters[0]).toBe('Ā');
    expect(byteCharacters[0x0a]).toBe('Ċ');
    expect(byteCharacters[0x20]).toBe('Ġ');
    expect(byteCharacters[0x41]).toBe('A');
    expect(byteCharacters[0x7f]).toBe('ġ');
    expect(byteCharacters[0xa0]).toBe('ł');
    expect(byteCharacters[0xad]).toBe('Ń');
    expect(byteCharacters[0xff]).toBe('ÿ');
    expect(bytesToCharacters(new TextEncoder().encode(' né'))).toBe('ĠnÃ©');
  });

  it('has one character per byte, and back', () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    expect(new Set(byteCharacters).size).toBe(256);
    expect(charactersToBytes(bytesToCharacters(all))).toEqual(all);
  });

  it('knows what it does not hold', () => {
    expect(charactersToBytes('a b')).toBeUndefined();
    expect(charactersToBytes('€')).toBeUndefined();
  });
});
