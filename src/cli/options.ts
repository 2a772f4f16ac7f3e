import { InvalidArgumentError } from 'commander';

/** A whole number from 1 to a thousand millions. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1e9) {
    throw new InvalidArgumentError('Expected a whole number from 1 to 1000000000.');
  }
  return value;
}

/** A whole number from 0 to 2^32 - 1, as the samplers take. */
export function parseSeed(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 2 ** 32 - 1 || text.trim() === '') {
    throw new InvalidArgumentError('Expected a whole number from 0 to 4294967295.');
  }
  return value;
}

/** A number of threads; more than a machine could have would only exhaust it. */
export function parseThreads(text: string): number {
  const value = parseCount(text);
  if (value > 1024) throw new InvalidArgumentError('Expected a whole number from 1 to 1024.');
  return value;
}

/** One of some numbers. */
export function parseChoice(text: string, choices: readonly number[]): number {
  const value = Number(text);
  if (!choices.includes(value) || text.trim() === '') {
    throw new InvalidArgumentError(`Expected one of ${choices.join(', ')}.`);
  }
  return value;
}

/** A finite number. */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || text.trim() === '') throw new InvalidArgumentError('Expected a number.');
  return value;
}

/** A finite number that is not negative. */
export function parseAmount(text: string): number {
  const value = parseNumber(text);
  if (value < 0) throw new InvalidArgumentError('Expected a number of at least 0.');
  return value;
}

/** Collects a repeatable option. */
export const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

/** Collects a repeatable option of numbers. */
export const collectWith =
  (parse: (text: string) => number) =>
  (text: string, before: readonly number[] = []): number[] => [...before, parse(text)];
