import { InvalidArgumentError } from 'commander';

/** A whole number from 1. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1e9) {
    throw new InvalidArgumentError('Expected a whole number from 1.');
  }
  return value;
}

/** A whole number from 0. */
export function parseSeed(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 2 ** 31 - 1 || text.trim() === '') {
    throw new InvalidArgumentError('Expected a whole number from 0.');
  }
  return value;
}

/** A finite number. */
export function parseNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || text.trim() === '') throw new InvalidArgumentError('Expected a number.');
  return value;
}

/** Collects a repeatable option. */
export const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];
