import { IteraError } from '../core/errors.ts';
import type { Tensor } from '../core/tensor.ts';
import type { ParameterBuffer } from './parameter-buffer.ts';

/**
 * Moves trained weights back towards those that training started from, in place: each becomes
 * `share * start + (1 - share) * trained`. Where the two are not far apart the mean is often better than either: it has
 * learnt most of what the new text taught and forgotten less of the old.
 *
 * @param share - Of the start, from 0 (changes nothing) to 1 (undoes the training).
 * @throws {@link IteraError} `WEIGHTS_MISMATCH` if `start` lacks a weight or has one of another size.
 * @see Wortsman et al. 2022, arXiv:2109.01903.
 */
export function averageWithStart({ views }: ParameterBuffer, start: ReadonlyMap<string, Tensor>, share: number): void {
  for (const [name, { data }] of views) {
    const before = start.get(name)?.data;
    if (before?.length !== data.length) {
      const message = `Expected ${data.length} elements of weight ${name} to average with, got ${before?.length ?? 'none'}.`;
      throw new IteraError('WEIGHTS_MISMATCH', message, { name });
    }
    for (let index = 0; index < data.length; index++) {
      data[index] = share * Number(before[index]) + (1 - share) * (data[index] as number);
    }
  }
}
