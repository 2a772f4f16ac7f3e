/**
 * Joules from watts that come now and then: each value counts with the one before it over the time between them
 * (trapezoids).
 */
export interface PowerIntegral {
  /** @param atS - Not less than the time of the value before. */
  add(watts: number, atS: number): void;
  /** Joules up to the last value. */
  joules(): number;
  /** How many values there were. */
  count(): number;
}

export function createPowerIntegral(): PowerIntegral {
  let last: { readonly watts: number; readonly atS: number } | undefined;
  let total = 0;
  let values = 0;
  return {
    add(watts, atS) {
      if (last) total += ((watts + last.watts) / 2) * (atS - last.atS);
      last = { watts, atS };
      values += 1;
    },
    joules: () => total,
    count: () => values,
  };
}
