import { IteraError } from '../core/errors.ts';

/** Finds stop strings in text that arrives in pieces. */
export interface StopMatcher {
  /**
   * Takes the next piece and gives the text that is now certain to come before any stop string. After a stop string was
   * found (`stop` names it) nothing more may be pushed.
   */
  push(piece: string): { readonly text: string; readonly stop?: string };
  /** Ends the text: gives back what was held because it might have begun a stop string. */
  end(): string;
}

/**
 * Makes a matcher that cuts a text at a stop string. The stop string that is complete first counts, and of several that
 * end at the same character the one that begins first; so the result does not depend on how the text was cut into
 * pieces, and no text after the stop string is ever needed.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if a stop string is empty or holds half a character.
 */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  for (const stop of stops) checkStop(stop);
  let held = '';
  return {
    push(piece) {
      const text = held + piece;
      const found = findFirst(text, stops);
      if (found) {
        held = '';
        return { text: text.slice(0, found.start), stop: found.stop };
      }
      const certain = text.length - possibleStart(text, stops);
      held = text.slice(certain);
      return { text: text.slice(0, certain) };
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

function checkStop(stop: string): void {
  // In a regular expression with the u flag a surrogate matches only where it stands alone.
  if (typeof stop !== 'string' || stop === '' || /\p{Surrogate}/u.test(stop)) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Option stop: expected non-empty strings of whole characters, got ${JSON.stringify(stop)}.`,
      { option: 'stop', got: stop },
    );
  }
}

function findFirst(text: string, stops: readonly string[]): { start: number; stop: string } | undefined {
  let first: { start: number; stop: string } | undefined;
  for (const stop of stops) {
    const start = text.indexOf(stop);
    if (start < 0) continue;
    const end = start + stop.length;
    const firstEnd = first ? first.start + first.stop.length : Infinity;
    if (end < firstEnd || (end === firstEnd && stop.length > (first?.stop.length ?? 0))) first = { start, stop };
  }
  return first;
}

/** The length of the longest end of the text that begins a stop string. */
function possibleStart(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
