import { describe, expect, it } from 'vitest';
import { type BitWidth, dequantize, packLevels, unpackLevels } from '../../../src/core/quantized-matrix.ts';
import { createRandom } from '../../../src/core/random.ts';

describe('packLevels', () => {
  it('puts the first level into the low bits', () => {
    expect([...packLevels(Uint8Array.of(1, 2, 3, 4), 1, 4)]).toEqual([0x21, 0x43]);
    expect([...packLevels(Uint8Array.of(1, 2, 3, 0), 1, 2)]).toEqual([0b00111001]);
    expect([...packLevels(Uint8Array.of(7, 255), 1, 8)]).toEqual([7, 255]);
  });

  it('fills rows up to whole bytes, or to a given width', () => {
    expect([...packLevels(Uint8Array.of(1, 2), 2, 4)]).toEqual([1, 2]);
    expect([...packLevels(Uint8Array.of(1, 2), 2, 4, { fill: 8, paddedWidth: 4 })]).toEqual([0x81, 0x88, 0x82, 0x88]);
  });

  it.each([2, 4, 8] as BitWidth[])('is undone by unpackLevels with %i bits', (bits) => {
    const random = createRandom(bits);
    const levels = Uint8Array.from({ length: 3 * 5 }, () => random.integer(2 ** bits));
    expect(unpackLevels(packLevels(levels, 3, bits), 3, 5, bits)).toEqual(levels);
  });

  it('refuses to unpack more than there is', () => {
    expect(() => unpackLevels(new Uint8Array(3), 2, 2, 4)).toThrow(/2 rows of at least 2 levels/);
  });
});

describe('dequantize', () => {
  it('takes each block by its own scale and zero point', () => {
    const levels = packLevels(
      Uint8Array.from({ length: 20 }, (_, index) => index % 16),
      1,
      4,
      { paddedWidth: 32 },
    );
    const matrix = { rows: 1, columns: 20, bits: 4, blockSize: 16, levels, scales: Float32Array.of(2, 0.5) } as const;
    const values = dequantize(matrix);
    expect([values[0], values[15], values[16], values[19]]).toEqual([-16, 14, -4, -2.5]);
    const zeroPoints = packLevels(Uint8Array.of(0, 3), 1, 4);
    const shifted = dequantize({ ...matrix, zeroPoints });
    expect([shifted[0], shifted[15], shifted[16], shifted[19]]).toEqual([0, 30, -1.5, 0]);
  });
});
