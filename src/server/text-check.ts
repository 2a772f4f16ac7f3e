import { badRequest } from './http-error.ts';

const unfit = /\0|\p{Surrogate}/u;

/**
 * Refuses texts, anywhere in a body, that are no Unicode or that PostgreSQL cannot keep.
 *
 * @throws {@link HttpError} 400.
 */
export function checkTexts(body: unknown): void {
  // A stack, not recursion: a body may be nested deeper than calls can be.
  const rest: unknown[] = [body];
  while (rest.length > 0) {
    const value = rest.pop();
    if (typeof value === 'string') {
      if (unfit.test(value)) {
        throw badRequest('Expected texts without NUL characters and halves of surrogate pairs, got one with such.');
      }
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, part] of Object.entries(value)) rest.push(name, part);
    }
  }
}
