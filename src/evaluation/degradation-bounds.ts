import { IteraError } from '../core/errors.ts';

/** The largest rise of perplexity that each variant is allowed, as a share of the baseline's: 0.02 is 2%. */
export type DegradationBounds = Readonly<Record<string, number>>;

/** What is allowed unless the caller says otherwise. */
export const defaultBounds = {
  fp16: 0.01,
  int8: 0.02,
  int4: 0.2,
  q4f16: 0.2,
  mixed: 0.2,
} as const satisfies DegradationBounds;

const percentPattern = /^(\d+(?:\.\d+)?|\.\d+)%?$/;

/**
 * Reads bounds in percent, as `--max-degradation` takes them: `5` for all variants, or `int8=1,int4=10` for those named,
 * the others keeping their defaults.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for anything else, a variant without a default, and one named twice.
 */
export function parseDegradationBounds(text: string): DegradationBounds {
  const variants = Object.keys(defaultBounds);
  const whole = text.trim();
  if (!whole.includes('=')) {
    const bound = parsePercent(whole, text);
    return Object.fromEntries(variants.map((variant) => [variant, bound]));
  }
  const bounds: Record<string, number> = { ...defaultBounds };
  const named = new Set<string>();
  for (const part of whole.split(',')) {
    const [name = '', amount, ...more] = part.split('=').map((piece) => piece.trim());
    if (amount === undefined || more.length > 0) refuse(text, `"${part.trim()}" is no variant=percent`);
    if (!variants.includes(name)) refuse(text, `"${name}" is none of the variants ${variants.join(', ')}`);
    if (named.has(name)) refuse(text, `${name} is named twice`);
    named.add(name);
    bounds[name] = parsePercent(amount, text);
  }
  return bounds;
}

function parsePercent(amount: string, text: string): number {
  const [, digits] = percentPattern.exec(amount) ?? [];
  const bound = Number(digits) / 100;
  if (!Number.isFinite(bound)) refuse(text, `"${amount}" is no percentage from 0 up`);
  return bound;
}

function refuse(text: string, fault: string): never {
  throw new IteraError(
    'INVALID_ARGUMENT',
    `Expected a percentage for all variants, such as 5, or one for each, such as int8=1,int4=10; got "${text}": ${fault}.`,
    { text },
  );
}
