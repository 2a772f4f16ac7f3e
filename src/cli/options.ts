import { InvalidArgumentError } from 'commander';

/** Reads whole numbers of a range, its ends included. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most || text.trim() === '') {
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    }
    return value;
  };

export const parseCount = wholeNumber(1, 1e9);

/** A seed, as the samplers take it. */
export const parseSeed = wholeNumber(0, 2 ** 32 - 1);

/** A number of threads; more than a machine could have would only exhaust it. */
export const parseThreads = wholeNumber(1, 1024);

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

/** A part of a whole that is not all of it: at least 0, below 1. */
export function parseShare(text: string): number {
  const value = parseNumber(text);
  if (value < 0 || value >= 1) throw new InvalidArgumentError('Expected a number of at least 0 and below 1.');
  return value;
}

/** Above 0 and below 1. */
export function parseFraction(text: string): number {
  const value = parseNumber(text);
  if (value <= 0 || value >= 1) throw new InvalidArgumentError('Expected a number above 0 and below 1.');
  return value;
}

/** Collects a repeatable option. */
export const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

/** Collects a repeatable option of numbers. */
export const collectWith =
  (parse: (text: string) => number) =>
  (text: string, before: readonly number[] = []): number[] => [...before, parse(text)];
