/** The largest number of IEEE 754 half precision. */
export const largestFloat16 = 65504;

/**
 * Numbers as half precision, to nearest, ties to even. Numbers from 65520 on become infinite, those below 2^-25 zero.
 *
 * @see IEEE 754-2019, section 3.4, binary16.
 */
export function toFloat16(values: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(values, encode);
}

/** The numbers that half-precision bits stand for; every one is also a single-precision number. */
export function fromFloat16(bits: Uint16Array): Float32Array {
  decoded ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => decode(half));
  const values = new Float32Array(bits.length);
  for (let index = 0; index < bits.length; index++) values[index] = decoded[bits[index] as number] as number;
  return values;
}

/** What each pattern of 16 bits stands for: a table, since models have millions of numbers. Made when first needed. */
let decoded: Float32Array | undefined;

/** The nearest numbers that half precision can hold. */
export const roundToFloat16 = (values: ArrayLike<number>): Float32Array => fromFloat16(toFloat16(values));

function encode(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  // Rounding up to the next power of two carries into the exponent by itself.
  if (size < 2 ** -14) return sign | roundToEven(size * 2 ** 24);
  const exponent = floorLog2(size);
  return sign | (((exponent + 15) << 10) + roundToEven((size / 2 ** exponent - 1) * 1024));
}

function decode(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function floorLog2(size: number): number {
  const exponent = Math.floor(Math.log2(size));
  // The logarithm of a number just below a power of two may round up to it.
  return 2 ** exponent > size ? exponent - 1 : exponent;
}

function roundToEven(value: number): number {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 === 1 ? nearest - 1 : nearest;
}
