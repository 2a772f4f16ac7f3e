import { IteraError } from '../core/errors.ts';
import type { BitWidth } from '../core/quantized-matrix.ts';
import type { CompressedVariant } from '../models/variants.ts';
import type { RoundingMethod } from './matrix-quantization.ts';

/** Bits that a product is stored in; 16 leaves it in half precision. */
export type ProductBits = BitWidth | 16;

/** How one product is rounded where it differs from the others. */
export type ProductException = ProductBits | { readonly bits: ProductBits; readonly blockSize: number };

/** How the stored products of a variant are rounded. */
export interface RoundingScheme {
  readonly bits: ProductBits;
  /**
   * Other bits, or bits and block size, for some products, by their name in `listStoredProducts`; a name that begins
   * with `*` stands for all that end like it and have no entry of their own.
   */
  readonly exceptions?: Readonly<Record<string, ProductException>>;
  /** Columns that share a scale: 16, 32, 64 or 128. */
  readonly blockSize: number;
  readonly symmetric: boolean;
  readonly method: RoundingMethod;
  /** Whether the embedding is stored by `centerEmbedding`. */
  readonly centered: boolean;
  /**
   * How much a tied embedding is rounded for being looked up, besides for being multiplied by: its statistics are those
   * of the output layer's inputs plus this times their mean square in every column. 0 or more.
   */
  readonly lookupShare: number;
  /** Of the products when they run: 4 rounds their inputs to 8 bits, which is fast, 0 does not. */
  readonly accuracyLevel: 0 | 4;
}

/** How a variant is made: data, kept in `itera.json`. */
export interface VariantScheme {
  /** Absent: no product is rounded. */
  readonly rounding?: RoundingScheme;
  /** Mixtures in one operator, or all experts stacked in two plain products: see `expandExperts`. */
  readonly experts: 'fused' | 'stacked';
  /** What is not rounded is stored in half precision, or also computed in it. */
  readonly float16: 'stored' | 'computed';
}

const rounded: RoundingScheme = {
  bits: 4,
  // A router is next to nothing in the file, and decides which experts work.
  exceptions: { '*.router.layer.weight': 16 },
  blockSize: 16,
  symmetric: false,
  method: 'error-feedback',
  centered: true,
  lookupShare: 0.5,
  accuracyLevel: 4,
};

const stacked = { experts: 'stacked', float16: 'stored' } as const;

/** How each variant is made unless told otherwise: what measured best, see docs/experiments.md. */
export const defaultSchemes: Readonly<Record<CompressedVariant, VariantScheme>> = {
  fp16: { experts: 'fused', float16: 'stored' },
  int8: { ...stacked, rounding: { ...rounded, bits: 8, blockSize: 32, symmetric: true } },
  int4: { ...stacked, rounding: rounded },
  q4f16: { experts: 'stacked', float16: 'computed', rounding: rounded },
  mixed: { ...stacked, rounding: rounded },
};

/**
 * @throws {@link IteraError} `INVALID_ARGUMENT` for numbers that are not allowed, before anything is computed.
 */
export function checkScheme(variant: CompressedVariant, { rounding }: VariantScheme): void {
  if (!rounding) return;
  const { bits, exceptions = {}, blockSize, method, lookupShare, accuracyLevel } = rounding;
  const formats = Object.entries(exceptions).map(([name, own]) => {
    return typeof own === 'object' ? { of: `${variant}, ${name},`, ...own } : { of: `${variant}, ${name},`, bits: own };
  });
  const checks: readonly [string, unknown, readonly unknown[]][] = [
    ...[{ of: variant, bits, blockSize }, ...formats].flatMap((format): [string, unknown, readonly unknown[]][] => [
      [`bits of ${format.of}`, format.bits, [2, 4, 8, 16]],
      [`blockSize of ${format.of}`, 'blockSize' in format ? format.blockSize : blockSize, [16, 32, 64, 128]],
    ]),
    [`method of ${variant}`, method, ['nearest', 'search', 'error-feedback']],
    [`accuracyLevel of ${variant}`, accuracyLevel, [0, 4]],
  ];
  for (const [name, value, choices] of checks) {
    if (choices.includes(value)) continue;
    const message = `Expected ${name} to be one of ${choices.join(', ')}, got ${String(value)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { variant, [name]: value });
  }
  if (!(lookupShare >= 0 && Number.isFinite(lookupShare))) {
    const message = `Expected lookupShare of ${variant} to be 0 or more, got ${lookupShare}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { variant, lookupShare });
  }
}
