import { IteraError } from '../core/errors.ts';

/**
 * Gives back a numeric option, or refuses it.
 *
 * @param expected - What is allowed, to complete "expected ...".
 * @throws {@link IteraError} `INVALID_ARGUMENT` if it is no number or `accepts` says no.
 */
export function checkNumber(
  name: string,
  value: number,
  expected: string,
  accepts: (value: number) => boolean,
): number {
  if (typeof value !== 'number' || Number.isNaN(value) || !accepts(value)) {
    throw new IteraError('INVALID_ARGUMENT', `Option ${name}: expected ${expected}, got ${String(value)}.`, {
      option: name,
      expected,
      got: value,
    });
  }
  return value;
}

/**
 * Gives back an option that counts something, or refuses it.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if it is not a whole number of at least 1.
 */
export function checkCount(name: string, value: number): number {
  return checkNumber(name, value, 'a whole number of at least 1', (count) => Number.isSafeInteger(count) && count >= 1);
}
