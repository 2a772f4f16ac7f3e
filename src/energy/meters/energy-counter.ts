import { meterFailure } from '../meter.ts';

export interface CounterOptions {
  /** For messages: where the counter is read. */
  readonly path: string;
  /** The greatest value, after which it starts again at 0; absent where it does not. */
  readonly rangeJ?: number;
}

/** More than any package or board draws for long: a step beyond it is no wrap-around but a counter that went backwards. */
const greatestW = 2000;

/**
 * Follows a counter of joules that may wrap around.
 *
 * @returns A function that takes each value and its time in seconds, and gives the joules since the first one.
 * @throws {@link IteraError} `METER_FAILED`, from that function, for a value that is no number, and for one below the last
 *   that no wrap-around explains.
 * @remarks Between two values it may wrap around once: at 262 kJ, the usual range, that takes a package of 200 W 22 minutes.
 */
export function followCounter({ path, rangeJ }: CounterOptions): (joules: number, atS: number) => number {
  let last: { readonly joules: number; readonly atS: number } | undefined;
  let total = 0;
  return (joules, atS) => {
    if (!Number.isFinite(joules) || joules < 0) {
      throw meterFailure(`Expected joules of at least 0 in ${path}, got ${joules}.`, { path, joules });
    }
    if (last !== undefined) {
      const step = joules - last.joules;
      // 10 ms: readings of one moment may still differ by a tick.
      const mostJ = greatestW * (atS - last.atS + 0.01);
      const isWrap = step < 0 && rangeJ !== undefined && step + rangeJ >= 0 && step + rangeJ <= mostJ;
      if (step < 0 && !isWrap) {
        throw meterFailure(
          `The energy counter ${path} went backwards, from ${last.joules} to ${joules} J, which is no wrap-around` +
            `${rangeJ === undefined ? '' : ` at ${rangeJ} J`}. After a suspend or a reset of the counter, measure again.`,
          { path, before: last.joules, after: joules },
        );
      }
      total += isWrap ? step + (rangeJ as number) : step;
    }
    last = { joules, atS };
    return total;
  };
}
